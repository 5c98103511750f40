"""Again and again: take what has happened, count it, trace it, and look how much there is to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain

import asyncpg
import structlog

from airbyte_workers.runtime.background import alongside
from airbyte_workers.runtime.observing import counting, spans
from airbyte_workers.runtime.observing.spans import NoTracer, Tracer
from airbyte_workers.settings import Settings
from airbyte_workers.store import observations
from airbyte_workers.store.database import is_away
from airbyte_workers.store.observations import JobPast, Observed, Unusual
from airbyte_workers.telemetry.figures import Figure, Figures

_BATCH = 100  # happenings taken at once
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def observing(db: asyncpg.Pool, settings: Settings, figures: Figures) -> AsyncIterator[None]:
    """Tell figures and traces while the block runs, and at its end what is left; where nobody asks, nothing is done."""
    if not settings.is_observed:
        yield
        return
    async with _tracer(settings) as tracer:
        observer = Observer(db, settings, figures, tracer)
        async with alongside(observer.run()):
            yield
        await observer.end()


@asynccontextmanager
async def _tracer(settings: Settings) -> AsyncIterator[Tracer]:
    if settings.otlp_endpoint is None:
        yield NoTracer()
        return
    from airbyte_workers.runtime.observing import exporting  # noqa: PLC0415  # 50 ms that few workers need

    async with exporting.tracer(settings) as tracer:
        yield tracer


@dataclass(frozen=True)
class Observer:
    """Figures and spans of this process; every happening is told by one process of all that observe."""

    db: asyncpg.Pool
    settings: Settings
    figures: Figures
    tracer: Tracer

    async def run(self) -> None:
        """Rounds until cancelled; one that fails is made up for by the next."""
        silent = False
        while True:
            try:
                await self.look()
            except Exception as error:  # figures stop no sync
                if not silent:
                    bug = None if is_away(error) else error
                    _log.warning("figures and traces cannot be told now", why=str(error), exc_info=bug)
                silent = True
            else:
                silent = False
            await asyncio.sleep(self.settings.metrics_sampling_s)

    async def end(self) -> None:
        """What was decided while this process ended is told by it, too, if the database answers in time."""
        try:
            async with asyncio.timeout(self.settings.otlp_timeout_s):
                await self._take_all()
        except Exception as error:
            _log.warning("last figures and traces are not told", why=str(error))

    async def look(self) -> None:
        """One round. Raises what a database that is away raises; then nothing is taken."""
        await self._take_all()
        await self._measure()

    async def _take_all(self) -> None:
        while await self._take() == _BATCH:
            pass

    async def _take(self) -> int:
        """Everything is read before anything is told: a round that is broken off has taken nothing."""
        async with observations.taking(self.db, young_s=self.settings.observe_young_s, limit=_BATCH) as seen:
            pasts = await self._pasts(seen)
            for each in seen:
                self.figures.tell(list(counting.of_happening(each)))
                if (past := pasts.get(each.job_id)) is not None:
                    self._tell_end(past, each)
        return len(seen)

    async def _pasts(self, seen: Sequence[Observed]) -> Mapping[int, JobPast]:
        """Of the jobs that ended, or of which an attempt did; one that cannot be read is in nobody's way."""
        ended = {each.job_id for each in seen if counting.ends_attempt(each) or counting.ends_job(each)}
        found: dict[int, JobPast] = {}
        for job_id in ended:
            try:
                found[job_id] = await observations.past(self.db, job_id)
            except LookupError:  # removed since
                continue
            except ValueError as error:
                _log.warning("figures and trace of a job cannot be told", job_id=job_id, why=str(error))
        return found

    def _tell_end(self, past: JobPast, seen: Observed) -> None:
        trace = spans.trace_of(past)
        if counting.ends_attempt(seen) and seen.attempt is not None:
            number = seen.attempt + 1
            self.figures.tell(list(counting.of_attempt(past, number)))
            self.tracer.tell(trace, spans.attempt_spans(past, number))
        elif counting.ends_job(seen):
            self.figures.tell(list(counting.of_job(past)))
            self.tracer.tell(trace, spans.job_spans(past))

    async def _measure(self) -> None:
        settings = self.settings
        load = await observations.load(self.db)
        places = await observations.places(self.db, settings.dataplane)
        unusual = Unusual(settings.unusually_long_factor, settings.unusually_long_min_s, settings.unusually_long_beside)
        more = (
            Figure("num_orphan_running_jobs", await observations.orphans(self.db)),
            Figure("num_unusually_long_syncs", await observations.unusually_long(self.db, unusual)),
        )
        self.figures.tell(list(chain(counting.of_load(load, places, settings), more)))
