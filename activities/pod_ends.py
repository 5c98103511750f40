"""What the end of a pod counts as: read out of its final marker, whoever watched it and from where."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from activities.job_time import ends_by
from activities.means import Means
from activities.time_limits import limit_s
from airbyte_workers.jobs.failures import for_history, of_platform
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    ConnectorResult,
    Failure,
    FailureType,
)
from airbyte_workers.names import REPLICATION_KINDS
from airbyte_workers.orchestrator.markers import FoundMarker, Marker, Markers
from airbyte_workers.store import attempts, connector_configs, jobs
from airbyte_workers.store.objects import StorageError

_log = structlog.get_logger(__name__)
CANCELLED = of_platform(FailureType.MANUAL_CANCELLATION, "the job was cancelled; its pod had to be ended at once")
_ENDED_BY_OTHERS = of_platform(
    FailureType.ORCHESTRATOR_LOST,
    "the pod was told to end, but not by us: a shutdown of its host, or somebody's SIGTERM",
)


class PodEnd:
    """The end of one pod. `stopped_because`: why it was told to end by who watches it; `cancelled`: the job was.

    `summary`: what a replication pod's final marker says, once it was read.
    """

    def __init__(self, means: Means, ref: AttemptRef) -> None:
        self._db = means.db
        self._seal = means.seal
        self._settings = means.settings
        self._markers = Markers(means.objects, ref.pod)
        self._ref = ref
        self.limit_s = limit_s(means.settings, ref.kind)
        self.stopped_because: Failure | None = None
        self.cancelled = False
        self.summary: AttemptSummary | None = None

    async def seen(self) -> FoundMarker:
        """The pod's markers; while storage is away nothing new is known, and the pod goes on."""
        try:
            return await self._markers.read()
        except StorageError as error:
            _log.warning("markers cannot be read", pod=self._ref.pod, error=str(error))
            return FoundMarker(Marker.NOT_STARTED)

    def timed_out(self) -> Failure:
        """It ran for longer than a pod of its kind may."""
        return of_platform(
            FailureType.TIMED_OUT,
            f"it ran longer than {timedelta(seconds=round(self.limit_s))}, the limit, and was stopped",
        )

    def unrenewed(self) -> Failure:
        """Its lease is over, and whoever could have renewed it has not."""
        return of_platform(
            FailureType.LEASE_LOST,
            f"the pod has not renewed its lease of {self._settings.lease_seconds:g} s (LEASE_SECONDS) although the "
            "database was there: its orchestrator hung, or could not reach it, and was ended",
        )

    async def write(self, failure: Failure) -> None:
        """Give a final marker to a pod that has none. Raises StorageError."""
        if self._ref.kind in REPLICATION_KINDS:
            status = "cancelled" if self.cancelled else "failed"
            summary = AttemptSummary(status=status, failures=(failure,))
            await self._markers.write(Marker.FAILURE, summary.model_dump_json().encode())
            return
        result = ConnectorResult(status="failed", failures=(failure,))
        await self._markers.write(Marker.FAILURE, result.model_dump_json().encode())

    async def outcome(self, reading: FoundMarker) -> AttemptOutcome:
        """What a final marker says; what was committed is counted in the database."""
        if self._ref.kind not in REPLICATION_KINDS:
            result = ConnectorResult.model_validate_json(reading.body)
            await connector_configs.keep_told(self._db, self._ref, result.new_config)
            if result.status == "succeeded" and not self.cancelled:  # an answer that came just in time counts
                return AttemptOutcome(status="succeeded")
            status = "cancelled" if self.cancelled else "failed"
            return AttemptOutcome(status=status, failures=for_history(self._failures(result)))
        summary = self.summary = AttemptSummary.model_validate_json(reading.body)
        committed, rejected = await attempts.committed(self._db, self._ref.job_id, self._ref.attempt)
        return AttemptOutcome(
            status=self._status(summary),
            failures=for_history(self._failures(summary)),
            records_committed=committed,
            records_rejected=rejected,
            retry_at=summary.retry_at,
            ends_by=await self._ends_by(),
        )

    async def _ends_by(self) -> datetime | None:
        with suppress(LookupError):  # of a job that is gone the workflow is told by others
            return await ends_by(self._db, self._settings, await jobs.read_job(self._db, self._seal, self._ref.job_id))
        return None

    def _status(self, summary: AttemptSummary) -> str:
        """Terminated because of the time limit, the orchestrator calls itself cancelled: for the job it failed."""
        if summary.status == "cancelled" and not self.cancelled:
            return "failed"
        return summary.status

    def _failures(self, summary: AttemptSummary | ConnectorResult) -> tuple[Failure, ...]:
        if self.cancelled:
            return summary.failures
        others = tuple(each for each in summary.failures if each.type is not FailureType.MANUAL_CANCELLATION)
        if self.stopped_because is not None:
            return (self.stopped_because, *others)
        return others if len(others) == len(summary.failures) else (_ENDED_BY_OTHERS, *others)
