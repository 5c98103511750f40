"""The jobs of a connection: sync it, clear what was synced, read some of it again. They share its lock."""

from __future__ import annotations

from temporalio import workflow

from airbyte_workers.models import ClearInput, RefreshInput, SyncInput, SyncReport
from airbyte_workers.names import JobKind
from workflows.replication import ReplicationRun


@workflow.defn(name="Sync")
class SyncWorkflow(ReplicationRun):
    """Move what is new from a source to a destination."""

    kind = JobKind.SYNC

    @workflow.run
    async def run(self, input: SyncInput) -> SyncReport:
        return await self._replicate(input, self._opening(input))


@workflow.defn(name="Clear")
class ClearWorkflow(ReplicationRun):
    """Forget the state of streams and have the destination remove what it holds of them."""

    kind = JobKind.CLEAR

    @workflow.run
    async def run(self, input: ClearInput) -> SyncReport:
        return await self._replicate(input, self._opening(input.sync, input.order))


@workflow.defn(name="Refresh")
class RefreshWorkflow(ReplicationRun):
    """Read streams again from their beginning, and sync the others as ever."""

    kind = JobKind.REFRESH

    @workflow.run
    async def run(self, input: RefreshInput) -> SyncReport:
        return await self._replicate(input, self._opening(input.sync, input.order))
