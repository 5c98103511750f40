"""Was anything lost? Pure: what must have come of a case, held against what was seen after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from airbyte_workers.chaos.cases import Expected
from airbyte_workers.models import AttemptStatus, JobStatus
from airbyte_workers.orchestrator.markers import Marker

_SHOWN = 5


@dataclass(frozen=True)
class AttemptSeen:
    """One attempt: its row, and the final marker of its pod with the status that stands in it."""

    status: AttemptStatus
    marker: Marker
    told: str = ""


@dataclass(frozen=True)
class Seen:
    """What was there after a case's job had ended.

    `ids`: what the destination has, line by line. `positions`: how far each committed state reached, in the order of
    commits; `committed`: how far the one reaches that the next sync begins with. `left`: what is still there of pods.
    """

    status: JobStatus | None
    records: int
    attempts: tuple[AttemptSeen, ...] = ()
    ids: Sequence[int] = ()
    positions: Sequence[int] = ()
    committed: int = 0
    left: tuple[str, ...] = field(default=())


def violations(expected: Expected, seen: Seen) -> tuple[str, ...]:
    """Everything that is not as it must be, a sentence each; none is the proof."""
    return (*_end(expected, seen), *_records(seen), *_states(seen), *_markers(seen), *_left(seen))


def _end(expected: Expected, seen: Seen) -> Iterator[str]:
    if seen.status is not expected.status:
        yield f"the job is {seen.status or 'not there'}, expected {expected.status}"
    if len(seen.attempts) != expected.attempts:
        yield f"the job had {len(seen.attempts)} attempt(s), expected {expected.attempts}"
    last = AttemptStatus.SUCCEEDED if seen.status is JobStatus.SUCCEEDED else AttemptStatus.FAILED
    statuses = [each.status for each in seen.attempts]
    wanted = [*[AttemptStatus.FAILED] * (len(statuses) - 1), last][: len(statuses)]
    if statuses != wanted:
        yield f"its attempts are {', '.join(statuses)}, expected {', '.join(wanted)}"


def _records(seen: Seen) -> Iterator[str]:
    """Records at least once up to what is promised; with this destination also once only, and in order."""
    promised = seen.records if seen.status is JobStatus.SUCCEEDED else seen.committed
    missing = sorted(set(range(promised)) - set(seen.ids))
    if missing:
        yield f"{len(missing)} record(s) below {promised} are missing: {_some(missing)}"
    unknown = sorted(each for each in set(seen.ids) if not 0 <= each < seen.records)
    if unknown:
        yield f"{len(unknown)} record(s) were never sent: {_some(unknown)}"
    again = len(seen.ids) - len(set(seen.ids))
    if again:
        twice = sorted({each for each, following in pairwise(sorted(seen.ids)) if each == following})
        yield f"{again} record(s) are there more than once: {_some(twice)}"
    elif list(seen.ids) != sorted(seen.ids):
        back = [following for each, following in pairwise(seen.ids) if following < each]
        yield f"records are out of order: {_some(back)} came late"


def _states(seen: Seen) -> Iterator[str]:
    back = [f"{after} after {before}" for before, after in pairwise(seen.positions) if after < before]
    if back:
        yield f"committed states went back: {_some(back)}"
    last = seen.positions[-1] if seen.positions else 0
    if last != seen.committed:
        yield f"the kept state reaches {seen.committed}, the last committed one {last}"
    if seen.status is JobStatus.SUCCEEDED and seen.committed != seen.records:
        yield f"the kept state reaches {seen.committed} of {seen.records} records of a succeeded job"


def _markers(seen: Seen) -> Iterator[str]:
    """The marker is the truth, and the row says the same."""
    for number, attempt in enumerate(seen.attempts, 1):
        wanted = Marker.SUCCESS if attempt.status is AttemptStatus.SUCCEEDED else Marker.FAILURE
        if attempt.marker is not wanted:
            yield f"attempt {number} is {attempt.status}, but its pod's marker is {attempt.marker}"
    last = seen.attempts[-1] if seen.attempts else None
    if last is not None and seen.status is not None and last.told not in ("", seen.status):
        yield f"the job is {seen.status}, but its last marker tells that it {last.told}"


def _left(seen: Seen) -> Iterator[str]:
    if seen.left:
        yield f"something is left: {'; '.join(seen.left)}"


def _some(found: Sequence[object]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more
