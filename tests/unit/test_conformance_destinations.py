"""What the kit says of a destination: from what was seen to the verdict, finding by finding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airbyte_workers.conformance import judging_destinations
from airbyte_workers.conformance.destination_findings import Destination
from airbyte_workers.conformance.seen import Cut, Echo, Ended, Feeding, Sent, Talk, WriteSeen
from airbyte_workers.conformance.verdicts import Level, Line, Verdict

A, B = ("a", None), ("b", None)
SENT = (Sent(1, A, 0.1), Sent(2, B, 0.2), Sent(3, A, 0.3), Sent(4, B, 0.4))
GOOD = WriteSeen(
    feeding=Feeding.TAKEN,
    ended=Ended(seconds=1.5),
    given=4096,
    records=100,
    sent=SENT,
    echoes=tuple(Echo(each.number, each.at + 0.05) for each in SENT),
    input_ended=1.0,
)
ERROR = Talk(errors=("disk full",), error_types=("system_error",))
FULL = Ended(code=143, cut=Cut.FULL, seconds=60)


def write(line: Line, **changes: Any) -> Verdict:
    """The verdict of one line on the good write with these changes."""
    (found,) = (each for each in judging_destinations.write(replace(GOOD, **changes)) if each.line is line)
    return found


def echoes(*of: int | None, at: float = 0.5, **kind: Any) -> dict[str, Any]:
    return {"echoes": tuple(Echo(number, at, **kind) for number in of)}


def refused(feeding: Feeding, ended: Ended) -> dict[str, Any]:
    return {"feeding": feeding, "ended": ended, "input_ended": None}


def without_complete(**changes: Any) -> Verdict:
    return judging_destinations.without_complete(replace(GOOD, **changes))


def big(megabyte: WriteSeen, largest: WriteSeen | None) -> Verdict:
    return judging_destinations.big_record(megabyte, largest, 16 * 2**20)


CLOSED = replace(GOOD, **refused(Feeding.EXITED, Ended(9)))
ROWS: list[tuple[Verdict, Destination, str]] = [
    (write(Line.WRITE), Destination.WRITTEN, "100 records, 4 KiB taken"),
    (write(Line.WRITE, **refused(Feeding.BLOCKED, FULL)), Destination.WRITE_BLOCKED, "it took nothing more"),
    (write(Line.WRITE, **refused(Feeding.NEVER_OPENED, FULL)), Destination.WRITE_BLOCKED, "it took nothing more"),
    (write(Line.WRITE, **refused(Feeding.CLOSED, Ended(143, forced=True))), Destination.WRITE_CLOSED, "to be stopped"),
    (write(Line.WRITE, **refused(Feeding.EXITED, Ended(0))), Destination.WRITE_EXITED, "exit code 0"),
    (write(Line.WRITE, talk=ERROR), Destination.WRITE_ERROR, "it said: disk full"),
    (write(Line.END), Destination.ENDED, "exit code 0, 0.5 s after its end of input"),
    (write(Line.END, ended=Ended(1, seconds=2), talk=ERROR), Destination.END_CRASHED, "it said: disk full"),
    (write(Line.END, ended=Ended(143, forced=True, seconds=61)), Destination.END_HUNG, "stopped 1 m 0 s after"),
    (write(Line.END, ended=Ended(143, forced=True), talked_at_end=True), Destination.END_TALKED, "stopped"),
    (write(Line.ACKNOWLEDGED), Destination.ACKNOWLEDGED, "4 of 4 states"),
    (write(Line.ACKNOWLEDGED, **echoes(3, 4)), Destination.ACKNOWLEDGED_SOME, "2 of 4 states"),
    (write(Line.ACKNOWLEDGED, **echoes(1, 2, 3, 4, None)), Destination.ACKNOWLEDGED_TWICE, "1 that match none"),
    (write(Line.ACKNOWLEDGED, **echoes(1, 2, 3)), Destination.ACKNOWLEDGED_NOT_LAST, "not the last of b"),
    (write(Line.ACKNOWLEDGED, **echoes()), Destination.ACKNOWLEDGED_NONE, "0 of 4 states"),
    (write(Line.ACKNOWLEDGED, **echoes(None)), Destination.ACKNOWLEDGED_NONE, "1 that match none"),
    (write(Line.ORDER), Destination.ORDERED, "also across streams"),
    (write(Line.ORDER, **echoes(1, 3, 2, 4)), Destination.ORDERED, "streams overtook one another"),
    (write(Line.ORDER, **echoes(2, 3, 1, 4)), Destination.DISORDERED, "a (state 1 after 3)"),
    (write(Line.IDS), Destination.IDS_KEPT, "4 acknowledgements"),
    (write(Line.IDS, **echoes(1, 2, 3, 4, has_id=False)), Destination.IDS_LOST, "4 of 4 acknowledgements without"),
    (write(Line.IDS, **echoes(1, 2, has_id=False, bare=True)), Destination.IDS_BARE, "2 of 2"),
    (write(Line.MOMENT), Destination.EARLY, "4 of 4 before the end of input; the slowest took 50 ms"),
    (write(Line.MOMENT, **echoes(1, 2, 3, 4, at=1.2)), Destination.LATE, "0 of 4 before the end of input"),
    (without_complete(ended=Ended(1)), Destination.COMPLETE_NEEDED, "exit code 1"),
    (without_complete(), Destination.COMPLETE_UNUSED, "exit code 0"),
    (without_complete(ended=Ended(143, forced=True)), Destination.COMPLETE_HUNG, "had to be stopped"),
    (big(GOOD, GOOD), Destination.BIG_TAKEN, "16.0 MiB at most"),
    (big(GOOD, CLOSED), Destination.BIG_LIMITED, "16.0 MiB: exited after 4 KiB, exit code 9"),
    (big(CLOSED, None), Destination.BIG_REFUSED, "1 MB: exited after 4 KiB"),
    (big(replace(GOOD, talk=ERROR), None), Destination.BIG_REFUSED, "it said: disk full"),
]


@pytest.mark.parametrize(("told", "finding", "seen"), ROWS, ids=[f"{row[1].name}-{row[2][:12]}" for row in ROWS])
def test_what_was_seen_becomes_a_verdict(told: Verdict, finding: Destination, seen: str) -> None:
    assert told.finding == finding.name, told
    assert (told.line, told.level) == (finding.value.line, finding.value.level)
    assert seen in told.seen


def test_every_finding_is_in_the_table() -> None:
    assert {row[1] for row in ROWS} == set(Destination)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (write(Line.END, **refused(Feeding.BLOCKED, FULL)), "it did not come to its end of input"),
        (write(Line.ACKNOWLEDGED, sent=(), echoes=()), "it took no state"),
        (write(Line.ORDER, **echoes(None)), "no state came back"),
        (write(Line.IDS, **echoes()), "no state came back"),
        (write(Line.MOMENT, **echoes()), "no state came back"),
        (write(Line.DURABILITY), "cannot be seen from outside"),
        (without_complete(input_ended=None), "it did not come to its end of input"),
    ],
)
def test_what_cannot_be_told_is_skipped_with_the_reason(told: Verdict, reason: str) -> None:
    assert told.level is Level.SKIPPED
    assert reason in told.seen
