"""Signs of life of one Temporal worker process: whoever finds a pod of its host elsewhere leaves it to this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import structlog
from structlog.contextvars import bind_contextvars
from temporalio.client import Client
from temporalio.service import RPCError

from airbyte_workers.runtime.background import alongside
from airbyte_workers.settings import Settings
from airbyte_workers.store import dataplanes
from airbyte_workers.store.database import is_away
from airbyte_workers.store.dataplanes import Sign

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def telling(db: asyncpg.Pool, client: Client, settings: Settings, roles: Sequence[str]) -> AsyncIterator[None]:
    """Say again and again while the block runs that this host is served; what was said is not taken back."""
    async with alongside(Signs(db, client, settings, watches="watch" in roles).run()):
        yield


class Signs:
    """`watches`: this process watches pods, as long as Temporal answers it."""

    def __init__(self, db: asyncpg.Pool, client: Client, settings: Settings, *, watches: bool) -> None:
        self._db = db
        self._client = client
        self._settings = settings
        self._watches = watches
        self._silent = False

    async def run(self) -> None:
        """Rounds until cancelled; one that fails is made up for by the next."""
        bind_contextvars(task="signs")
        with suppress(Exception):  # the rounds tell who is away
            await dataplanes.forget(self._db, days=self._settings.leftover_days)
        while True:
            await self._round()
            await asyncio.sleep(self._settings.dataplane_sign_s)

    async def _round(self) -> None:
        """What keeps it silent is logged once; a bug of ours ends no worker."""
        try:
            await self.tell()
        except Exception as error:
            if not self._silent:
                bug = None if is_away(error) else error
                _log.warning("no sign of life can be given now", why=str(error), exc_info=bug)
            self._silent = True
        else:
            self._silent = False

    async def tell(self) -> None:
        """One sign. Raises what a database that is away raises."""
        every = self._settings.dataplane_sign_s
        watches = self._watches and await self._temporal_answers(every)
        holds_s = self._settings.dataplane_sign_holds_s
        async with asyncio.timeout(holds_s):
            await dataplanes.tell(self._db, Sign(self._settings.dataplane, watches, holds_s))

    async def _temporal_answers(self, within_s: float) -> bool:
        """Who reaches the database alone is given no pod to watch."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=within_s))
        except (RPCError, RuntimeError):
            return False
