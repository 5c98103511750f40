"""Brings acknowledged states to PostgreSQL as they come, many at once when they come faster than it writes; and configs
that connectors sent anew. While PostgreSQL is away, what waits is in the pod's journal."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice

import asyncpg

from airbyte_workers.models import FailureOrigin, FailureType
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.journal import JournalFile
from airbyte_workers.orchestrator.pending import Pending, PendingConfig, PendingStates, entries
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.control import NewConfig
from airbyte_workers.replication.ledger import Batch, Ledger
from airbyte_workers.store import connector_configs
from airbyte_workers.store.database import is_away
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.states import StaleFence

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_PAUSE_SHARE = 10  # of the time that the journal took to be written, before it is written again


class Committer:
    """Commits what the ledger has, one thing after the other, under the attempt's fence."""

    def __init__(self, db: asyncpg.Pool, journal: JournalFile, ledger: Ledger, on_stale: Callable[[], None]) -> None:
        self._db = db
        self._journal = journal
        self._ledger = ledger
        self._on_stale = on_stale
        self._wake = asyncio.Event()
        self._closing = False
        self._waiting: deque[Pending] = deque()
        self._told: dict[StreamKey, float] = {}
        self._kept: set[Role] = set()
        self._is_journalled = True
        self._is_refused = False
        self._in_journal = 0
        self._journal_at = 0.0
        ledger.configs.arrived = self.wake

    def wake(self) -> None:
        """There may be something to commit."""
        self._wake.set()

    def close(self) -> None:
        """Nothing more will come: `run` returns once everything is durable."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Commit until closed. A database that is away is waited for; a stale fence ends it.

        So does a lease that is lost, once the journal has what waits: whoever removes the pod commits it.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._take()
            while self._waiting:
                if not await self._written(self._waiting[0]):
                    return
                self._waiting.popleft()
                await self._forget_journalled()
                self._take()
            if self._closing:
                return

    # --- what waits ---

    def _take(self) -> None:
        """What came meanwhile joins what waits; the first may be under way, and stays as it is."""
        for new in self._ledger.configs.take():
            self._add_config(new)
        if batch := self._ledger.take_batch():
            self._add_states(batch)

    def _add_states(self, batch: Batch) -> None:
        self._is_journalled = False
        for later in islice(self._waiting, 1, None):
            if isinstance(later, PendingStates):
                later.batch = later.batch.with_later(batch)
                return
        self._waiting.append(PendingStates(self._ledger, batch, self._told))

    def _add_config(self, new: NewConfig) -> None:
        """One that cannot be sealed is lost, and the attempt goes on."""
        try:
            sealed = connector_configs.sealed(new)
        except SealError as error:
            self._say("ERROR", f"the {new.origin} sent a new config (token refresh), which cannot be stored: {error}")
            return
        self._is_journalled = False
        role = Role(new.origin)
        for later in islice(self._waiting, 1, None):
            if isinstance(later, PendingConfig) and later.role is role:
                later.sealed = sealed
                return
        self._waiting.append(PendingConfig(self._ledger, role, sealed, self._kept))

    # --- writing ---

    async def _written(self, first: Pending) -> bool:
        """False: it cannot be any more, or is left to the journal."""
        wait = _FIRST_WAIT_S
        while True:
            try:
                await first.write(self._db, self._journal.writer)
            except StaleFence:
                self._say("ERROR", "a newer attempt of this connection has begun: nothing more is committed")
                self._on_stale()
                await self._kept_in_journal()
                return False
            except Exception as error:
                if not is_away(error):
                    await self._kept_in_journal()
                    raise
                if wait == _FIRST_WAIT_S:
                    self._say("WARN", f"{first.what} for the database: {type(error).__name__}")
                if not await self._wait_out(wait):
                    return False
                wait = min(wait * 2, _LONGEST_WAIT_S)
            else:
                first.done()
                return True

    async def _wait_out(self, seconds: float) -> bool:
        """What comes until the next try is journalled as it comes. False: the attempt shall wait no longer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            self._take()
            if loop.time() >= self._journal_at:
                await self._kept_in_journal()
            if self._is_journalled and self._closing and self._has_lost_its_lease():
                self._say("WARN", "what is not committed is in the pod's journal: it is committed with its removal")
                return False
            until = deadline if self._is_journalled else min(deadline, self._journal_at)
            try:
                async with asyncio.timeout_at(until):
                    await self._wake.wait()
                    self._wake.clear()
            except TimeoutError:
                if loop.time() >= deadline:
                    return True

    async def _kept_in_journal(self) -> None:
        """It is not written all the time, however fast acknowledgements come. Where there is no room for it, what waits
        does so in memory alone."""
        if self._is_journalled:
            return
        loop = asyncio.get_running_loop()
        began, count = loop.time(), len(self._waiting)
        self._is_journalled = True  # unless something is added meanwhile
        try:
            await self._journal.keep(entries(self._ledger, self._waiting))
        except OSError as error:
            self._is_journalled = False
            self._journal_at = loop.time() + _LONGEST_WAIT_S
            if not self._is_refused:
                self._is_refused = True
                self._say("WARN", f"what waits for the database cannot be journalled: {error.strerror}")
            return
        self._in_journal = count
        self._journal_at = loop.time() + _PAUSE_SHARE * (loop.time() - began)

    async def _forget_journalled(self) -> None:
        """The first has been committed; a journal of which all is committed tells nothing new."""
        self._in_journal = max(0, self._in_journal - 1)
        if not self._in_journal:
            await self._journal.clear()

    def _has_lost_its_lease(self) -> bool:
        return any(failure.type is FailureType.LEASE_LOST for failure in self._ledger.failures)

    def _say(self, level: str, text: str) -> None:
        self._ledger.log(FailureOrigin.PLATFORM, level, text)
