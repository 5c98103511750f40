"""Files, addresses, databases and folders that cannot be used: one line that says what to do, soon, and no password."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from e2e_bad_rows import HIDDEN
from e2e_bad_ways import TEMPORAL, apart, execute, new_database
from e2e_support import Place

from airbyte_workers.client import (
    Client,
    DatabaseUnusable,
    InvalidInput,
    RunFailed,
    StackError,
    TemporalUnreachable,
)
from airbyte_workers.settings import Settings
from airbyte_workers.store import database

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
NOBODY = "127.0.0.1:1"
SOON_S = 15.0
CHECK = ("check", "--command", "destination-jsonl", "--config", "config.json")
SPEC = ("spec", "--command", "destination-jsonl")
MAY_MOUNT = bool(int(Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0], 16) & 1 << 21)
LIST, WORKER, MIGRATE = ("jobs", "list"), ("worker",), ("db", "migrate")


def told(place: Place, *words: str, code: int = 1, seconds: float = SOON_S, **variables: str) -> str:
    """The one line with which a command ends; a password, or a value of a config, never stands in what is said."""
    with place.started(*words, **variables) as command:
        ended = command.ended(seconds)
    assert ended.code == code, ended
    assert HIDDEN not in ended.out + ended.err
    return ended.error


# --- files ------------------------------------------------------------------------------------------------------------

FILES = {
    "a folder": (None, "cannot read given.yaml: Is a directory"),
    "binary": (b"\xff\xfe\x00", "given.yaml is not a text file (UTF-8)"),
    "broken": (
        f"path: x\n token: [{HIDDEN}\n".encode(),
        "given.yaml, line 2: not valid YAML or JSON: mapping",
    ),
    "broken JSON": (
        b'{"path": "x",\n "token": "%s' % HIDDEN.encode(),
        "given.yaml, line 2: not valid YAML or JSON: found",
    ),
    "an unknown alias": (
        f"path: x\ntoken: *{HIDDEN}\n".encode(),
        "given.yaml, line 2: not valid YAML or JSON: found undefined",
    ),
    "an unknown tag": (
        f"path: !{HIDDEN} x\n".encode(),
        "given.yaml, line 1: not valid YAML or JSON: could not",
    ),
    "a control character": (
        f"path: x\ntoken: {HIDDEN}\x01\n".encode(),
        "line 2: not valid YAML or JSON: a char",
    ),
    "a value of another tag": (f"path: !!int {HIDDEN}\n".encode(), "given.yaml: holds what JSON cannot hold"),
    "what contains itself": (b"path: &x [*x]\n", "given.yaml: holds what JSON cannot hold"),
    "deep": (b"path: " + b"[" * 5000, "given.yaml is nested too deeply"),
    "a list": (f"- {HIDDEN}\n".encode(), "given.yaml: expected an object with fields"),
    "empty": (b"", "given.yaml: expected an object with fields"),
}


@pytest.mark.parametrize(("content", "said"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_used(place: Place, content: bytes | None, said: str) -> None:
    given = place.work / "given.yaml"
    given.mkdir() if content is None else given.write_bytes(content)
    assert said in told(place, "check", "--command", "destination-jsonl", "--config", "given.yaml", code=2)


def test_a_file_that_cannot_be_used_starts_no_stack(alone: Place) -> None:
    for words in (("check", "airbyte/x", "--config", "none.yaml"), ("sync", "-f", "none.yaml")):
        assert told(alone, *words, code=2) == "cannot read none.yaml: No such file or directory"
    assert alone.stack() == {}


def test_a_date_is_the_text_that_was_typed(place: Place) -> None:
    source, destination = "source: {image: a/b, config: {since: 2020-1-5}}", "destination: {image: a/b}"
    (place.work / "sync.yaml").write_text(f"connection: dates\n{source}\n{destination}\n")
    printed = place.run("sync", "-f", "sync.yaml", "--print-input").report
    assert printed["source"]["config"] == {"since": "2020-1-5"}


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.fixture
def addressed(place: Place) -> Place:
    """The session's stack by its addresses, as one of somebody else's; a config is there to be handed over."""
    stack = place.stack()
    (place.work / "config.json").write_text(f'{{"path": "{HIDDEN}"}}')
    addresses = {"TEMPORAL_ADDRESS": stack["temporal_address"], "DATABASE_URL": stack["database_url"]}
    return replace(place, variables=place.variables | addresses)


def test_settings_that_are_none_are_told_by_their_variables(place: Place) -> None:
    wrong = {"MAX_SYNC_WORKERS": HIDDEN, "LAUNCHER": HIDDEN, "AIRBYTE_WORKERS_HEARTBEAT_TIMEOUT_S": "-1"}
    said = told(place, *LIST, code=2, **wrong)
    assert said.startswith("settings: ")
    assert "MAX_SYNC_WORKERS: must be an integer" in said
    assert "LAUNCHER: must be 'process', 'docker' or 'auto'" in said
    assert "AIRBYTE_WORKERS_HEARTBEAT_TIMEOUT_S: must be greater than 0" in said


NOWHERE = "set TEMPORAL_ADDRESS: DATABASE_URL alone does not say where Temporal is"


@pytest.mark.parametrize(
    ("words", "address", "said"),
    [
        (SPEC, NOBODY, f"cannot reach Temporal at {NOBODY} (TEMPORAL_ADDRESS): Connection refused"),
        (WORKER, NOBODY, f"cannot reach Temporal at {NOBODY} (TEMPORAL_ADDRESS): Connection refused"),
        (SPEC, "no-such-host.invalid:7233", "(TEMPORAL_ADDRESS): failed to lookup address information"),
        (SPEC, "http://localhost:7233", "TEMPORAL_ADDRESS is host:port, such as localhost:7233; not http://"),
        (SPEC, "", NOWHERE),
    ],
)
def test_no_temporal(addressed: Place, words: tuple[str, ...], address: str, said: str) -> None:
    assert said in told(addressed, *words, TEMPORAL_ADDRESS=address)


def test_a_temporal_that_says_nothing(addressed: Place) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        assert told(addressed, *SPEC, TEMPORAL_ADDRESS=address).endswith("(TEMPORAL_ADDRESS): no answer in time")


@pytest.mark.parametrize("words", [SPEC, WORKER], ids=" ".join)
def test_a_temporal_namespace_that_is_not_there(addressed: Place, words: tuple[str, ...]) -> None:
    said = told(addressed, *words, TEMPORAL_NAMESPACE="none")
    assert said.startswith("there is no namespace none (TEMPORAL_NAMESPACE) in Temporal at ")


WRONG_PASSWORD = f"postgresql://airbyte_workers:{HIDDEN}@{{address}}/db?sslmode=disable"
NO_URL = "the address is not one that PostgreSQL's clients understand"


@pytest.mark.parametrize(
    ("words", "url", "said"),
    [
        (LIST, f"postgresql://u:{HIDDEN}@{NOBODY}/db", "connection refused at 127.0.0.1:1; does it run there?"),
        (CHECK, f"postgresql://u:{HIDDEN}@{NOBODY}/db", "connection refused at 127.0.0.1:1; does it run there?"),
        (WORKER, f"postgresql://u:{HIDDEN}@{NOBODY}/db", "connection refused at 127.0.0.1:1; does it run there?"),
        (MIGRATE, f"postgresql://u:{HIDDEN}@{NOBODY}/db", "connection refused at 127.0.0.1:1; does it run there?"),
        (LIST, WRONG_PASSWORD, "password authentication failed"),
        (WORKER, WRONG_PASSWORD, "password authentication failed"),
        (LIST, f"mysql://u:{HIDDEN}@localhost/db", NO_URL),
        (WORKER, f"postgresql://u:{HIDDEN}@localhost:port/db", NO_URL),
        (MIGRATE, HIDDEN, NO_URL),
    ],
)
def test_no_postgresql(addressed: Place, words: tuple[str, ...], url: str, said: str) -> None:
    address = urlsplit(addressed.variables["DATABASE_URL"]).netloc.rpartition("@")[2]
    line = told(addressed, *words, DATABASE_URL=url.replace("{address}", address))
    assert line.startswith("cannot reach PostgreSQL (DATABASE_URL): ")
    assert said in line


@pytest.mark.parametrize("words", [LIST, CHECK, ("catalog", "show", "1")], ids=" ".join)
def test_temporal_alone_does_not_say_where_jobs_are(addressed: Place, words: tuple[str, ...]) -> None:
    assert told(addressed, *words, DATABASE_URL="").startswith("set DATABASE_URL: TEMPORAL_ADDRESS alone does not")


@pytest.mark.parametrize("id", ["999999", str(2**63 - 1)])
def test_a_catalog_that_is_not_there(place: Place, id: str) -> None:
    assert told(place, "catalog", "show", id, code=2) == f"there is no catalog {id}"


@pytest.mark.docker
def test_no_docker_engine(addressed: Place, tmp_path: Path) -> None:
    """Docker that was asked for is waited for as often as the stack may try; `auto` goes on without."""
    no_docker = {"DOCKER_HOST": "unix:///nonexistent.sock", "AIRBYTE_WORKERS_LAUNCH_TRIES": "2"}
    own = apart(addressed, tmp_path, "no-docker")
    with own.started("worker", **no_docker) as worker:
        worker.until_said("polling ")
        ended = own.run("spec", "airbyte-workers-test/source-synthetic:1", "--launcher", "docker")
        assert ended.code == 1
        assert ended.error.startswith("spec failed: ")
        assert "is it running, and may this user reach it?" in ended.error
        assert "trying again after: " in ended.err
        auto = own.run("spec", "airbyte-workers-test/source-synthetic:1")
        assert auto.code == 2
        assert (
            auto.error
            == "airbyte-workers-test/source-synthetic is not a Python package; it needs Docker (launcher docker)"
        )
        worker.process.send_signal(signal.SIGTERM)
        assert worker.ended().code == 0, worker.err


# --- schemas ----------------------------------------------------------------------------------------------------------

NOT_YET = "the database is not migrated yet: run `airbyte-workers db migrate`, or `airbyte-workers worker`"


@pytest.fixture
def own_database(addressed: Place, request: pytest.FixtureRequest) -> Place:
    """An empty one."""
    url = new_database(addressed.variables["DATABASE_URL"], f"schema-{uuid4()}")
    return replace(addressed, variables=addressed.variables | {"DATABASE_URL": url})


def migrated(url: str) -> None:
    async def migrate() -> None:
        async with database.connected(url, size=1, timeout=30) as pool:
            await database.migrate(pool)

    asyncio.run(migrate())


def test_an_older_schema(own_database: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(own_database, *LIST) == NOT_YET
    first, *others = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: [first])
    migrated(own_database.variables["DATABASE_URL"])
    assert others != []
    assert [told(own_database, *words) for words in (LIST, CHECK)] == [NOT_YET, NOT_YET]
    missing = own_database.run(*MIGRATE, "--check")
    assert (missing.code, len(missing.out.splitlines())) == (1, len(others))
    assert own_database.run(*MIGRATE).code == 0
    empty = own_database.run(*LIST)
    assert (empty.code, empty.out, empty.err) == (0, "", "no jobs yet\n")


def test_a_newer_schema(own_database: Place) -> None:
    url = own_database.variables["DATABASE_URL"]
    migrated(url)
    execute(url, "insert into schema_migrations values (9999, 'later', 'x')")
    for words in (LIST, CHECK, WORKER, MIGRATE):
        said = told(own_database, *words)
        assert said.startswith("the database has migration 9999 (later), which this version does not know: ")
        assert said.endswith("it was used by a newer airbyte-workers; upgrade, or use another database")


# --- folders ----------------------------------------------------------------------------------------------------------


HOMES = {
    "PostgreSQL of another version": (
        {"postgres/data/PG_VERSION": "9", "postgres/password": "x"},
        "holds data of PostgreSQL 9, but only",
    ),
    "half of PostgreSQL": ({"postgres/data/PG_VERSION": "18"}, "is incomplete"),
    "another layout": ({"version.json": '{"layout": 99}'}, "was made by another version of airbyte-workers"),
    "no version": ({"version.json": "hello"}, "version.json cannot be read"),
    "no Temporal": ({"temporal/temporal.db": "hello " * 100}, "temporal ended with code 1 while it started"),
    "no key": ({"secrets.key": HIDDEN}, "secrets.key must hold 32 bytes as 64 hex digits"),
}


@pytest.mark.parametrize(("files", "said"), HOMES.values(), ids=HOMES)
def test_a_folder_that_holds_no_stack(alone: Place, files: dict[str, str], said: str) -> None:
    for name, content in files.items():
        (alone.home / name).parent.mkdir(parents=True, exist_ok=True)
        (alone.home / name).write_text(content)
    assert said in told(alone, *LIST, seconds=60)


@pytest.mark.parametrize("home", ["file/home", "/proc/home"])
@pytest.mark.parametrize("words", [LIST, ("local",)], ids=" ".join)
def test_a_folder_that_cannot_be_written(place: Place, home: str, words: tuple[str, ...]) -> None:
    (place.work / "file").touch()
    said = told(place, *words, AIRBYTE_WORKERS_HOME=str(place.work / home))
    assert said.startswith("the folder of the embedded stack, ")
    assert said.endswith("Make it writable, or set AIRBYTE_WORKERS_HOME to a folder that is.")


@pytest.mark.parametrize("size", ["2m"] if MAY_MOUNT else [])
def test_a_full_disk(place: Place, size: str) -> None:
    home = place.work / "disk"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(home)], check=True, timeout=30)
    try:
        said = told(place, *LIST, AIRBYTE_WORKERS_HOME=str(home))
    finally:
        subprocess.run(["umount", str(home)], check=True, timeout=30)
    assert "MiB are free" in said
    assert "Make room, or set AIRBYTE_WORKERS_HOME to a folder on another disk" in said


# --- the client -------------------------------------------------------------------------------------------------------


async def check(settings: Settings) -> None:
    async with Client.connect(settings) as client:
        await client.check({"command": ["destination-jsonl"], "config": {"path": HIDDEN}})


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"temporal_address": NOBODY}, TemporalUnreachable, "cannot reach Temporal"),
        ({"temporal_namespace": "none"}, TemporalUnreachable, "there is no namespace none"),
        ({"database_url": f"postgresql://u:{HIDDEN}@{NOBODY}/db"}, DatabaseUnusable, "cannot reach PostgreSQL"),
        ({"database_url": HIDDEN}, DatabaseUnusable, "the address is not one"),
        ({"database_url": None}, DatabaseUnusable, "set DATABASE_URL"),
        ({"temporal_address": None}, TemporalUnreachable, "set TEMPORAL_ADDRESS"),
        ({"temporal_address": None, "database_url": None, "home": Path("/proc/x")}, StackError, "cannot be used"),
    ],
)
async def test_the_client_tells_it_by_class(
    addressed: Place, changes: dict[str, object], kind: type[Exception], said: str
) -> None:
    where = addressed.variables
    settings = Settings(database_url=where["DATABASE_URL"], temporal_address=where["TEMPORAL_ADDRESS"])
    with pytest.raises(kind, match=said) as caught:
        await check(settings.model_copy(update=changes))
    assert HIDDEN not in str(caught.value)


async def test_the_client_tells_of_a_newer_schema(addressed: Place) -> None:
    url = addressed.variables["DATABASE_URL"]
    newer = await asyncio.to_thread(new_database, url, f"schema-{uuid4()}")
    await asyncio.to_thread(migrated, newer)
    await asyncio.to_thread(execute, newer, "insert into schema_migrations values (9999, 'later', 'x')")
    settings = Settings(database_url=newer, temporal_address=addressed.variables["TEMPORAL_ADDRESS"])
    with pytest.raises(DatabaseUnusable, match="newer airbyte-workers"):
        await check(settings)


async def test_the_client_names_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_SYNC_WORKERS", HIDDEN)
    with pytest.raises(InvalidInput, match=r"^settings: MAX_SYNC_WORKERS: must be an integer$"):
        async with Client.connect():
            pass


async def test_a_run_that_somebody_terminated(place: Place) -> None:
    async with Client.connect(Settings(home=place.home)) as client:
        run = await client.start_spec({"command": ["sleep", "60"]})
        words = ["workflow", "terminate", "--address", place.stack()["temporal_address"], "-w", run.workflow_id]
        await asyncio.to_thread(subprocess.run, [TEMPORAL, *words, "--reason", "enough"], check=True, timeout=30)
        with pytest.raises(RunFailed, match="the run was terminated: enough") as caught:
            await run.result()
        assert caught.value.type == "Terminated"
        with pytest.raises(LookupError, match="there is no catalog 999999"):
            await client.catalog(999999)
