"""Inputs that cannot be used, by every way in: each is told soon, in one line that names what is wrong and no value."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from e2e_bad_rows import BY_HAND, CLI, HIDDEN, REGISTRY, ROWS, USED_ID, WAYS, Row, destination, source
from e2e_bad_ways import (
    TEMPORAL,
    TYPED,
    Stack,
    Told,
    address,
    apart,
    by_client,
    by_command_line,
    by_hand,
    empty_registry,
    install,
    raw_client,
    shellless_image,
    workflow_id,
)
from e2e_support import Place, processes_of, until
from temporalio.api.enums.v1 import EventType

from airbyte_workers.client import Client
from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus
from airbyte_workers.names import CONNECTION_BUSY, CONNECTOR_FAILED, INVALID_INPUT, SYNC_FAILED, sync_workflow_id
from airbyte_workers.settings import Settings
from airbyte_workers.store import handed

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.timeout(300)]
CASES = [pytest.param(way, row, id=f"{way}: {row.name}") for row in ROWS for way in row.ways]
CODES = {INVALID_INPUT: 2, CONNECTION_BUSY: 2, SYNC_FAILED: 2, CONNECTOR_FAILED: 1}
"""A sync whose connectors never ran has failed because of what was typed."""
AT_A_TIME = 2
GIVEN_UP_S = 30
START_S = 10.0  # of Python, on a machine that has more to do
LONGEST = 500
INPUTS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
}
"""The events that hold what was typed."""
BUSY = {
    "connection": "bad-busy",
    "source": {"command": ["source-synthetic"], "config": {"records": 100_000, "state_every": 100, "delay_ms": 500}},
    "destination": {"command": ["destination-null"]},
}


@dataclass
class Tried:
    """What was told of every row by every way; what went on running; where a config's value was shown."""

    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)


@pytest.mark.parametrize(("way", "row"), CASES)
def test_it_is_told_in_one_line(tried: Tried, way: str, row: Row) -> None:
    told = tried.told[way, row.name]
    assert told.type == row.type, told.text
    assert [each for each in row.said if each not in told.text] == [], told.text
    assert told.code == (CODES[row.type] if way == CLI else None)
    assert len(told.text.splitlines()) == 1
    assert len(told.text) <= LONGEST
    assert HIDDEN not in told.all
    assert TYPED not in told.all
    assert told.seconds <= row.seconds + (START_S if way == CLI else 0)


def test_nothing_of_it_goes_on(tried: Tried) -> None:
    assert tried.left == []


def test_no_value_of_a_config_stands_anywhere_but_where_it_was_typed(tried: Tried) -> None:
    assert tried.shown == []


# --- trying -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tried(stack: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """Every row by every way, once."""
    root, strict_home = tmp_path_factory.mktemp("bad-input"), tmp_path_factory.mktemp("strict")
    for name in ("source-plain", "destination-plain"):
        install(stack.home / "connectors", name)
    with shellless_image(), empty_registry() as registry:
        trusting = Stack(Place(root, stack.home, stack.variables), Settings(home=stack.home), {REGISTRY: registry})
        with strict_stack(trusting, strict_home) as strict:
            tried = asyncio.run(try_all(trusting, strict))
            tried.left += [each for stack in (trusting, strict) for each in still_there(stack)]
    tried.shown += files_with(HIDDEN, trusting.place.home, strict_home)
    tried.shown += [each for each in files_with(TYPED, trusting.place.home, strict_home) if "/temporal/" not in each]
    yield tried
    until(lambda: not processes_of(root), f"the end of {processes_of(root)}")


@contextmanager
def strict_stack(trusting: Stack, home: Path) -> Iterator[Stack]:
    """A stack that trusts nobody; its worker has no busybox to lend."""
    place = apart(trusting.place, home, "bad-input")
    settings = Settings(
        home=home,
        database_url=place.variables["DATABASE_URL"],
        temporal_address=place.variables["TEMPORAL_ADDRESS"],
        temporal_namespace=place.variables["TEMPORAL_NAMESPACE"],
    )
    with place.serving("worker", ready="polling ", PATH="/nonexistent"):
        yield Stack(place, settings, trusting.words)


async def try_all(trusting: Stack, strict: Stack) -> Tried:
    async with Client.connect(trusting.settings) as client, Client.connect(strict.settings) as strict_client:
        trusting = replace(trusting, words={**trusting.words, USED_ID: await prepared(client)})
        tried = Tried()
        async with busy(client):
            for way in WAYS:
                asked = asyncio.Semaphore(AT_A_TIME)
                rows = sorted((row for row in ROWS if way in row.ways), key=lambda row: row.seconds)
                places = [(strict, strict_client) if row.strict else (trusting, client) for row in rows]
                told = await asyncio.gather(
                    *(one(asked, way, row, *place) for row, place in zip(rows, places, strict=True))
                )
                tried.told |= {(way, row.name): each for row, each in zip(rows, told, strict=True)}
        for row in ROWS:
            if BY_HAND in row.ways:
                tried.shown += await events_with(TYPED, strict if row.strict else trusting, row)
        return tried


async def one(asked: asyncio.Semaphore, way: str, row: Row, stack: Stack, client: Client) -> Told:
    async with asked:
        try:
            async with asyncio.timeout(GIVEN_UP_S):
                if way == CLI:
                    return await asyncio.to_thread(by_command_line, stack, row)
                return await (by_hand(stack, row) if way == BY_HAND else by_client(client, stack, row))
        except Exception as error:  # what it is belongs to this row's test
            return Told(type(error).__name__, f"not told: {error!r}", "", 0)


async def prepared(client: Client) -> str:
    """What the connectors have is known, and a connection; returns the id of a config that was used."""
    for canary in (HIDDEN, TYPED):
        config = {"path": "/", "token": canary}
        await client.discover(source(config=config, launcher="process"))
    await client.spec({"image": destination()["image"], "launcher": "process"})
    known = {"connection": "bad-known", "source": source(), "destination": destination(), "launcher": "process"}
    await client.sync({**known, "streams": [{"name": "none"}]}, raise_on_failure=False)
    used = await handed.hand_over(await client.database(), {"path": "/"})
    await client.check({"image": source()["image"], "config_id": str(used), "launcher": "process"})
    return str(used)


@asynccontextmanager
async def busy(client: Client) -> AsyncIterator[None]:
    """A connection that syncs meanwhile."""
    run = await client.start_sync(BUSY)
    async for seen in run.progress():
        if seen.phase is not None and seen.phase.phase == "running":
            break
    try:
        yield
    finally:
        await run.cancel(now=True)
        assert (await run.report()).status is JobStatus.CANCELLED


# --- afterwards -------------------------------------------------------------------------------------------------------


def still_there(stack: Stack) -> list[str]:
    """Jobs, runs and pods."""
    place = stack.place
    ended = {str(status) for status in TERMINAL_JOB_STATUSES}
    live = [f"job {job['job_id']}" for job in place.jobs("-a", "--limit", "1000") if job["status"] not in ended]
    words = ["workflow", "list", *address(stack), "--query", "ExecutionStatus='Running'"]
    done = subprocess.run([TEMPORAL, *words], capture_output=True, text=True, check=True, timeout=30)
    return [*live, *done.stdout.splitlines(), *place.pods_left()]


async def events_with(text: str, stack: Stack, row: Row) -> list[str]:
    """What of a run and its child tells the text; what was typed stands in their inputs."""
    ids = [workflow_id(row)]
    if isinstance(row.input, dict) and row.workflow == "Sync" and row.type == SYNC_FAILED:
        ids.append(sync_workflow_id(row.input["connection"]))
    client = await raw_client(stack)
    histories = [await client.get_workflow_handle(each).fetch_history() for each in ids]
    told = [event for history in histories for event in history.events if event.event_type not in INPUTS]
    return [f"{row.name}: {event}" for event in told if text.encode() in event.SerializeToString()]


def files_with(text: str, *folders: Path) -> list[str]:
    files = [each for folder in folders for each in folder.rglob("*") if each.is_file() and not each.is_symlink()]
    return [str(each) for each in files if text.encode() in each.read_bytes()]
