"""The page of the state machines, and its drawings: from the tables in airbyte_workers/jobs/status.py."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from airbyte_workers.jobs.status import ATTEMPT_MOVES, JOB_MOVES
from airbyte_workers.models import AttemptStatus, JobStatus
from docs.generator.drawing import Box, Drawing
from docs.generator.markdown import table, title

_J = JobStatus
S = TypeVar("S", bound=StrEnum)
BEGINS: Mapping[JobStatus, str] = {
    _J.PENDING: "Its row was written by the run's first activity; nothing runs yet.",
    _J.QUEUED: "It waits for a place: MAX_SYNC_WORKERS and its like are in use on every host that could take it.",
    _J.RUNNING: "A pod of it has been started.",
    _J.INCOMPLETE: "An attempt failed and another one follows, now or after a wait; also while that waits for a place.",
    _J.SUCCEEDED: "An attempt succeeded, [with proof](proof-of-success.md).",
    _J.FAILED: "An attempt failed and none follows, or the job could not be carried out at all.",
    _J.CANCELLED: "Somebody cancelled it, and nothing of it runs any more.",
}
INTRO = (
    "Made from the table that the code moves by (`jobs/status.py: JOB_MOVES`): a move that is not here is an error, "
    "and changes nothing. Every move is a line of the job's past, with who and why (`jobs show`)."
)
JOB_SAID = (
    "An arrow from the frame is one from every status in it. Ends are final: whatever comes later, such as a second "
    "cancel or the word of a Temporal worker that was thought lost, leaves them as they are. An end can be known "
    "before its beginning was written; then the moves between are written with it, in order."
)
ATTEMPT_SAID = (
    "An attempt is one pod's try at a sync, clear or refresh. One that was cancelled has `failed`; its job is "
    "`cancelled`. What follows a failed attempt is told in [Attempts and retries](attempts-and-retries.md)."
)
PLACES: Mapping[JobStatus, tuple[int, int]] = {
    _J.PENDING: (120, 80),
    _J.QUEUED: (390, 80),
    _J.RUNNING: (390, 180),
    _J.INCOMPLETE: (120, 260),
    _J.CANCELLED: (640, 80),
    _J.FAILED: (640, 150),
    _J.SUCCEEDED: (640, 260),
}
ATTEMPT_PLACES: Mapping[AttemptStatus, tuple[int, int]] = {
    AttemptStatus.RUNNING: (90, 90),
    AttemptStatus.SUCCEEDED: (340, 50),
    AttemptStatus.FAILED: (340, 130),
}
PICTURES = {"jobs": "states-of-jobs.svg", "attempts": "states-of-attempts.svg"}


def states_page() -> str:
    """The drawings, and the same as tables, which can be searched and read aloud."""
    jobs = [(f"`{each}`", BEGINS[each], _next(JOB_MOVES[each])) for each in JobStatus]
    attempts = [(f"`{each}`", _next(ATTEMPT_MOVES[each])) for each in AttemptStatus]
    return "\n\n".join(
        (
            title("The state machine"),
            INTRO,
            f"## Jobs\n\n![{_told(JOB_MOVES)}]({PICTURES['jobs']})",
            JOB_SAID,
            table(("status", "when", "what may follow"), jobs),
            f"## Attempts\n\n![{_told(ATTEMPT_MOVES)}]({PICTURES['attempts']})",
            ATTEMPT_SAID,
            table(("status", "what may follow"), attempts) + "\n",
        )
    )


def _next(moves: frozenset[S]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(moves)) or "nothing"


def _told(machine: Mapping[S, frozenset[S]]) -> str:
    """The drawing in words."""
    return "; ".join(f"{begin} to {_any_of(ends)}" for begin, ends in machine.items() if ends)


def _any_of(ends: frozenset[S]) -> str:
    return ", ".join(sorted(ends))


def drawings() -> dict[str, str]:
    """Each picture as SVG, by its file's name."""
    return {
        PICTURES["jobs"]: _drawn(JOB_MOVES, PLACES, (730, 345)),
        PICTURES["attempts"]: _drawn(ATTEMPT_MOVES, ATTEMPT_PLACES, (430, 180)),
    }


def _drawn(machine: Mapping[S, frozenset[S]], places: Mapping[S, tuple[int, int]], size: tuple[int, int]) -> str:
    boxes = {status: Box(status, *places[status], is_end=not machine[status]) for status in machine}
    drawing = Drawing(*size, _told(machine))
    shared = _shared_ends(machine)
    if shared:
        frame = Box.around([box for box in boxes.values() if not box.is_end])
        drawing.frame(frame)
        for end in sorted(shared):
            drawing.arrow_from_frame(frame, boxes[end])
    for begin, moves in machine.items():
        for end in sorted(moves - shared):
            drawing.arrow(boxes[begin], boxes[end], is_both=begin in machine[end])
    for box in boxes.values():
        drawing.box(box)
    return drawing.svg()


def _shared_ends(machine: Mapping[S, frozenset[S]]) -> frozenset[S]:
    """Where all that is live may go: drawn once, from the frame around it; where one is live, there is no frame."""
    live = [moves for moves in machine.values() if moves]
    return frozenset.intersection(*live) - {each for each in machine if machine[each]} if len(live) > 1 else frozenset()
