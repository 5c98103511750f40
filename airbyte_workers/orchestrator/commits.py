"""Brings acknowledged states to PostgreSQL as they come: many at once when they come faster than it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg

from airbyte_workers.models import FailureOrigin
from airbyte_workers.protocol.streams import StreamKey, shown
from airbyte_workers.replication.ledger import Batch, Ledger
from airbyte_workers.replication.state_ledger import Commit
from airbyte_workers.store import states
from airbyte_workers.store.database import is_away
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
            while batch := self._ledger.take_batch():
                if not await self._commit(batch):
                    return
            if self._closing:
                return

    async def _commit(self, batch: Batch) -> bool:
        """False when that cannot be any more: a newer attempt has begun. A database that is away is waited for."""
        counts = self._ledger.counts_after(batch)
        rows = [_row(commit, batch) for commit in batch.commits if commit.stored]
        wait = _FIRST_WAIT_S
        while True:
            try:
                await states.commit(self._db, self._writer, rows, counts)
            except StaleFence:
                self._say("ERROR", "a newer attempt of this connection has begun: nothing more is committed")
                self._on_stale()
                return False
            except Exception as error:
                if not is_away(error):
                    raise
                if wait == _FIRST_WAIT_S:
                    self._say("WARN", f"states wait for the database: {type(error).__name__}")
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_S)
            else:
                self._ledger.committed(batch)
                self._tell(batch)
                return True

    def _tell(self, batch: Batch) -> None:
        """How much of a stream is durable stands in the job's log, now and then."""
        now = asyncio.get_running_loop().time()
        for key in batch.counts:
            if now - self._told.get(key, -_TELL_EVERY_S) >= _TELL_EVERY_S:
                self._told[key] = now
                committed = self._ledger.streams[key].committed
                text = f"{shown(key)}: {committed.records - committed.rejected:,} records committed"
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
        records=sum(tally.records for tally in counts.values() if tally is not None),
    )
