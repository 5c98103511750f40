"""Verdicts on what every connector does: answer questions, talk, end when told, keep its memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airbyte_workers.conformance.common_findings import Common
from airbyte_workers.conformance.judging_words import count, how, names, said, size
from airbyte_workers.conformance.seen import AnswerSeen, Memory, Talk, TermSeen
from airbyte_workers.conformance.verdicts import Line, Verdict, skipped, verdict
from airbyte_workers.protocol.config_secrets import members
from airbyte_workers.protocol.configs import UnusableSpec, config_problems, secret_names
from airbyte_workers.quantities import duration
from airbyte_workers.redaction import TELLING_NAMES, folded

FLOOD_BYTES = 256 * 1024
_LEAST_LOGS = 1000
LEAST_DATA_BYTES = 8 * 2**20
"""Less says nothing about memory: an interpreter alone takes and gives as much."""
_GROWTH = 0.5


def spec(seen: AnswerSeen) -> Verdict:
    """Whether it says what it can be configured with."""
    if seen.answer is None:
        return verdict(Common.SPEC_MISSING, how(seen.ended) + said(seen.talk))
    modes = seen.answer.get("supported_destination_sync_modes")
    listed = f", writes as {', '.join(map(str, modes))}" if isinstance(modes, list) and modes else ""
    finding = Common.SPEC_ANSWERED if seen.ended.is_good else Common.SPEC_ENDED_BADLY
    return verdict(finding, how(seen.ended) + listed)


def config_schema(specification: Mapping[str, Any]) -> Verdict:
    """Whether its `connectionSpecification` can be applied, and hides what it should."""
    try:
        config_problems(specification, {})
    except UnusableSpec as error:
        return verdict(Common.SCHEMA_UNUSABLE, str(error))
    hidden = secret_names(specification)
    properties = sorted(set(_property_names(specification)))
    open_ones = [name for name in properties if folded(name) in TELLING_NAMES and name not in hidden]
    if open_ones:
        return verdict(Common.SCHEMA_HIDES_LITTLE, f"not marked: {names(open_ones)}")
    marked = f"secret: {names(sorted(hidden))}" if hidden else "none is secret"
    noun = "property" if len(properties) == 1 else "properties"
    return verdict(Common.SCHEMA_USABLE, f"{len(properties)} {noun}, {marked}")


def _property_names(schema: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        for step, member in members(node):
            if step == "properties" and isinstance(member, Mapping):
                yield from map(str, member)
            waiting.append(member)


def check(seen: AnswerSeen, problems: Sequence[str]) -> Verdict:
    """Whether it can work with the config; `problems`: what the platform itself says of it."""
    if problems:
        return verdict(Common.CHECK_CONFIG_UNFIT, "; ".join(problems[:3]))
    if seen.answer is not None and seen.answer.get("status") == "SUCCEEDED":
        finding = Common.CHECK_SUCCEEDED if seen.ended.is_good else Common.CHECK_ENDED_BADLY
        return verdict(finding, how(seen.ended))
    if seen.answer is not None:
        return verdict(Common.CHECK_FAILED, str(seen.answer.get("message") or "without words"))
    if "config_error" in seen.talk.error_types:
        return verdict(Common.CHECK_FAILED, f"{how(seen.ended)}{said(seen.talk)}")
    return verdict(Common.CHECK_UNANSWERED, how(seen.ended) + said(seen.talk))


def wrong_config(seen: AnswerSeen, what: str) -> Verdict:
    """What it makes of a config that its own spec forbids; `what` was done to it."""
    if seen.answer is not None and seen.answer.get("status") == "SUCCEEDED":
        return verdict(Common.WRONG_ACCEPTED, what)
    if seen.answer is not None:
        return verdict(Common.WRONG_TOLD, f"{what}: {seen.answer.get('message') or 'without words'}")
    if seen.talk.errors:
        return verdict(Common.WRONG_TRACED, f"{what}: {how(seen.ended)}{said(seen.talk)}")
    return verdict(Common.WRONG_CRASHED, f"{what}: {how(seen.ended)}{said(seen.talk)}")


def output(talks: Sequence[Talk]) -> Verdict:
    """Whether its standard output is for messages alone, whatever it was asked."""
    lost, junk = sum(each.lost for each in talks), sum(each.junk for each in talks)
    if lost:
        return verdict(Common.OUTPUT_LOST, f"{count(lost, 'line')} of data, {count(junk, 'line')} of other kinds")
    if junk:
        first = next(each.first_junk for each in talks if each.junk)
        return verdict(Common.OUTPUT_NOISY, f"{count(junk, 'line')}, the first: {first}")
    if not all(each.has_last_newline for each in talks):
        return verdict(Common.OUTPUT_UNENDED, "the last line has none")
    return verdict(Common.OUTPUT_CLEAN, "every line is a message")


def log(talks: Sequence[Talk], messages: int) -> Verdict:
    """Whether its log can be kept; `messages` are the records and states that it moved beside."""
    logs, lines = sum(each.logs for each in talks), sum(each.stderr_lines for each in talks)
    bytes = sum(each.stderr_bytes for each in talks)
    seen = f"{count(logs, 'LOG message')}, {count(lines, 'line')} on stderr ({size(bytes)})"
    floods = bytes > FLOOD_BYTES or logs > max(_LEAST_LOGS, messages)
    return verdict(Common.LOG_FLOODS if floods else Common.LOG_MODEST, seen)


def sigterm(seen: TermSeen, term_s: float) -> Verdict:
    """Whether it ends when it is told to."""
    if seen.seconds is None:
        return verdict(Common.TERM_IGNORED, f"told {seen.after}, still there {duration(term_s)} later")
    if not seen.was_working:
        return skipped(Line.SIGTERM, f"it had ended by itself before it could be told, {seen.after}")
    code = "unknown" if seen.code is None else str(seen.code)
    return verdict(Common.TERM_OBEYED, f"told {seen.after}, gone {duration(seen.seconds)} later, exit code {code}")


def memory(seen: Memory | None) -> Verdict:
    """Whether its memory grows with the data."""
    if seen is None or not seen.at_end:
        return skipped(Line.MEMORY, "its processes could not be seen while it worked")
    if seen.between < LEAST_DATA_BYTES:
        told = f"only {size(seen.between)} passed, which tells nothing; at most {size(seen.at_end)} were taken"
        return skipped(Line.MEMORY, f"{told}; raise AIRBYTE_WORKERS_CONNECTOR_TEST_RECORDS to see more")
    grown = seen.at_end - seen.at_quarter
    figures = f"{size(seen.at_quarter)} after a quarter of the data, {size(seen.at_end)} after all"
    finding = Common.MEMORY_GROWS if grown > _GROWTH * seen.between else Common.MEMORY_STEADY
    return verdict(finding, f"{figures}, {size(seen.between)} passed between")
