"""What the kit says of a source: from what was seen to the verdict, finding by finding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airbyte_workers.conformance import judging_sources, reading
from airbyte_workers.conformance.seen import AnswerSeen, Cut, Ended, ReadSeen, StatesSeen, StreamSeen, Talk
from airbyte_workers.conformance.source_findings import Source
from airbyte_workers.conformance.verdicts import Level, Line, Verdict
from airbyte_workers.replication.state_forms import StateKey

MIB = 2**20
LIMIT = 128 * MIB
DONE = ("STARTED", "RUNNING", "COMPLETE")
A, B = ("a", None), ("b", "own")
KEYS = frozenset({StateKey("STREAM", A), StateKey("STREAM", B)})
GOOD = ReadSeen(
    ended=Ended(seconds=1.2),
    streams={A: StreamSeen(10, DONE, checked=10), B: StreamSeen(5, DONE, checked=5)},
    states=StatesSeen(3, KEYS, most_records=10, most_seconds=0.5),
    bytes=2048,
    quiet=0.1,
    talk=Talk(longest_line=120),
)


def read(line: Line, **changes: Any) -> Verdict:
    """The verdict of one line on the good read with these changes."""
    (found,) = (each for each in judging_sources.read(replace(GOOD, **changes)) if each.line is line)
    return found


def streams(a: StreamSeen, b: StreamSeen | None = None) -> dict[str, Any]:
    return {"streams": {A: a, B: b or GOOD.streams[B]}}


def cut(why: Cut) -> Ended:
    return Ended(code=143, cut=why, seconds=60)


def catalog(**stream: Any) -> dict[str, Any]:
    told = {"name": "a", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"], **stream}
    return {"streams": [told]}


def said_of(answer: dict[str, Any]) -> Verdict:
    return judging_sources.catalog(answer)[0]


NO_STATUS = streams(StreamSeen(10), StreamSeen(5))
UNENDED = streams(StreamSeen(10, ("STARTED",)))
EMPTY = {"streams": {A: StreamSeen(), B: StreamSeen()}, "states": StatesSeen()}
ERROR = Talk(errors=("a broke",), error_types=("system_error",))
AGAIN = replace(GOOD, streams={A: StreamSeen(0, DONE), B: StreamSeen(2, DONE)})
TWICE = {"streams": [*catalog()["streams"], *catalog()["streams"]]}

ROWS: list[tuple[Verdict, Source, str]] = [
    (judging_sources.discover(AnswerSeen(catalog(), Ended())), Source.DISCOVERED, "1 stream, exit code 0"),
    (judging_sources.discover(AnswerSeen(catalog(), Ended(2))), Source.DISCOVER_ENDED_BADLY, "exit code 2"),
    (judging_sources.discover(AnswerSeen(None, Ended(1), ERROR)), Source.DISCOVER_UNANSWERED, "it said: a broke"),
    (said_of(catalog()), Source.CATALOG_SOUND, "1 stream, 0 of them incremental"),
    (said_of(catalog(name=None)), Source.CATALOG_INVALID, "streams[0].name"),
    (said_of({"streams": []}), Source.CATALOG_INVALID, "no streams"),
    (said_of(TWICE), Source.CATALOG_TWICE, "a"),
    (said_of(catalog(json_schema={"type": "nonsense"})), Source.CATALOG_SCHEMAS, "a ("),
    (read(Line.READ), Source.READ_WELL, "15 records (2 KiB) of 2 streams, exit code 0 after 1.2 s"),
    (read(Line.READ, ended=cut(Cut.ENOUGH)), Source.READ_WELL, "the first 15 records"),
    (read(Line.READ, ended=cut(Cut.SILENT)), Source.READ_WELL, "it said nothing any more"),
    (read(Line.READ, **EMPTY), Source.READ_NOTHING, "exit code 0"),
    (read(Line.READ, talk=ERROR), Source.READ_ERROR, "it said: a broke"),
    (read(Line.READ, ended=Ended(1), talk=Talk(last_words="KeyError")), Source.READ_CRASHED, "last words: KeyError"),
    (read(Line.READ, ended=Ended(None)), Source.READ_CRASHED, "an exit code that nobody knows"),
    (read(Line.READ, ended=cut(Cut.SILENT), **UNENDED), Source.READ_HUNG, "15 records"),
    (read(Line.READ, ended=cut(Cut.SILENT), **EMPTY), Source.READ_MUTE, "0 records"),
    (read(Line.READ, ended=cut(Cut.IDLE), talk=Talk(logs=9)), Source.READ_IDLE, "9 LOG messages"),
    (read(Line.END), Source.EXITED, "0.1 s after its last message"),
    (read(Line.END, ended=cut(Cut.SILENT), quiet=60), Source.STAYED_OPEN, "silent for 1 m 0 s"),
    (read(Line.END, ended=Ended(143, forced=True), quiet=9), Source.STAYED_CLOSED, "stopped 9 s after"),
    (read(Line.END, ended=Ended(143, forced=True), **UNENDED), Source.STAYED_INCOMPLETE, "stopped"),
    (judging_sources.longest_line(GOOD, LIMIT), Source.LINES_SHORT, "120 bytes; the limit is 134,217,728"),
    (judging_sources.longest_line(replace(GOOD, talk=Talk(longest_line=2 * MIB)), LIMIT), Source.LINES_LONG, "2,097"),
    (judging_sources.longest_line(GOOD, 200), Source.LINES_LONG, "120 bytes"),
    (judging_sources.longest_line(replace(GOOD, ended=cut(Cut.TOO_LONG)), LIMIT), Source.LINES_TOO_LONG, "134,217,728"),
    (read(Line.STATES), Source.STATES_SENT, "STREAM, 3 states; longest stretch without one: 10 records, 500 ms"),
    (read(Line.STATES, states=StatesSeen()), Source.STATES_NONE, "0 states"),
    (read(Line.STATES, states=StatesSeen(1, KEYS - {StateKey("STREAM", B)})), Source.STATES_MISSING, "none for own.b"),
    (read(Line.STATES, states=replace(GOOD.states, repeated=1)), Source.STATES_REPEATED, "1 of 3 states"),
    (read(Line.STATES, states=StatesSeen(1, frozenset({StateKey("GLOBAL")}))), Source.STATES_SENT, "GLOBAL"),
    (read(Line.STATES, states=StatesSeen(2, KEYS | {StateKey("GLOBAL")})), Source.STATES_MIXED, "GLOBAL and STREAM"),
    (judging_sources.resume(GOOD, AGAIN), Source.RESUMED, "2 records after 15 records"),
    (judging_sources.resume(GOOD, GOOD), Source.RESUMED_WHOLE, "15 records after 15 records"),
    (judging_sources.resume(GOOD, replace(AGAIN, talk=ERROR)), Source.RESUME_FAILED, "it said: a broke"),
    (judging_sources.resume(GOOD, replace(AGAIN, ended=Ended(1))), Source.RESUME_FAILED, "exit code 1"),
    (judging_sources.resume(GOOD, replace(AGAIN, ended=cut(Cut.SILENT))), Source.RESUME_FAILED, "said nothing"),
    (read(Line.STATUSES), Source.STATUSES_TOLD, "COMPLETE for 2 of 2 streams"),
    (read(Line.STATUSES, ended=cut(Cut.ENOUGH), **UNENDED), Source.STATUSES_TOLD, "1 of 2 streams, as far as it was"),
    (read(Line.STATUSES, **NO_STATUS), Source.STATUSES_NONE, "2 streams"),
    (read(Line.STATUSES, **streams(StreamSeen(1, ("COMPLETE",)))), Source.STATUSES_NO_START, "a"),
    (read(Line.STATUSES, **UNENDED), Source.STATUSES_MISSING, "not for a"),
    (read(Line.STATUSES, **streams(StreamSeen(1, ("STARTED", "INCOMPLETE")))), Source.STATUSES_INCOMPLETE, "a"),
    (read(Line.STREAMS), Source.STREAMS_KNOWN, "2 streams"),
    (read(Line.STREAMS, unknown=frozenset({"c (records)"})), Source.STREAMS_UNKNOWN, "c (records)"),
    (read(Line.RECORDS), Source.RECORDS_FIT, "15 records looked at"),
    (
        read(Line.RECORDS, **streams(StreamSeen(10, DONE, 10, 4, ("id: is not of type integer but string",)))),
        Source.RECORDS_UNFIT,
        "4 of 15 records: a: id: is not of type integer",
    ),
]


@pytest.mark.parametrize(("told", "finding", "seen"), ROWS, ids=[f"{row[1].name}-{row[2][:12]}" for row in ROWS])
def test_what_was_seen_becomes_a_verdict(told: Verdict, finding: Source, seen: str) -> None:
    assert told.finding == finding.name, told
    assert (told.line, told.level) == (finding.value.line, finding.value.level)
    assert seen in told.seen


def test_every_finding_is_in_the_table() -> None:
    assert {row[1] for row in ROWS} == set(Source)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (read(Line.END, ended=cut(Cut.ENOUGH)), "it did not come to its end: ended after enough records"),
        (read(Line.END, ended=Ended(1)), "it failed before: exit code 1"),
        (read(Line.STATES, **EMPTY), "it sent no record"),
        (read(Line.STATUSES, ended=Ended(1), **NO_STATUS), "none came before its end"),
        (read(Line.STREAMS, **EMPTY), "it spoke of none"),
        (read(Line.RECORDS, **EMPTY), "no record could be held"),
        (judging_sources.longest_line(replace(GOOD, talk=Talk()), LIMIT), "it wrote no line"),
        (judging_sources.resume(GOOD, replace(GOOD, ended=cut(Cut.SAMPLE))), "where it ends was not seen"),
    ],
)
def test_what_cannot_be_told_is_skipped_with_the_reason(told: Verdict, reason: str) -> None:
    assert told.level is Level.SKIPPED
    assert reason in told.seen


def test_a_stream_that_was_cut_off_may_still_have_sent_its_state() -> None:
    only_b = StatesSeen(1, frozenset({StateKey("STREAM", B)}))
    told = read(Line.STATES, states=only_b, ended=cut(Cut.ENOUGH), **streams(StreamSeen(10, ("STARTED",))))
    assert told.finding == Source.STATES_SENT.name


def test_a_source_is_given_its_states_as_the_platform_gives_them() -> None:
    both = {StateKey("STREAM", A): b'{"a":1}', StateKey("STREAM", B): b'{"b":2}'}
    assert reading.state_file(both) == b'[{"a":1},{"b":2}]'
    assert reading.state_file({StateKey("LEGACY"): b'{"cursor":3}'}) == b'{"cursor":3}'
    assert reading.state_file({}) is None
