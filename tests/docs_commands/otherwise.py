"""What of the pages is not done as it stands there, and why: a command that is not in this table is run as it is."""

from __future__ import annotations

from dataclasses import dataclass

from tests import images
from tests.docs_commands.surroundings import DESTINATION, OFFLINE

README = "README.md"
TUTORIAL = "docs/tutorial.md"
HOW_TO = "docs/how-to/"
BREAK_IT = f"{HOW_TO}break-it-on-purpose.md"
BUCKET = f"{HOW_TO}keep-logs-in-object-storage.md"
BY_HAND = f"{HOW_TO}start-by-hand.md"
COMPOSE = f"{HOW_TO}run-with-compose.md"
CONTAINERS = f"{HOW_TO}run-in-containers.md"
OWN = f"{HOW_TO}use-your-own-connector.md"
PYTHON = f"{HOW_TO}use-the-python-client.md"
UPGRADE = f"{HOW_TO}upgrade-with-running-syncs.md"
WORKERS = f"{HOW_TO}run-workers.md"
START_FILE = (
    "temporal workflow start --type Sync --task-queue airbyte --workflow-id sync/people --input-file people.json"
)
CHAOS = "airbyte-workers chaos --launcher process"


@dataclass(frozen=True)
class Otherwise:
    """One command of a page, or one program, named by its first line."""

    page: str
    command: str
    reason: str
    run: bool = True
    instead: str = ""
    """What is typed in its place."""
    code: int = 0
    typed: str = ""
    """What is typed when it asks."""
    interrupt_at: str = ""
    """It gets a Ctrl-C once it has said this."""


@dataclass(frozen=True)
class Value:
    """A value that stands on a page as an example, and what the reader of this machine puts in its place."""

    page: str
    text: str
    by: str
    reason: str


@dataclass(frozen=True)
class NotSaid:
    """A line of shown output that is an example, beyond its numbers."""

    page: str
    text: str
    reason: str


COMMANDS: tuple[Otherwise, ...] = (
    Otherwise(README, "make test", "it is what runs this", run=False),
    Otherwise(
        TUTORIAL, "airbyte-workers sync -f slow.yaml", "a sync of a minute, which the page has somebody cancel",
        interrupt_at="attempt 1 is running", code=3,
    ),
    Otherwise(
        BREAK_IT, "airbyte-workers chaos --victim temporal-worker --point during-commit",
        "one of its two cases: the other is in containers",
        instead=f"{CHAOS} --victim temporal-worker --point during-commit",
    ),
    Otherwise(
        BREAK_IT, "airbyte-workers chaos --victim postgresql --victim object-storage --launcher process",
        "one of its cases: all take minutes", instead=f"{CHAOS} --victim postgresql --victim object-storage --sample 1",
    ),
    Otherwise(
        BREAK_IT, "airbyte-workers chaos --point end-of-input",
        "one of its cases: all take minutes", instead=f"{CHAOS} --point end-of-input --sample 1",
    ),
    Otherwise(BREAK_IT, "airbyte-workers chaos --sample 20", "the next one but one draws, too", run=False),
    Otherwise(BREAK_IT, "airbyte-workers chaos --all", "an hour: `make chaos` is the same", run=False),
    Otherwise(
        BREAK_IT, "airbyte-workers chaos --victim postgresql --victim temporal-server --point state-forwarded "
        "--launcher process --away 120", "two minutes for each of its cases",
        instead=f"{CHAOS} --victim postgresql --point state-forwarded --away 3",
    ),
    Otherwise(
        BREAK_IT, "airbyte-workers chaos --sample 20 --seed 3906221459", "twenty cases take minutes",
        instead=f"{CHAOS} --sample 1 --seed 3906221459",
    ),
    Otherwise(
        f"{HOW_TO}retry-and-cancel.md", "airbyte-workers jobs retry 7", "the reader has seen the cancelled job's end",
        instead="airbyte-workers jobs logs 7 -f >/dev/null; airbyte-workers jobs retry 7",
    ),
    Otherwise(
        BUCKET, "export AWS_DEFAULT_REGION=eu-central-1", "a server of ours stands in Amazon's place",
        instead="export AWS_DEFAULT_REGION=eu-central-1 AWS_ENDPOINT_URL={minio_endpoint}",
    ),
    Otherwise(
        UPGRADE, "/opt/airbyte-workers/0.2.0/bin/pip install airbyte-workers==0.2.0", "there is no such release yet",
        instead="ln -s {venv}/bin/airbyte-workers {root}/opt/airbyte-workers/0.2.0/bin/airbyte-workers",
    ),
    Otherwise(
        BY_HAND, START_FILE, "the reader has seen the cancelled run's end",
        instead=f"temporal workflow result --workflow-id sync/people; {START_FILE}",
    ),
    Otherwise(
        f"{HOW_TO}sync-from-your-own-workflow.md", "report = await workflow.execute_child_workflow(",
        "it stands in a workflow; docs/examples/own_workflow.py, which has one, is run by its own test", run=False,
    ),
    Otherwise(UPGRADE, "temporal workflow update-options \\", "it asks whether it is meant", typed="y\n"),
    Otherwise(
        UPGRADE, "temporal worker deployment set-current-version --deployment-name airbyte --unversioned",
        "it asks whether it is meant", typed="y\n",
    ),
    Otherwise(
        OFFLINE, "python3 -m pip download -q -d wheels -r requirements.lock",
        "310 MB, for an environment that is made here", run=False,
    ),
    Otherwise(COMPOSE, "git pull", "the folder is a copy of what is tested", run=False),
    Otherwise(
        COMPOSE, "docker compose build", "`make images` has built it of the same Dockerfile, without a registry",
        run=False,
    ),
    Otherwise(
        COMPOSE, "docker compose exec postgresql psql -U airbyte -c '\\password'", "it asks for the password twice",
        instead="cat secrets/postgres_password secrets/postgres_password | "
        "docker compose exec -T postgresql psql -U airbyte -c '\\password'",
    ),
    Otherwise(
        CONTAINERS, "docker build -t airbyte-workers .", "`make images` has built it of the same Dockerfile",
        instead=f"docker tag {images.PRODUCT} {{token}}",
    ),
)  # fmt: skip
VALUES: tuple[Value, ...] = (
    Value(BUCKET, "s3://example-airbyte/", "s3://airbyte/amazon/", "the bucket that there is"),
    Value(BUCKET, "http://minio.example.com:9000", "{minio_endpoint}", "where the server is"),
    Value(BUCKET, "AWS_ACCESS_KEY_ID=...", "AWS_ACCESS_KEY_ID={aws_access_key_id}", "the reader's own"),
    Value(BUCKET, "AWS_SECRET_ACCESS_KEY=...", "AWS_SECRET_ACCESS_KEY={aws_secret_access_key}", "the reader's own"),
    Value(WORKERS, "s3://example-airbyte/", "s3://airbyte/", "the bucket that there is"),
    Value(WORKERS, "AWS_DEFAULT_REGION=eu-central-1", "MINIO_ENDPOINT={minio_endpoint}", "no bucket of Amazon's"),
    Value(WORKERS, "AWS_ACCESS_KEY_ID=...", "AWS_ACCESS_KEY_ID={aws_access_key_id}", "the reader's own"),
    Value(WORKERS, "AWS_SECRET_ACCESS_KEY=...", "AWS_SECRET_ACCESS_KEY={aws_secret_access_key}", "the reader's own"),
    Value(WORKERS, "postgresql://airbyte:...@db.example.com:5432/airbyte", "{database_url}", "where the servers are"),
    Value(WORKERS, "temporal.example.com:7233", "{temporal_address}", "where the servers are"),
    Value(WORKERS, "/etc/", "{root}/etc/", "a folder of the page's own"),
    Value(WORKERS, "/opt/", "{root}/opt/", "a folder of the page's own"),
    Value(WORKERS, "/var/lib/", "{root}/var/lib/", "a folder of the page's own"),
    Value(UPGRADE, "/opt/", "{root}/opt/", "a folder of the page's own"),
    Value(f"{HOW_TO}undo-a-sync.md", "--from 2h", "--from 1s", "the connection was made some seconds ago"),
    Value(PYTHON, "temporal.example.com:7233", "{temporal_address}", "where the server is"),
    Value(COMPOSE, "127.0.0.1:7233", "127.0.0.1:{temporal_port}", "other stacks may have this port"),
    Value(COMPOSE, "127.0.0.1:5432", "127.0.0.1:{postgres_port}", "other stacks may have this port"),
    Value(
        COMPOSE,
        "airbyte-workers.stack=airbyte-workers",
        "airbyte-workers.stack={token}",
        "the stack has a name of its own",
    ),
    Value(CONTAINERS, "docker network create airbyte", "docker network create {token}", "a name of its own"),
    Value(CONTAINERS, "DOCKER_NETWORK=airbyte", "DOCKER_NETWORK={token}", "a name of its own"),
    Value(CONTAINERS, "airbyte-storage", "{token}-storage", "a name of its own"),
    Value(CONTAINERS, "airbyte-worker ", "{token}-worker ", "a name of its own"),
    Value(CONTAINERS, "ORCHESTRATOR_IMAGE=airbyte-workers", "ORCHESTRATOR_IMAGE={token}", "a name of its own"),
    Value(CONTAINERS, "  airbyte-workers worker", "  {token} worker", "a name of its own"),
    Value(CONTAINERS, "postgresql://airbyte:...@127.0.0.1:5432/airbyte", "{database_url}", "where the servers are"),
    Value(CONTAINERS, "127.0.0.1:7233", "{temporal_address}", "where the servers are"),
    Value(CONTAINERS, "/srv/airbyte", "{root}/srv/airbyte", "a folder of the page's own"),
    Value(CONTAINERS, "AIRBYTE_WORKERS_STACK=main", "AIRBYTE_WORKERS_STACK={token}", "a name of its own"),
    Value(OWN, "my-source:1", "{token}:1", "a name of its own"),
    Value(OWN, "python:3.11-slim", images.CODE, "a base that needs no registry"),
    Value(OWN, "airbyte-workers/destination-jsonl:0.1.0", DESTINATION, "the image that there is"),
)
OUTPUT: tuple[NotSaid, ...] = ()


def of_command(page: str, name: str) -> Otherwise | None:
    return next((each for each in COMMANDS if (each.page, each.command) == (page, name)), None)


def values(page: str) -> tuple[Value, ...]:
    return tuple(each for each in VALUES if each.page == page)


def is_example(page: str, line: str) -> bool:
    return any((each.page, each.text) == (page, line.strip()) for each in OUTPUT)
