"""The table of cases: whom to strike at which moment of a sync, and how that must end; or why it cannot be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import JobStatus
from airbyte_workers.names import CONTAINER_LAUNCHERS, LauncherName

LAUNCHERS: tuple[LauncherName, ...] = get_args(LauncherName)
POINTS = tuple(Failpoint)


class Victim(StrEnum):
    """Who is struck; a value is also what the command line calls it."""

    SOURCE = "source"
    DESTINATION = "destination"
    ORCHESTRATOR = "orchestrator"
    HOLDER = "holder"
    TEMPORAL_WORKER = "temporal-worker"
    TEMPORAL_SERVER = "temporal-server"
    POSTGRESQL = "postgresql"
    OBJECT_STORAGE = "object-storage"
    DOCKER_ENGINE = "docker-engine"


POD_PROGRAMS = frozenset({Victim.SOURCE, Victim.DESTINATION, Victim.ORCHESTRATOR, Victim.HOLDER})
"""Those that end for good when they are struck; everybody else is brought back."""


@dataclass(frozen=True)
class Case:
    """One fault: this victim, at this moment of one sync."""

    victim: Victim
    point: Failpoint
    launcher: LauncherName

    @property
    def name(self) -> str:
        """What its connection and its folder are called."""
        return f"{self.victim}-at-{self.point}-{self.launcher}"


@dataclass(frozen=True)
class Expected:
    """How the job must end, with how many attempts, and why that is right."""

    status: JobStatus
    attempts: int
    why: str


@dataclass(frozen=True)
class NotApplicable:
    """Why the victim cannot be struck at this moment."""

    why: str


Decision = Expected | NotApplicable


@dataclass(frozen=True)
class _Life:
    """From which moment to which a program of the pod can be struck, and what to say of those before and after."""

    first: Failpoint
    last: Failpoint
    before: str
    after: str


_LIVES: Mapping[Victim, _Life] = {
    Victim.SOURCE: _Life(
        Failpoint.SOURCE_STARTED,
        Failpoint.COMMITTED,
        "The source has not been started yet.",
        "The source has ended by itself by then.",
    ),
    Victim.DESTINATION: _Life(
        Failpoint.DESTINATION_STARTED,
        Failpoint.END_OF_INPUT,
        "The destination has not been started yet.",
        "The destination has ended by itself by then.",
    ),
    Victim.ORCHESTRATOR: _Life(
        Failpoint.DESTINATION_STARTED,
        Failpoint.FINAL_MARKER,
        "The orchestrator has not been started yet.",
        "The orchestrator has done its work by then: the marker is written, and it ends by itself.",
    ),
    Victim.HOLDER: _Life(
        Failpoint.DESTINATION_STARTED,
        Failpoint.SOURCE_EXITED,
        "The holder begins with the destination, which has not been started yet.",
        "The holder has been told to let go of the input by then.",
    ),
}
_LOST = {
    Victim.SOURCE: "A source that was killed is a failed attempt; what was acknowledged stays committed, and the "
    "next attempt begins there.",
    Victim.DESTINATION: "A destination that was killed is a failed attempt; the next begins at the committed state, "
    "and the destination's own journal drops what it had written beyond that.",
    Victim.ORCHESTRATOR: "Without a final marker nobody vouches for the attempt: it has failed (orchestrator_lost), "
    "and the next one begins at the committed state.",
}
_AWAY = {
    Victim.TEMPORAL_WORKER: "The pod needs no Temporal worker: the next one adopts it, and losing one is no attempt.",
    Victim.TEMPORAL_SERVER: "The pod does not know Temporal; the workflow goes on where it was.",
    Victim.POSTGRESQL: "Acknowledged states wait in the pod and are committed when PostgreSQL is back.",
    Victim.OBJECT_STORAGE: "Markers and the log wait for the storage; the data does not pass through it.",
    Victim.DOCKER_ENGINE: "What is asked of the engine is asked again when it is back.",
}
_NO_POD = "Between two attempts there is no pod, so there is nothing of it to strike."
_CANCELLED = (
    "A cancelled job stays cancelled, whatever happens to its pod meanwhile; what is committed stays committed."
)
_SECOND = "The first attempt has failed by itself, as the case wants it; the second one must come all the same. "
_HOLDER = "The orchestrator holds the destination's input open by itself; the holder matters only when that one dies."
_ENGINE_LOST = "An engine that starts again ends its containers: the attempt has failed, the next one begins at the "
_NO_ENGINE = "The launcher process runs without any engine."


def decide(case: Case) -> Decision:
    """Whether the case applies, and what must come of it."""
    if case.victim is Victim.DOCKER_ENGINE and case.launcher not in CONTAINER_LAUNCHERS:
        return NotApplicable(_NO_ENGINE)
    if case.victim in POD_PROGRAMS:
        return _of_pod(case.victim, case.point)
    if case.point is Failpoint.DURING_CANCEL:
        return Expected(JobStatus.CANCELLED, 1, _CANCELLED)
    if case.point is Failpoint.DURING_BACKOFF:
        return Expected(JobStatus.SUCCEEDED, 2, _SECOND + _AWAY[case.victim])
    if case.victim is Victim.DOCKER_ENGINE:
        return _of_engine(case.point)
    return Expected(JobStatus.SUCCEEDED, 1, _AWAY[case.victim])


def _of_pod(victim: Victim, point: Failpoint) -> Decision:
    """A program of the pod is struck while it lives."""
    if point is Failpoint.DURING_BACKOFF:
        return NotApplicable(_NO_POD)
    if point is Failpoint.DURING_CANCEL:
        return Expected(JobStatus.CANCELLED, 1, _CANCELLED)
    life = _LIVES[victim]
    if is_before(point, life.first):
        return NotApplicable(life.before)
    if is_before(life.last, point):
        return NotApplicable(life.after)
    if victim is Victim.HOLDER:
        return Expected(JobStatus.SUCCEEDED, 1, _HOLDER)
    return Expected(JobStatus.SUCCEEDED, 2, _LOST[victim])


def _of_engine(point: Failpoint) -> Expected:
    """What counts is whether both connectors were started, and whether one of them was still at work."""
    if is_before(point, Failpoint.SOURCE_STARTED):
        return Expected(JobStatus.SUCCEEDED, 1, "A launch that fails for want of an engine is tried again.")
    if is_before(point, Failpoint.SOURCE_EXITED):
        return Expected(JobStatus.SUCCEEDED, 2, f"{_ENGINE_LOST}committed state.")
    return Expected(
        JobStatus.SUCCEEDED,
        1,
        "The connectors end before the engine is back, and their wrappers say how; what is left is removed then.",
    )


def is_before(one: Failpoint, other: Failpoint) -> bool:
    """Whether one moment comes earlier in a sync than the other."""
    return POINTS.index(one) < POINTS.index(other)


def all_cases() -> Iterator[Case]:
    """Every pair under every launcher, whether it applies or not."""
    for launcher in LAUNCHERS:
        for victim in Victim:
            for point in POINTS:
                yield Case(victim, point, launcher)
