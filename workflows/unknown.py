"""Any workflow type that nobody registered: fail at once with a hint instead of a run that is stuck for ever."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from airbyte_workers.names import SCHEDULED_SYNC

KNOWN = ("Sync", "Clear", "Refresh", "Check", "Discover", "Spec", SCHEDULED_SYNC)
_OTHER_WORDS = {"reset": "Clear"}


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """The fallback for types that do not exist."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None:  # noqa: ARG002  # the SDK's signature
        asked = workflow.info().workflow_type
        close = difflib.get_close_matches(asked, KNOWN, n=1, cutoff=0.5)
        meant = _OTHER_WORDS.get(asked.lower()) or (close[0] if close else None)
        hint = f"did you mean {meant}?" if meant else f"choose {', '.join(KNOWN)}"
        raise ApplicationError(
            f"there is no workflow type {asked!r}; {hint}", type="UnknownWorkflow", non_retryable=True
        )
