"""What a schedule starts: a sync under its connection's fixed id, or nothing where the connection is busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError

from activities.schedule_skips import ScheduleSkips
from airbyte_workers.models import NoteSkip, Skipped, SyncInput, SyncReport
from airbyte_workers.names import CONNECTION_BUSY, IS_SCHEDULED, SCHEDULED_SYNC, JobKind, sync_workflow_id
from workflows.job import FOR_EVER, OPENING_TIMEOUT
from workflows.replication import ReplicationRun

_SCHEDULE = SearchAttributeKey.for_keyword("TemporalScheduledById")  # every Temporal has it: a schedule's runs alone


@workflow.defn(name=SCHEDULED_SYNC)
class ScheduledSyncWorkflow(ReplicationRun):
    """A run of a schedule. Temporal gives each an id of its own, so that the child's is the lock."""

    kind = JobKind.SYNC
    child_memo: Mapping[str, Any] = {IS_SCHEDULED: True}

    @workflow.run
    async def run(self, input: SyncInput) -> SyncReport | Skipped:
        connection = input.connection
        self._show(kind=self.kind, subject=connection)
        try:
            return await self._as_child(input, connection, sync_workflow_id(connection))
        except ApplicationError as error:
            if error.type != CONNECTION_BUSY:
                raise
            return await self._skipped(connection)
        except ChildWorkflowError as error:
            if not isinstance(error.cause, CancelledError):
                raise
            raise CancelledError("the sync was cancelled") from None

    async def _skipped(self, connection: str) -> Skipped:
        """Ask which job is in the way, and have the skip counted; a cancel finds nothing to stop any more."""
        info = workflow.info()
        skip = NoteSkip(
            connection=connection, run_id=info.run_id, schedule_id=info.typed_search_attributes.get(_SCHEDULE)
        )
        skipped = await workflow.execute_activity_method(
            ScheduleSkips.note_skip,
            skip,
            start_to_close_timeout=OPENING_TIMEOUT,
            retry_policy=FOR_EVER,
            summary=f"{connection} is busy: skip",
        )
        self._show(phase="skipped", detail=skipped.reason)
        return skipped
