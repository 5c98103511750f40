"""One case from its sync's start to the verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from airbyte_workers.chaos.books import Books, JobRow
from airbyte_workers.chaos.cases import POD_PROGRAMS, Case, Expected, Victim
from airbyte_workers.chaos.checks import Seen, violations
from airbyte_workers.chaos.moments import Moment
from airbyte_workers.chaos.observing import Observer
from airbyte_workers.chaos.stage import Stage
from airbyte_workers.chaos.syncs import Sync
from airbyte_workers.chaos.victims import NotStruck, Strike
from airbyte_workers.client import Client
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.store.objects import StorageError

_POLL_S = 0.01
_LOOK_S = 0.05
_HIT_S = 45.0
_END_S = 150.0
_FIRST_PART = 0.6
AWAY_S = 0.7
"""How long a victim that comes back is away at least: what it missed must have been noticed."""
_SETTLE_S = 5.0
_SETTLE_ENGINE_S = 60.0
"""What an engine that was away could not remove is removed by retries and the reconciler."""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one case went; no violations is the proof that nothing was lost."""

    victim: str
    point: str
    launcher: str
    hit: bool = False
    struck: str = ""
    status: str = ""
    attempts: int = 0
    seconds: float = 0.0
    violations: tuple[str, ...] = ()


@dataclass
class Run:
    """A case on the stage."""

    stage: Stage
    case: Case
    expected: Expected
    away_s: float = AWAY_S
    hit: bool = False
    struck: str = ""
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sync = Sync(self.case, self.stage.folder.case(self.case.name), self.away_s)
        self.moment = Moment(self.stage.folder.failpoints, self.case.point)
        self.books = Books(self.stage.settings.database_url or "", self.case.name)

    async def play(self) -> Outcome:
        """Arm, sync, strike at the moment, bring back, and see what came of it."""
        began = time.monotonic()
        self.moment.arm()
        try:
            async with Client.connect(self.stage.settings) as client:
                await client.start_sync(self.sync.input)
                self.hit = await self._come(client)
            job = await self._strike_and_wait()
            seen = await self._seen(job)
        finally:
            self.moment.clear()
        if not self.hit:
            self.troubles.insert(0, f"the moment {self.case.point} was not hit")
        return self._outcome(seen, time.monotonic() - began)

    def _outcome(self, seen: Seen, seconds: float) -> Outcome:
        return Outcome(
            victim=self.case.victim,
            point=self.case.point,
            launcher=self.case.launcher,
            hit=self.hit,
            struck=self.struck,
            status=seen.status or "",
            attempts=len(seen.attempts),
            seconds=round(seconds, 1),
            violations=(*self.troubles, *violations(self.expected, seen)),
        )

    # --- the moment ---

    async def _come(self, client: Client) -> bool:
        """Whether the moment came before the job ended."""
        if self.case.point is Failpoint.DURING_BACKOFF:
            return await self._until(self._is_backing_off)
        if self.case.point is Failpoint.DURING_CANCEL:
            if not await self._until(self._has_committed):
                return False
            await (await self._strike()).hold_source()
            await client.cancel(self.case.name, by="chaos")
        return await self._until(self._is_hit)

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> bool:
        """Wait for something that happens before the job's end."""
        deadline = time.monotonic() + _HIT_S
        look_at = 0.0
        while not await condition():
            if time.monotonic() > look_at:
                look_at = time.monotonic() + 10 * _LOOK_S
                job = await self.books.job()
                if (job is not None and job.has_ended) or time.monotonic() > deadline:
                    return await condition()
            await asyncio.sleep(_POLL_S)
        return True

    async def _is_hit(self) -> bool:
        return self.moment.is_hit

    async def _is_backing_off(self) -> bool:
        job = await self.books.job()
        return job is not None and job.is_backing_off

    async def _has_committed(self) -> bool:
        return await self.books.committed() > 0

    # --- the strike ---

    async def _strike(self) -> Strike:
        job = await self.books.job()
        number = max(0, len(job.attempts) - 1) if job is not None else 0
        pod = pod_name(JobKind.SYNC, job.id if job is not None else 0, number)
        return Strike(self.stage, self.case, pod)

    async def _strike_and_wait(self) -> JobRow | None:
        strike = await self._strike()
        try:
            if self.hit:
                self.struck = await strike.strike()
        except (NotStruck, EngineError) as error:
            self.troubles.append(f"not struck: {error}")
        finally:
            self.moment.let_go()
        if self.struck and self.case.victim not in POD_PROGRAMS:
            await self._missed()
            await self._revived(strike)
        return await self._ended()

    async def _missed(self) -> None:
        """The victim is away; the data must not wait for it."""
        await asyncio.sleep(_FIRST_PART * self.away_s)  # in which pipes are emptied, whatever becomes of the pod
        before = await asyncio.to_thread(self.sync.bytes_written)
        await asyncio.sleep((1 - _FIRST_PART) * self.away_s)
        if self.sync.goes_on_meanwhile and await asyncio.to_thread(self.sync.bytes_written) <= before:
            self.troubles.append(f"nothing was written any more while the {self.case.victim} was away")

    async def _revived(self, strike: Strike) -> None:
        try:
            await strike.revive()
        except (StackError, TimeoutError, OSError) as error:
            self.troubles.append(f"the {self.case.victim} did not come back: {error}")

    async def _ended(self) -> JobRow | None:
        """The job once it has ended, or as it is when that takes too long."""
        deadline = time.monotonic() + _END_S + self.away_s
        while True:
            job = await self.books.job()
            if job is not None and job.has_ended:
                return job
            if time.monotonic() > deadline:
                self.troubles.append(f"the job has not ended within {_END_S:g} s")
                return job
            await asyncio.sleep(_LOOK_S)

    async def _seen(self, job: JobRow | None) -> Seen:
        settle = _SETTLE_ENGINE_S if self.case.victim is Victim.DOCKER_ENGINE else _SETTLE_S
        ended = job is not None and job.has_ended
        try:
            return await Observer(self.stage, self.sync, self.books).seen(job, settle_s=settle if ended else 0)
        except (OSError, StorageError) as error:
            self.troubles.append(f"what came of it cannot be seen: {error}")
            return Seen(job.status if job is not None else None, self.sync.records)


def failed(case: Case, error: BaseException) -> Outcome:
    """A case that could not be played to its end."""
    said = f"could not be played: {type(error).__name__}: {error}"
    return Outcome(case.victim, case.point, case.launcher, violations=(said,))
