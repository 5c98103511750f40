"""A replication pod in one process: the real data path and database, connectors that say what they are told to."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from outage import Way, way_to
from rows import open_attempt, open_with_catalog

from airbyte_workers.models import AttemptSummary
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.desk import open_desk
from airbyte_workers.orchestrator.input import Checks, ReplicationInput
from airbyte_workers.orchestrator.journal import JournalFile
from airbyte_workers.orchestrator.leg import Leg
from airbyte_workers.orchestrator.pipes import FifoWriter, open_reader, try_open_writer
from airbyte_workers.orchestrator.replicate import Replication
from airbyte_workers.orchestrator.upkeep import Upkeep
from airbyte_workers.settings import Settings
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.database import connected
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import Writer
from airbyte_workers.store.workloads import Workload

USERS = {"name": "users"}


def record(number: int, padding: int = 0) -> bytes:
    return _line({"type": "RECORD", "record": {"stream": "users", "data": {"id": number, "x": "x" * padding}}})


def state(number: int) -> bytes:
    body = {"type": "STREAM", "stream": {"stream_descriptor": USERS, "stream_state": {"id": number}}}
    return _line({"type": "STATE", "state": body})


def complete() -> bytes:
    status = {"stream_descriptor": USERS, "status": "COMPLETE"}
    return _line({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": status}})


def _line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


class Connector:
    """A connector's folder with its FIFOs, and whoever is at the other end of them; TERM ends it, unless `deaf`."""

    def __init__(self, role: Role, folder: Path) -> None:
        folder.mkdir()
        for name in ("in", "out", "err", "control"):
            os.mkfifo(folder / name)
        self.folder = folder
        self.leg = Leg(role, folder)
        self.heard: list[str] = []
        self.deaf = False
        self.taken = 0
        self._out = _writer(folder / "out")
        self._err = _writer(folder / "err")
        self._control = open_reader(folder / "control")
        self._input = open_reader(folder / "in")

    async def say(self, *lines: bytes) -> None:
        """As slowly as it is read; what nobody wants any more is not said."""
        with suppress(BrokenPipeError):
            for line in lines:
                await self._out.write(line)
                self.taken += len(line)

    async def murmur(self, text: bytes) -> None:
        """A line of its log; one that has ended says nothing more."""
        with suppress(OSError):
            await self._err.write(text)

    def end(self, code: int = 0) -> None:
        for pipe in (self._out, self._err):
            pipe.give_up()
            pipe.close()
        if not (self.folder / "exit_code").exists():
            (self.folder / "exit_code.tmp").write_text(f"{code}\n")
            (self.folder / "exit_code.tmp").rename(self.folder / "exit_code")

    async def obey(self) -> None:
        """As its wrapper does."""
        while words := await self._control.read(100):
            for word in words.decode().split():
                self.heard.append(word)
                if word == "KILL" or (word == "TERM" and not self.deaf):
                    self.end(143 if word == "TERM" else 137)

    async def given(self) -> AsyncIterator[bytes]:
        """Every line of its input, until its end."""
        rest = b""
        while some := await self._input.read(65536):
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                yield line + b"\n"

    def close(self) -> None:
        self.end()
        self.leg.close()
        self._control.close()
        self._input.close()


def _writer(path: Path) -> FifoWriter:
    writer = try_open_writer(path)
    assert writer is not None
    return writer


class Pod:
    """The pod of a job's first attempt. Its `db` is reached by a way that can be cut, the test's own is not."""

    def __init__(
        self,
        db: asyncpg.Pool,
        attempt: Attempt,
        connection_id: int,
        folder: Path,
        *,
        checks: Checks | None = None,
        chosen: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """`chosen`: what the connection's owner did, as fields of the pod's input."""
        moment = {"progress_interval_s": 0.02, "shutdown_term_period_s": 5, "exit_code_timeout_s": 5}
        self.given = ReplicationInput(
            pod=attempt.pod,
            settings=Settings(home=folder, **(moment | settings)).model_dump(mode="json"),
            job_id=attempt.job_id,
            attempt=attempt.number,
            connection_id=connection_id,
            connection="demo",
            fence=attempt.fence,
            database_url="",
            streams=(("users", None),),
            checks=checks or Checks(),
            log_prefix="logs",
            **(chosen or {}),
        )
        self.source = Connector(Role.SOURCE, folder / "source")
        self.destination = Connector(Role.DESTINATION, folder / "destination")
        self.desk = desk = open_desk(self.given)
        self.replication = Replication(self.given, desk, self.source.leg, self.destination.leg)
        self.upkeep = Upkeep(self.given, desk, db, self.replication)
        writer = Writer(connection_id, attempt.job_id, attempt.number, attempt.fence)
        self.own = folder / "own"
        self.own.mkdir()
        journal = JournalFile(self.own, writer, longest=self.desk.settings.journal_bytes)
        self.committer = Committer(db, journal, self.replication.ledger, self.upkeep.superseded)
        self.received: list[bytes] = []
        self.reads = asyncio.Event()
        """The destination takes nothing before this is set."""
        self.writing: asyncio.Task[None] | None = None

    async def run(self) -> AttemptSummary:
        """As the orchestrator's own program does."""
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self.upkeep.run()),
                *(tasks.create_task(each.obey()) for each in (self.source, self.destination)),
            ]
            summary = await self.replication.run(self.committer)
            for task in beside:
                task.cancel()
        return summary

    async def write(self, *, echoes: bool = True, code: int = 0) -> None:
        """What a good destination does: it sends every state back once it has what came before it."""
        await self.reads.wait()
        async for line in self.destination.given():
            self.received.append(line)
            if echoes and b'"STATE"' in line:
                await self.destination.say(line)
        self.destination.end(code)

    @property
    def records(self) -> int:
        """How many the destination has."""
        return sum(b'"RECORD"' in line for line in self.received)

    def close(self) -> None:
        self.source.close()
        self.destination.close()


@asynccontextmanager
async def pod_of(
    db: asyncpg.Pool, seal: Seal, server_url: str, folder: Path, **settings: Any
) -> AsyncIterator[tuple[Pod, Way]]:
    """A pod that was launched, and its way to the database."""
    job_id = await open_with_catalog(db, seal)
    attempt = await open_attempt(db, job_id, 0)
    connection_id = (await jobs.read_job(db, seal, job_id)).connection_id
    assert connection_id is not None
    place = Workload(attempt.pod, JobKind.SYNC, job_id, 0, connection_id, "here", "process", attempt.fence)
    await workloads.claim(db, place, limit=9, lease_s=0.001)
    async with way_to(db, server_url) as way, connected(way.url, size=2, timeout=20) as by_way:
        pod = Pod(by_way, attempt, connection_id, folder, **settings)
        try:
            yield pod, way
        finally:
            pod.close()
