"""Repairs rows of jobs whose runs are over: terminated, reset, deleted, or lost with Temporal's data."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from activities.answers import Answers
from activities.means import Means
from activities.run_looks import RunLooks
from activities.time_limits import limit_s
from airbyte_workers.jobs import reconciliation
from airbyte_workers.jobs.reconciliation import (
    Judgement,
    KnownJob,
    Patience,
    RunHome,
    RunVerdict,
    Seen,
    Sighting,
    TemporalNamespace,
)
from airbyte_workers.models import AttemptSummary
from airbyte_workers.names import JobKind
from airbyte_workers.store import attempts, reconciling, run_sightings
from airbyte_workers.store.reconciling import Left
from airbyte_workers.store.run_sightings import Pace, SightedJob

_GRACE_S = 5.0  # a job that was opened just now
_CONFIRM_S = 5.0
_BATCH = 200
_LOOKS_AT_ONCE = 10
_PODS_OF_BUSY_S = 10.0  # the activity that waits for a connection has 30 s for everything
_POLL_S = 0.2
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Looked:
    """A job, what Temporal says of its run, and what that means."""

    job: SightedJob
    sighting: Sighting
    judgement: Judgement


_Act = Callable[[_Looked], Awaitable[None]]


class Repairs:
    """Compares live jobs with their runs. Every method may raise TemporalAway, StorageError and what PostgreSQL does.

    Any number of processes may do so at once: each job is looked at by one of them, and a row that was written
    meanwhile is left as it is.
    """

    def __init__(self, means: Means, looks: RunLooks) -> None:
        self._db = means.db
        self._settings = means.settings
        self._answers = Answers(means)
        self._looks = looks
        self._at_once = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._here: TemporalNamespace | None = None
        interval = self._settings.reconcile_interval_s
        self._pace = Pace(_GRACE_S, interval, _CONFIRM_S, limit_s(self._settings, JobKind.SYNC), _BATCH)
        self._patience = Patience(_CONFIRM_S, self._settings.reconcile_silence_minutes * 60, 2 * interval)

    async def look(self) -> None:
        """Look at every run that is due, and note those that are over; jobs go on under the runs of a reset."""
        if self._here is None:
            await self._namespace()
        began = await run_sightings.clock(self._db)
        while jobs := await run_sightings.due(self._db, self._pace, began):
            await self._each(jobs, await self._namespace(), self._noted)

    async def close(self) -> None:
        """End the jobs whose runs are over, each once its pods are gone or were waited for long enough."""
        jobs = [job for job in await run_sightings.over(self._db, self._pace) if self._is_ripe(job)]
        if jobs:
            await self._each(jobs, await self._namespace(), self._closed)
        await run_sightings.forget_ended(self._db, limit=_BATCH)

    async def opened(self, job_id: int) -> None:
        """A run has just opened this job, so it is at home here; should it be deleted at once, that is certain."""
        if self._here is not None:
            await run_sightings.begin(self._db, job_id, self._here)

    async def freed(self, job_id: int, *, workflow_id: str) -> bool:
        """Whether a connection's live job has ended now, because its run is certain to be over.

        `workflow_id` is of the run that asks. Of one id a namespace has one run that is open, so what it does not know
        under this id needs no second look.
        """
        job = await run_sightings.sighted(self._db, job_id, self._pace)
        if job is None:
            return True
        looked = await self._looked(job, await self._namespace(), certain=job.workflow_id == workflow_id)
        await self._noted(looked)
        if looked.judgement.verdict is not RunVerdict.OVER:
            return False
        await self._wait_for_pods(job_id)
        await self._closed(looked)
        return await run_sightings.sighted(self._db, job_id, self._pace) is None

    # --- looking ---

    async def _namespace(self) -> TemporalNamespace:
        """Asked again and again: a namespace may have been made anew meanwhile."""
        self._here = await self._looks.namespace()
        return self._here

    async def _each(self, jobs: Sequence[SightedJob], namespace: TemporalNamespace, act: _Act) -> None:
        """One that cannot be looked at does not keep the others waiting; its trouble is raised in the end."""

        async def one(job: SightedJob) -> None:
            async with self._at_once:
                await act(await self._looked(job, namespace))

        done = await asyncio.gather(*(one(job) for job in jobs), return_exceptions=True)
        for error in done:
            if error is not None:
                raise error

    async def _looked(self, job: SightedJob, namespace: TemporalNamespace, *, certain: bool = False) -> _Looked:
        sighting = await self._looks.look(job.workflow_id, job.run_id)
        known = KnownJob(
            job_id=job.id,
            home=await self._home(job, namespace) if sighting.seen is Seen.MISSING else RunHome.HERE,
            silent_s=job.silent_s,
            missing_s=math.inf if certain else job.missing_s,
            cancel_requested=job.cancel_requested,
        )
        if sighting.seen is Seen.RUNS:
            await run_sightings.saw(self._db, job, namespace)
        return _Looked(job, sighting, reconciliation.judge(sighting, known, self._patience))

    async def _home(self, job: SightedJob, namespace: TemporalNamespace) -> RunHome:
        seen_in = job.seen_in
        gone = False
        if seen_in is not None and seen_in != namespace and seen_in.cluster_id == namespace.cluster_id:
            gone = not await self._looks.has_namespace(seen_in.namespace_id)
        return reconciliation.home_of(seen_in, namespace, namespace_is_gone=gone)

    async def _noted(self, looked: _Looked) -> None:
        job, judgement = looked.job, looked.judgement
        log = _log.bind(job_id=job.id, workflow_id=job.workflow_id)
        if judgement.verdict is RunVerdict.OVER:
            if await run_sightings.is_over(self._db, job, judgement.why):
                log.warning("run over", run_id=job.run_id, why=judgement.why)
        elif judgement.verdict is RunVerdict.FOLLOW:
            successor = looked.sighting.successor
            if await run_sightings.follow(self._db, job, successor, judgement.why):
                log.warning("run replaced", run_id=successor, why=judgement.why)
        elif looked.sighting.seen is Seen.MISSING:
            if job.missing_s is None:
                log.warning("run missing", run_id=job.run_id, why=judgement.why)
            await run_sightings.missed(self._db, job)

    # --- closing ---

    def _is_ripe(self, job: SightedJob) -> bool:
        return not job.has_pods or (job.over_s or 0) >= self._settings.reconcile_pod_wait_s

    async def _closed(self, looked: _Looked) -> None:
        """Judged once more just before: somebody may have reset what was terminated."""
        job, judgement = looked.job, looked.judgement
        if judgement.verdict is not RunVerdict.OVER:
            await self._noted(looked)
            return
        left = await self._left(job)
        cancelled = job.cancel_requested or reconciliation.is_cancel(looked.sighting)
        end = reconciliation.end_of(judgement.why, left.summary, cancelled=cancelled, asked_by=job.cancelled_by)
        if await reconciling.close(self._db, job, end, left):
            _log.warning("job repaired", job_id=job.id, workflow_id=job.workflow_id, status=end.status, why=end.reason)

    async def _left(self, job: SightedJob) -> Left:
        """What the pod of the attempt that still runs has left: a finished sync is not thrown away with its run."""
        attempt = await attempts.running(self._db, job.id)
        if attempt is None:
            return Left()
        said = await self._answers.end_of(attempt.pod)
        try:
            return Left(attempt.number, AttemptSummary.model_validate_json(said) if said is not None else None)
        except ValidationError:
            _log.warning("marker cannot be read", job_id=job.id, pod=attempt.pod)
            return Left(attempt.number)

    async def _wait_for_pods(self, job_id: int) -> None:
        """Their last commits shall count; the next attempt would refuse them."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(_PODS_OF_BUSY_S, self._settings.reconcile_pod_wait_s)
        while loop.time() < deadline:
            job = await run_sightings.sighted(self._db, job_id, self._pace)
            if job is None or not job.has_pods:
                return
            await asyncio.sleep(_POLL_S)
