"""Brings acknowledged states to PostgreSQL as they come, many at once when they come faster than it writes; and configs
that connectors sent anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import FailureOrigin
from airbyte_workers.names import Role
from airbyte_workers.protocol.streams import StreamKey, shown
from airbyte_workers.replication.control import NewConfig
from airbyte_workers.replication.ledger import Batch, Ledger
from airbyte_workers.replication.state_ledger import Commit
from airbyte_workers.store import connector_configs, states
from airbyte_workers.store.database import is_away
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.states import StaleFence, StateRow, Writer

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_TELL_EVERY_S = 10.0  # per stream; some commit a hundred times a second


class Committer:
    """Commits the ledger's batches one after the other, under the attempt's fence."""

    def __init__(self, db: asyncpg.Pool, writer: Writer, ledger: Ledger, on_stale: Callable[[], None]) -> None:
        self._db = db
        self._writer = writer
        self._ledger = ledger
        self._on_stale = on_stale
        self._wake = asyncio.Event()
        self._closing = False
        self._told: dict[StreamKey, float] = {}
        self._kept: set[Role] = set()
        ledger.configs.arrived = self.wake

    def wake(self) -> None:
        """There may be something to commit."""
        self._wake.set()

    def close(self) -> None:
        """Nothing more will come: `run` returns once everything is durable."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Commit until closed. A database that is away is waited for; a stale fence ends it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for new in self._ledger.configs.take():
                if not await self._keep(new):
                    return
            while batch := self._ledger.take_batch():
                if not await self._commit(batch):
                    return
            if self._closing:
                return

    async def _commit(self, batch: Batch) -> bool:
        """False when that cannot be any more."""
        counts = self._ledger.counts_after(batch)
        rows = [_row(commit, batch) for commit in batch.commits if commit.stored]
        if not await self._written("states wait", lambda: states.commit(self._db, self._writer, rows, counts)):
            return False
        failpoints.reached(Failpoint.COMMITTED, Role.ORCHESTRATOR)
        self._ledger.committed(batch)
        self._tell(batch)
        return True

    async def _keep(self, new: NewConfig) -> bool:
        """As `_commit`. One that cannot be sealed is lost, and the attempt goes on."""
        try:
            sealed = connector_configs.sealed(new)
        except SealError as error:
            self._say("ERROR", f"the {new.origin} sent a new config (token refresh), which cannot be stored: {error}")
            return True
        role = Role(new.origin)
        keep = partial(connector_configs.keep, self._db, self._writer, role, sealed)
        if not await self._written(f"a new config of the {role} waits", keep):
            return False
        level = "DEBUG" if role in self._kept else "INFO"  # some send one every few minutes
        self._kept.add(role)
        self._say(level, f"the {role} sent a new config (token refresh): stored, used from the next launch")
        return True

    async def _written(self, what: str, write: Callable[[], Awaitable[None]]) -> bool:
        """False: a newer attempt has begun. A database that is away is waited for."""
        wait = _FIRST_WAIT_S
        while True:
            try:
                await write()
            except StaleFence:
                self._say("ERROR", "a newer attempt of this connection has begun: nothing more is committed")
                self._on_stale()
                return False
            except Exception as error:
                if not is_away(error):
                    raise
                if wait == _FIRST_WAIT_S:
                    self._say("WARN", f"{what} for the database: {type(error).__name__}")
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_S)
            else:
                return True

    def _tell(self, batch: Batch) -> None:
        """How much of a stream is durable stands in the job's log, now and then."""
        now = asyncio.get_running_loop().time()
        for key in batch.counts:
            if now - self._told.get(key, -_TELL_EVERY_S) >= _TELL_EVERY_S:
                self._told[key] = now
                committed = self._ledger.streams[key].committed
                text = f"{shown(key)}: {committed.taken:,} records committed"
                self._say("INFO", text, key)

    def _say(self, level: str, text: str, stream: StreamKey | None = None) -> None:
        self._ledger.log(FailureOrigin.PLATFORM, level, text, stream)


def _row(commit: Commit, batch: Batch) -> StateRow:
    """The newest commit of a key; what the batch's earlier ones counted is committed with it."""
    name, namespace = commit.key.stream or ("", None)
    counts = batch.counts if commit.key.stream is None else {commit.key.stream: batch.counts.get(commit.key.stream)}
    return StateRow(
        type=commit.key.type,
        stream=name,
        namespace=namespace,
        state=None if commit.state is None else commit.state.decode(),
        seq=commit.number,
        records=sum(tally.taken for tally in counts.values() if tally is not None),
    )
