"""Any workflow type that nobody registered: fail at once with a hint instead of a run that is stuck for ever."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

KNOWN = ("Sync", "Check", "Discover", "Spec")


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """The fallback for types that do not exist."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None:  # noqa: ARG002  # the SDK's signature
        asked = workflow.info().workflow_type
        close = difflib.get_close_matches(asked, KNOWN, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"choose {', '.join(KNOWN)}"
        raise ApplicationError(
            f"there is no workflow type {asked!r}; {hint}", type="UnknownWorkflow", non_retryable=True
        )
