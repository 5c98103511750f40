"""What a page takes for granted: a stack that runs, files that the reader has, a connection that was synced before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import images
from tests.docs_commands.pages import ROOT, File, steps
from tests.e2e.e2e_support import FAKER, TEST_IMAGES
from tests.images.compose import POSTGRES, TEMPORAL


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """By default: the embedded stack runs in another terminal, and there is no Docker engine."""

    stack: bool = True
    servers: bool = False
    """A Temporal and a PostgreSQL of one's own."""
    addressed: bool = True
    """The servers' addresses are in the environment."""
    docker: bool = False
    connectors: bool = True
    """The faker's environment is made, as after an earlier use."""
    clone: bool = False
    """The folder is a clone of the repository whose environment is made."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Relative to the folder in which the page begins."""
    variables: Mapping[str, str] = field(default_factory=dict)
    s3: bool = False
    """A server that speaks S3, with a bucket."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """By table of the job database: the number of its next row, where a page speaks of a certain one."""
    images: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()
    """Typed after the page: what it has brought about."""
    after: tuple[str, ...] = ()
    """Typed at the end whatever happened, to remove what would stay on the engine."""


CONNECTORS = Path(__file__).with_name("connectors")
"""Sources that say what certain pages show."""
UNIT = "/etc/systemd/system/airbyte-worker.service"
OFFLINE = "docs/how-to/work-without-internet.md"
RUN_WORKERS, UPGRADE = "docs/how-to/run-workers.md", "docs/how-to/upgrade-with-running-syncs.md"
SYNCED = "airbyte-workers sync -f people.yaml"
DESTINATION = f"{TEST_IMAGES}/destination-jsonl:1"
COMPOSE = (images.PRODUCT, images.DEMO_DESTINATION, FAKER, POSTGRES, TEMPORAL)
PORTS = ("POSTGRES_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
DOT_ENV = "\n".join(
    (
        "COMPOSE_PROJECT_NAME={token}",
        f"AIRBYTE_WORKERS_IMAGE={images.PRODUCT}",
        "LOCAL_ROOT={root}/local",
        "HEALTH_INTERVAL=1s",
        *(f"{name}={{{name.lower()}}}" for name in PORTS),
        "",
    )
)
"""What somebody has who has other stacks on this host, and images of their own."""
ALL_WELL = "airbyte-workers jobs list -o json | jq -e 'length > 1 and all(.[]; .status == \"succeeded\")'"
COMPOSE_ENDS = (
    "docker ps -aq --filter label=airbyte-workers.stack={token} | xargs -r docker rm -f",
    "docker volume ls -q --filter label=airbyte-workers.stack={token} | xargs -r docker volume rm",
    'docker compose -p {token} --profile "*" down -v',
)


def shown_file(page: str, name: str) -> str:
    """A file as this page shows it."""
    return next(step.text for step in steps(page) if isinstance(step, File) and step.path == name)


def people(source: str, *lines: str) -> Mapping[str, str]:
    """A sync file of the connection that most pages speak of, with another source: a command and its config."""
    command, _, config = source.partition(" ")
    told = [
        "connection: people",
        f"source: {{command: [{command}], config: {config or '{}'}}}",
        "destination: {command: [destination-jsonl], config: {path: people}}",
        *lines,
    ]
    file = {"people.yaml": "\n".join(told) + "\n"}
    script = CONNECTORS / command.removeprefix("./")
    return file | ({script.name: script.read_text()} if command.startswith("./") else {})


def unit_of_versions() -> str:
    """The unit of `run workers` with the line of the page about upgrades, and with folders of the page's own."""
    (line,) = re.findall(r"^ExecStart=.*$", (ROOT / UPGRADE).read_text(encoding="utf-8"), re.MULTILINE)
    unit = re.sub(r"^ExecStart=.*$", lambda _: line, shown_file(RUN_WORKERS, UNIT), flags=re.MULTILINE)
    return unit.replace("=/opt/", "={root}/opt/").replace("=/etc/", "={root}/etc/")


FAKED = {"people.yaml": shown_file("README.md", "people.yaml")}
REFRESHED = {
    name: text.replace("destination: {", "destination: {supports_refreshes: true, ")
    for name, text in people("source-synthetic {streams: [users, orders], namespace: public, records: 100}").items()
}
SLOW = people("source-synthetic {streams: [users], records: 6000, state_every: 100, delay_ms: 100}")
ENVIRONMENT = """DATABASE_URL={database_url}
TEMPORAL_ADDRESS={temporal_address}
SECRETS_KEY_FILE={root}/etc/airbyte-workers/key
ALLOW_LOCAL_COMMANDS=true
WORKER_DEPLOYMENT_NAME=airbyte
WORKER_BUILD_ID=0.2.0
"""
OPEN_RUN = """temporal workflow start --type Sync --task-queue airbyte --workflow-id sync/people --input '{
  "connection": "people",
  "source": {"command": ["source-synthetic"], "config": {"records": 100000, "state_every": 100, "delay_ms": 100}},
  "destination": {"command": ["destination-jsonl"], "config": {"path": "{root}/people"}}
}'"""


PAGES: Mapping[str, Surroundings] = {
    "README.md": Surroundings(
        stack=False,
        docker=True,
        clone=True,
        images=COMPOSE,
        files={".env": DOT_ENV},
        proof=(ALL_WELL,),
        after=COMPOSE_ENDS,
    ),
    "docs/tutorial.md": Surroundings(stack=False, clone=True),
    "docs/how-to/break-it-on-purpose.md": Surroundings(stack=False),
    "docs/how-to/check-records.md": Surroundings(
        numbers={"jobs": 7},
        files=people("./odd-people", "allow_malformed: true", "validation: {mode: full, dead_letters: true}"),
        before=(SYNCED,),
    ),
    "docs/how-to/clear-and-refresh.md": Surroundings(files=REFRESHED, before=(SYNCED,)),
    "docs/how-to/keep-logs-in-object-storage.md": Surroundings(stack=False, s3=True),
    "docs/how-to/read-logs.md": Surroundings(stack=False),
    "docs/how-to/read-the-past.md": Surroundings(
        numbers={"jobs": 7},
        files=people("source-synthetic {streams: [users], namespace: public, state_every: 100, crash_after: 300}"),
        before=(f"! {SYNCED} --retries 1",),
    ),
    "docs/how-to/retry-and-cancel.md": Surroundings(numbers={"jobs": 7}, files=SLOW, before=(f"{SYNCED} --detach",)),
    "docs/how-to/run-in-containers.md": Surroundings(
        stack=False,
        docker=True,
        servers=True,
        addressed=False,
        images=(images.PRODUCT, FAKER),
        files={"key": f"{'c0de' * 16}\n"},
        proof=("until docker logs {token}-worker 2>&1 | grep 'polling '; do sleep 0.5; done",),
        after=(
            "docker rm -f {token}-worker",
            "docker volume rm -f {token}-storage",
            "docker network rm {token}",
            "docker rmi {token}",
        ),
    ),
    "docs/how-to/run-with-compose.md": Surroundings(
        stack=False,
        docker=True,
        clone=True,
        images=COMPOSE,
        files={".env": DOT_ENV, "password.txt": "a password\n"},
        after=COMPOSE_ENDS,
    ),
    RUN_WORKERS: Surroundings(
        stack=False,
        servers=True,
        s3=True,
        variables={"SECRETS_KEY_FILE": "{root}/etc/airbyte-workers/key"},
        before=("mkdir -p {root}/opt/airbyte-workers && ln -s {venv} {root}/opt/airbyte-workers/.venv",),
    ),
    "docs/how-to/schedule-syncs.md": Surroundings(files=FAKED),
    "docs/how-to/start-by-hand.md": Surroundings(
        files={**SLOW, "my-source": '#!/bin/sh\nshift\nexec source-synthetic "$@"\n', "mine.json": "{}\n"},
        before=(f"{SYNCED} --detach", "airbyte-workers jobs cancel 1"),
    ),
    "docs/how-to/undo-a-sync.md": Surroundings(
        numbers={"jobs": 11, "state_log": 1233}, files=people("./dated-people"), before=(SYNCED, SYNCED)
    ),
    UPGRADE: Surroundings(
        stack=False,
        servers=True,
        variables={
            "SECRETS_KEY_FILE": "{root}/etc/airbyte-workers/key",
            "ALLOW_LOCAL_COMMANDS": "true",
        },
        files={
            "../etc/airbyte-workers/environment": ENVIRONMENT,
            "../etc/systemd/system/airbyte-worker@.service": unit_of_versions(),
        },
        before=("openssl rand -hex 32 >{root}/etc/airbyte-workers/key", OPEN_RUN),
        proof=("airbyte-workers jobs cancel 1",),
        after=("systemctl stop airbyte-worker@0.2.0",),
    ),
    "docs/how-to/use-the-python-client.md": Surroundings(
        files=FAKED,
        before=(SYNCED,),
        proof=(ALL_WELL,),
    ),
    "docs/how-to/use-your-own-connector.md": Surroundings(
        docker=True,
        images=(images.CODE, DESTINATION),
        numbers={"jobs": 7},
        files={
            "my-source.py": "from demo_connectors.source_synthetic import main\n\nmain()\n",
            "my-source.json": '{"records": 100}\n',
        },
        after=("docker rmi {token}:1",),
    ),
    "docs/how-to/test-a-connector.md": Surroundings(stack=False),
    "docs/how-to/watch-in-temporal.md": Surroundings(files=FAKED, before=(SYNCED,)),
    OFFLINE: Surroundings(stack=False, docker=True, clone=True, connectors=False, images=(FAKER,)),
}


def of_page(page: str) -> Surroundings:
    """Those of a page that is not in the table are the ordinary ones."""
    return PAGES.get(page, Surroundings())
