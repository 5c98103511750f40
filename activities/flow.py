"""What flows through a pod, counted while it flows: by whoever watches it, from where the last watcher stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from airbyte_workers.models import AttemptSummary, Progress
from airbyte_workers.names import JobKind
from airbyte_workers.telemetry.figures import Figure, Figures

_COUNTED = {
    "worker_source_message_read": "records_emitted",
    "bytes_emitted": "bytes_emitted",
    "records_committed": "records_committed",
    "state_processed_from_source": "states_emitted",
    "state_processed_from_destination": "states_committed",
}
"""Figures, and which member of a pod's progress each adds up."""


class Flow:
    """Adds what is new in a pod's progress; `heartbeats`: the details that an earlier watcher of the pod has left."""

    def __init__(self, figures: Figures, kind: JobKind, heartbeats: Sequence[Any] = ()) -> None:
        self._figures = figures
        self._kind = kind
        self._told = _progress(heartbeats)

    def told(self, progress: Progress | None) -> Progress | None:
        """Count how far the pod says it is, and give it back for the heartbeat that the next watcher begins at."""
        if progress is not None:
            self._tell(progress)
        return progress

    def end(self, summary: AttemptSummary | None) -> None:
        """What has come since the last look, as the pod's own end has it."""
        if summary is None:
            return
        streams = summary.streams
        totals = {
            "records_emitted": sum(each.records_emitted for each in streams),
            "bytes_emitted": sum(each.bytes_emitted for each in streams),
            "records_committed": sum(each.records_committed for each in streams),
            "states_emitted": summary.evidence.states_emitted,
            "states_committed": summary.evidence.states_committed,
        }
        self._tell(self._told.model_copy(update=totals))

    def _tell(self, progress: Progress) -> None:
        new = {figure: getattr(progress, member) - getattr(self._told, member) for figure, member in _COUNTED.items()}
        told = [Figure(figure, more, {"kind": str(self._kind)}) for figure, more in new.items() if more > 0]
        self._figures.tell(told)
        most = {member: max(getattr(progress, member), getattr(self._told, member)) for member in _COUNTED.values()}
        self._told = progress.model_copy(update=most)


def _progress(heartbeats: Sequence[Any]) -> Progress:
    try:
        return Progress.model_validate(heartbeats[0]) if heartbeats else Progress()
    except ValidationError:  # another release's
        return Progress()
