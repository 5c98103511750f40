"""Whether a stack in the background is still needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from airbyte_workers.runtime.stack.lock import Hold, LockFile

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT_S = 5.0
SILENCE_LIMIT_S = 60.0
"""How long the number of jobs may stay unknown before a stack that no client uses stops."""
UNKNOWN = -1


class Idle:
    """Says when neither a client nor a job needs the stack."""

    def __init__(
        self, users: LockFile, active_jobs: Callable[[], Awaitable[int]], kept: Callable[[str | None], None]
    ) -> None:
        self._users = users
        self._active_jobs = active_jobs
        self._kept = kept
        self._silent_since: float | None = None

    async def confirmed(self) -> bool:
        """Whether nobody needs the stack. If so, new clients are locked out until this process ends."""
        if not self._users.take(Hold.EXCLUSIVE):
            self._kept(None)
            return False
        self._users.drop()
        if await self._kept_by_jobs() or not self._users.take(Hold.EXCLUSIVE):
            return False
        if await self._kept_by_jobs():  # one may have been started before the lock was ours
            self._users.drop()
            return False
        return True

    async def _kept_by_jobs(self) -> bool:
        jobs = await self._ask()
        if jobs == UNKNOWN:
            self._kept("jobs that cannot be counted: the database does not answer")
            return not self._silent_too_long()
        self._silent_since = None
        self._kept(f"{jobs} active job{'s' if jobs > 1 else ''}" if jobs else None)
        return jobs > 0

    async def _ask(self) -> int:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._active_jobs()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as err:
            log.warning("active jobs could not be counted", error=str(err), kind=type(err).__name__)
            return UNKNOWN

    def _silent_too_long(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._silent_since = self._silent_since or now
        return now - self._silent_since > SILENCE_LIMIT_S
