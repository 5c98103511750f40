"""What the job database says of a case's sync; asked again and again, because the database itself may be the victim."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from airbyte_workers.models import TERMINAL_JOB_STATUSES, AttemptStatus, JobStatus
from airbyte_workers.store.database import is_away

_TIMEOUT_S = 5.0
_JOB = "select id, status from jobs where connection = $1 and kind = 'sync' order by id desc limit 1"
_ATTEMPTS = "select number, status, pod from attempts where job_id = $1 order by number"
_LOG = """
select state from state_log join connections on connections.id = connection_id
where connections.name = $1 and state is not null order by state_log.id
"""
_STATE = "select state from states join connections on connections.id = connection_id where connections.name = $1"
_PLACES = "select pod, status from workloads where job_id = $1 and status in ('claimed', 'launched', 'running')"


@dataclass(frozen=True)
class AttemptRow:
    """One attempt as its row has it."""

    number: int
    status: AttemptStatus
    pod: str


@dataclass(frozen=True)
class JobRow:
    """A job as its rows have it."""

    id: int
    status: JobStatus
    attempts: tuple[AttemptRow, ...] = ()

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def is_backing_off(self) -> bool:
        """Whether its first attempt has failed and the second one has not begun."""
        failed = [each.status for each in self.attempts] == [AttemptStatus.FAILED]
        return failed and self.status is JobStatus.INCOMPLETE


@dataclass(frozen=True)
class Books:
    """One connection's rows."""

    url: str
    connection: str

    async def job(self) -> JobRow | None:
        """The connection's job; None while there is none, or nobody answers."""
        rows = await self._asked((_JOB, self.connection))
        if not rows or not rows[0]:
            return None
        job = rows[0][0]
        found = await self._asked((_ATTEMPTS, job["id"]))
        if found is None:
            return None
        attempts = (AttemptRow(row["number"], AttemptStatus(row["status"]), row["pod"]) for row in found[0])
        return JobRow(job["id"], JobStatus(job["status"]), tuple(attempts))

    async def positions(self) -> tuple[int, ...]:
        """How far each committed state reached, in the order in which they were committed."""
        return await self._positions(_LOG)

    async def committed(self) -> int:
        """How far the state that the next sync begins with reaches: so many records."""
        return max(await self._positions(_STATE), default=0)

    async def places(self, job_id: int) -> tuple[str, ...]:
        """Pods of the job that still have their place, one line each."""
        rows = await self._asked((_PLACES, job_id))
        if rows is None:
            raise ConnectionError("the job database does not answer")
        return tuple(f"the place of {row['pod']} ({row['status']})" for row in rows[0])

    async def _positions(self, query: str) -> tuple[int, ...]:
        rows = await self._asked((query, self.connection))
        if rows is None:
            raise ConnectionError("the job database does not answer")
        return tuple(position(row["state"]) for row in rows[0])

    async def _asked(self, *questions: tuple[str, Any]) -> list[Sequence[asyncpg.Record]] | None:
        """The rows of each query, over a connection of its own: nothing of an outage stays. None: nobody answers."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                session = await asyncpg.connect(self.url)
                try:
                    return [await session.fetch(query, about) for query, about in questions]
                finally:
                    await session.close(timeout=_TIMEOUT_S)
        except Exception as error:
            if not is_away(error):
                raise
            return None


def position(state: str) -> int:
    """How many records a state of source-synthetic covers."""
    return int(msgspec.json.decode(state)["stream"]["stream_state"]["next"])
