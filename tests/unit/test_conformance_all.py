"""What the kit says of any connector: from what was seen to the verdict, finding by finding."""

from __future__ import annotations

from typing import Any

import pytest

from airbyte_workers.conformance import judging_all
from airbyte_workers.conformance.common_findings import Common
from airbyte_workers.conformance.kit import Report
from airbyte_workers.conformance.seen import AnswerSeen, Cut, Ended, Memory, Talk, TermSeen
from airbyte_workers.conformance.verdicts import Level, Line, Verdict, in_order, skipped, verdict
from airbyte_workers.conformance.wrong_configs import wrong_config
from airbyte_workers.pods.choice import Choice

MIB = 2**20
GOOD = Ended(seconds=0.4)
BAD = Ended(code=1, seconds=0.4)
LATE = Ended(code=143, cut=Cut.LATE, seconds=60)
SPEC = {"connectionSpecification": {"type": "object"}}
OPEN_SECRET = {"type": "object", "properties": {"auth": {"properties": {"api_key": {"type": "string"}}}}}
HIDDEN_SECRET = {"type": "object", "properties": {"api_key": {"type": "string", "airbyte_secret": True}}}
CONFIG_ERROR = Talk(errors=("host is missing",), error_types=("config_error",))
SYSTEM_ERROR = Talk(errors=("boom",), error_types=("system_error",))


def check_of(status: str, message: str = "no such host") -> dict[str, Any]:
    return {"status": status, "message": message}


ROWS: list[tuple[Verdict, Common, str]] = [
    (judging_all.spec(AnswerSeen(SPEC, GOOD)), Common.SPEC_ANSWERED, "exit code 0 after 0.4 s"),
    (judging_all.spec(AnswerSeen(SPEC, Ended(forced=True))), Common.SPEC_ENDED_BADLY, "had to be stopped"),
    (judging_all.spec(AnswerSeen(None, LATE)), Common.SPEC_MISSING, "it did not end in time, after 1 m 0 s"),
    (judging_all.config_schema(HIDDEN_SECRET), Common.SCHEMA_USABLE, "1 property, secret: api_key"),
    (judging_all.config_schema({"type": "nonsense"}), Common.SCHEMA_UNUSABLE, "not a JSON schema"),
    (judging_all.config_schema(OPEN_SECRET), Common.SCHEMA_HIDES_LITTLE, "not marked: api_key"),
    (judging_all.check(AnswerSeen(check_of("SUCCEEDED"), GOOD), ()), Common.CHECK_SUCCEEDED, "exit code 0"),
    (judging_all.check(AnswerSeen(check_of("SUCCEEDED"), BAD), ()), Common.CHECK_ENDED_BADLY, "exit code 1"),
    (judging_all.check(AnswerSeen(check_of("FAILED"), GOOD), ()), Common.CHECK_FAILED, "no such host"),
    (judging_all.check(AnswerSeen(None, BAD, CONFIG_ERROR), ()), Common.CHECK_FAILED, "host is missing"),
    (judging_all.check(AnswerSeen(None, BAD, SYSTEM_ERROR), ()), Common.CHECK_UNANSWERED, "it said: boom"),
    (judging_all.check(AnswerSeen(None, GOOD), ["config.a: is required"]), Common.CHECK_CONFIG_UNFIT, "is required"),
    (judging_all.wrong_config(AnswerSeen(check_of("FAILED"), GOOD), "a left out"), Common.WRONG_TOLD, "no such host"),
    (judging_all.wrong_config(AnswerSeen(None, BAD, CONFIG_ERROR), "a"), Common.WRONG_TRACED, "host is missing"),
    (judging_all.wrong_config(AnswerSeen(check_of("SUCCEEDED"), GOOD), "a left out"), Common.WRONG_ACCEPTED, "a left"),
    (
        judging_all.wrong_config(AnswerSeen(None, BAD, Talk(last_words="KeyError: 'a'")), "a left out"),
        Common.WRONG_CRASHED,
        "exit code 1 after 0.4 s; its last words: KeyError: 'a'",
    ),
    (judging_all.output([Talk(), Talk()]), Common.OUTPUT_CLEAN, "every line"),
    (judging_all.output([Talk(), Talk(junk=2, first_junk="Picked up")]), Common.OUTPUT_NOISY, "2 lines, the first: Pi"),
    (judging_all.output([Talk(junk=2), Talk(lost=1)]), Common.OUTPUT_LOST, "1 line of data, 2 lines"),
    (judging_all.output([Talk(has_last_newline=False)]), Common.OUTPUT_UNENDED, "none"),
    (judging_all.log([Talk(logs=900, stderr_bytes=1000)], 0), Common.LOG_MODEST, "900 LOG messages"),
    (judging_all.log([Talk(logs=2001)], 2000), Common.LOG_FLOODS, "2,001 LOG messages"),
    (judging_all.log([Talk(logs=2000)], 2000), Common.LOG_MODEST, "2,000 LOG messages"),
    (judging_all.log([Talk(stderr_bytes=300 * 1024, stderr_lines=9)], 10**6), Common.LOG_FLOODS, "9 lines on stderr"),
    (judging_all.sigterm(TermSeen(True, 0.3, 143, "at once"), 10), Common.TERM_OBEYED, "told at once, gone 0.3 s"),
    (judging_all.sigterm(TermSeen(True, None, 137, "at once"), 10), Common.TERM_IGNORED, "still there 10 s later"),
    (judging_all.memory(Memory(50 * MIB, 55 * MIB, 30 * MIB)), Common.MEMORY_STEADY, "50.0 MiB after a quarter"),
    (judging_all.memory(Memory(50 * MIB, 66 * MIB, 30 * MIB)), Common.MEMORY_GROWS, "66.0 MiB after all"),
    (verdict(Common.LIMIT_REACHED, "stopped after 4 s"), Common.LIMIT_REACHED, "4 s"),
]


@pytest.mark.parametrize(("told", "finding", "seen"), ROWS, ids=[f"{row[1].name}-{row[2][:12]}" for row in ROWS])
def test_what_was_seen_becomes_a_verdict(told: Verdict, finding: Common, seen: str) -> None:
    assert told.finding == finding.name
    assert (told.line, told.level, told.means) == (finding.value.line, finding.value.level, finding.value.means)
    assert seen in told.seen


def test_every_finding_is_in_the_table() -> None:
    assert {row[1] for row in ROWS} == set(Common)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (judging_all.sigterm(TermSeen(False, 0.0, 0, "at its first record"), 10), "it had ended by itself"),
        (judging_all.memory(None), "could not be seen"),
        (judging_all.memory(Memory(50 * MIB, 55 * MIB, 7 * MIB)), "only 7.0 MiB passed"),
    ],
)
def test_what_cannot_be_told_is_skipped_with_the_reason(told: Verdict, reason: str) -> None:
    assert told.level is Level.SKIPPED
    assert reason in told.seen
    assert told.finding == ""


# --- wrong configs ---


@pytest.mark.parametrize(
    ("schema", "config", "what"),
    [
        ({"required": ["a"], "properties": {"a": {"type": "string"}}}, {"a": "x"}, "a left out"),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}, "a of a wrong type"),
        ({"properties": {"a": {"oneOf": [{}]}, "b": {"type": "boolean"}}}, {}, "b of a wrong type"),
        ({"additionalProperties": False}, {}, "a property that it does not know"),
    ],
)
def test_a_wrong_config_breaks_the_spec_in_one_place(schema: dict[str, Any], config: dict[str, Any], what: str) -> None:
    made = wrong_config(schema, config)
    assert made is not None
    assert made.what == what
    assert made.config != config


def test_where_a_spec_forbids_nothing_no_config_is_wrong() -> None:
    assert wrong_config({}, {"a": 1}) is None
    assert wrong_config({"type": "nonsense"}, {}) is None


# --- the report ---


def test_verdicts_are_told_in_the_order_of_the_lines_and_the_worst_is_the_connectors() -> None:
    told = in_order([skipped(Line.MEMORY, "why"), verdict(Common.OUTPUT_NOISY, ""), verdict(Common.SPEC_ANSWERED, "")])
    assert [each.line for each in told] == [Line.SPEC, Line.OUTPUT, Line.MEMORY]
    report = Report("x", "source", Choice("process", ""), told, 1.0)
    assert (report.worst, report.count(Level.PASS)) == (Level.WARNING, 1)
    failed = (*told, verdict(Common.TERM_IGNORED, ""))
    assert Report("x", "source", Choice("process", ""), failed, 1.0).worst is Level.FAIL
