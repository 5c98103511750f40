"""Pods on other hosts as this one knows them: nothing but rows and markers."""

from __future__ import annotations

from activities.means import Means
from airbyte_workers.jobs import reach
from airbyte_workers.models import AttemptSummary
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.store import dataplanes, workloads
from airbyte_workers.store.workloads import OlderPod


class OutOfReach:
    """What may be concluded of them from here."""

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._objects = means.objects
        self._dataplane = means.settings.dataplane
        self._holds_s = means.settings.dataplane_sign_holds_s
        self._patience = reach.Patience.of(means.settings)

    async def is_gone(self, lease_over_s: float) -> bool:
        """Whether a pod has ended because it could not renew a lease that has been over for so long."""
        reachable_s = await dataplanes.reachable_s(self._db, self._dataplane, holds_s=self._holds_s)
        return reach.is_gone(lease_over_s, reachable_s, self._patience)

    async def has_ended(self, pod: OlderPod) -> bool:
        """Whether the pod of a sync moves no data any more: by its own word, or because of its lease."""
        return await self.is_gone(pod.lease_over_s) or await self._has_told_its_end(pod.pod)

    async def _has_told_its_end(self, pod: str) -> bool:
        """A watcher's marker proves nothing, and it may stand beside the pod's own. Raises StorageError."""
        if not await workloads.owns_markers(self._db, pod):
            return False
        ends = await Markers(self._objects, pod).ends()
        summaries = [AttemptSummary.model_validate_json(body) for body in ends]
        return any(reach.has_told_its_end(summary.evidence) for summary in summaries)
