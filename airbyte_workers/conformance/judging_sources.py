"""Verdicts on a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from airbyte_workers.conformance.judging_words import count, how, names, said, short, size
from airbyte_workers.conformance.seen import AnswerSeen, Cut, ReadSeen
from airbyte_workers.conformance.source_findings import Source
from airbyte_workers.conformance.verdicts import Finding, Line, Verdict, skipped, verdict
from airbyte_workers.protocol.catalog import InvalidCatalog, choose, read_catalog
from airbyte_workers.protocol.messages import Catalog, ConfiguredCatalog
from airbyte_workers.protocol.streams import key_of, shown
from airbyte_workers.quantities import duration
from airbyte_workers.replication.record_faults import StreamSchema, UnusableSchema

_MANY_BYTES = 10**6


def discover(seen: AnswerSeen) -> Verdict:
    """Whether it tells its streams."""
    if seen.answer is None:
        return verdict(Source.DISCOVER_UNANSWERED, how(seen.ended) + said(seen.talk))
    finding = Source.DISCOVERED if seen.ended.is_good else Source.DISCOVER_ENDED_BADLY
    return verdict(finding, f"{count(len(seen.answer['streams']), 'stream')}, {how(seen.ended)}")


def catalog(answer: dict[str, Any]) -> tuple[Verdict, ConfiguredCatalog | None]:
    """Whether every stream of it can be synced; with the catalog in which all of them are."""
    try:
        found = read_catalog(msgspec.json.encode(answer))
        configured = choose(found, None, None)
    except InvalidCatalog as error:
        return verdict(Source.CATALOG_INVALID, str(error)), None
    twice = [shown(key) for key, times in Counter(map(key_of, found.streams)).items() if times > 1]
    if twice:
        return verdict(Source.CATALOG_TWICE, names(twice)), configured
    unusable = [name for name in map(_unusable, found.streams) if name]
    if unusable:
        return verdict(Source.CATALOG_SCHEMAS, names(unusable)), configured
    return verdict(Source.CATALOG_SOUND, _modes(found, configured)), configured


def _unusable(stream: Any) -> str:
    try:
        StreamSchema(bytes(stream.json_schema))
    except UnusableSchema as error:
        return f"{shown(key_of(stream))} ({error})"
    return ""


def _modes(found: Catalog, configured: ConfiguredCatalog) -> str:
    incremental = sum(each.sync_mode == "incremental" for each in configured.streams)
    return f"{count(len(found.streams), 'stream')}, {incremental} of them incremental"


def read(seen: ReadSeen) -> Sequence[Verdict]:
    """Everything that a read tells."""
    return (
        _read(seen),
        _end(seen),
        _states(seen),
        _statuses(seen),
        _streams(seen),
        _records(seen),
    )


def _read(seen: ReadSeen) -> Verdict:
    streams = sum(bool(each.records) for each in seen.streams.values())
    first = "the first " if seen.ended.cut is not None and seen.ended.cut.is_full else ""
    figures = f"{first}{count(seen.records, 'record')} ({size(seen.bytes)}) of {count(streams, 'stream')}"
    if seen.talk.errors:
        return verdict(Source.READ_ERROR, f"{figures}, {how(seen.ended)}{said(seen.talk)}")
    if seen.ended.cut is Cut.IDLE:
        return verdict(Source.READ_IDLE, f"{figures}, {count(seen.talk.logs, 'LOG message')}, {how(seen.ended)}")
    if seen.ended.cut is Cut.SILENT and not (seen.sends_statuses and seen.is_complete):
        mute = not seen.records and not seen.sends_statuses
        return verdict(Source.READ_MUTE if mute else Source.READ_HUNG, f"{figures}, {how(seen.ended)}{said(seen.talk)}")
    if seen.ended.cut is None and not seen.ended.forced and seen.ended.code != 0:
        return verdict(Source.READ_CRASHED, f"{figures}, {how(seen.ended)}{said(seen.talk)}")
    if not seen.records and seen.ended.is_good:
        return verdict(Source.READ_NOTHING, how(seen.ended))
    return verdict(Source.READ_WELL, f"{figures}, {how(seen.ended)}")


def _end(seen: ReadSeen) -> Verdict:
    ended, complete = seen.ended, seen.sends_statuses and seen.is_complete
    if ended.cut is Cut.SILENT and complete:
        return verdict(Source.STAYED_OPEN, f"silent for {duration(seen.quiet)} after its last message")
    if ended.cut is not None:
        return skipped(Line.END, f"it did not come to its end: {how(ended)}")
    if ended.forced:
        finding = Source.STAYED_CLOSED if complete else Source.STAYED_INCOMPLETE
        return verdict(finding, f"stopped {duration(seen.quiet)} after its last message")
    if ended.code != 0:
        return skipped(Line.END, f"it failed before: {how(ended)}")
    return verdict(Source.EXITED, f"{how(ended)}, {duration(seen.quiet)} after its last message")


def _states(seen: ReadSeen) -> Verdict:
    states = seen.states
    types = {key.type for key in states.keys}
    figures = (
        f"{count(states.count, 'state')}; longest stretch without one: {count(states.most_records, 'record')}, "
        f"{short(states.most_seconds)}"
    )
    if len(types) > 1:
        return verdict(Source.STATES_MIXED, f"{' and '.join(sorted(types))}; {figures}")
    if not seen.records and not states.count:
        return skipped(Line.STATES, "it sent no record")
    if not states.count:
        return verdict(Source.STATES_NONE, figures)
    if missing := _without_state(seen):
        return verdict(Source.STATES_MISSING, f"none for {names(missing)}; {figures}")
    if states.repeated:
        return verdict(Source.STATES_REPEATED, f"{states.repeated} of {figures}")
    return verdict(Source.STATES_SENT, f"{' '.join(types)}, {figures}")


def _without_state(seen: ReadSeen) -> list[str]:
    """Streams with records and no state of their own; one that was cut off may still have sent one."""
    if any(key.stream is None for key in seen.states.keys):
        return []
    have = {key.stream for key in seen.states.keys}
    streams = [key for key, each in seen.streams.items() if each.records and key not in have]
    if seen.ended.cut is not None:
        streams = [key for key in streams if "COMPLETE" in seen.streams[key].statuses]
    return [shown(key) for key in streams]


def _statuses(seen: ReadSeen) -> Verdict:
    if not seen.sends_statuses:
        if seen.ended.cut is not None or not seen.ended.is_good:
            return skipped(Line.STATUSES, f"none came before its end: {how(seen.ended)}")
        return verdict(Source.STATUSES_NONE, f"{count(len(seen.streams), 'stream')}")
    incomplete = [shown(key) for key, each in seen.streams.items() if "INCOMPLETE" in each.statuses]
    if incomplete:
        return verdict(Source.STATUSES_INCOMPLETE, names(incomplete))
    complete = {key for key, each in seen.streams.items() if "COMPLETE" in each.statuses}
    missing = [shown(key) for key in seen.streams if key not in complete]
    figures = f"COMPLETE for {len(complete)} of {count(len(seen.streams), 'stream')}"
    if missing and seen.ended.cut is None:
        return verdict(Source.STATUSES_MISSING, f"{figures}; not for {names(missing)}")
    unbegun = [shown(key) for key in complete if "STARTED" not in seen.streams[key].statuses]
    if unbegun:
        return verdict(Source.STATUSES_NO_START, names(unbegun))
    so_far = ", as far as it was read" if missing else ""
    return verdict(Source.STATUSES_TOLD, f"{figures}{so_far}")


def _streams(seen: ReadSeen) -> Verdict:
    if seen.unknown:
        return verdict(Source.STREAMS_UNKNOWN, names(sorted(seen.unknown)))
    if not seen.records and not seen.sends_statuses:
        return skipped(Line.STREAMS, "it spoke of none")
    return verdict(Source.STREAMS_KNOWN, count(len(seen.streams), "stream"))


def _records(seen: ReadSeen) -> Verdict:
    checked = sum(each.checked for each in seen.streams.values())
    if not checked:
        return skipped(Line.RECORDS, "no record could be held against a schema")
    bad = {key: each for key, each in seen.streams.items() if each.invalid}
    if not bad:
        return verdict(Source.RECORDS_FIT, f"{count(checked, 'record')} looked at")
    invalid = sum(each.invalid for each in bad.values())
    faults = names(f"{shown(key)}: {each.faults[0]}" for key, each in bad.items())
    return verdict(Source.RECORDS_UNFIT, f"{invalid:,} of {count(checked, 'record')}: {faults}")


def longest_line(seen: ReadSeen, most: int) -> Verdict:
    """Its longest line beside the platform's limit."""
    longest = seen.talk.longest_line
    if seen.ended.cut is Cut.TOO_LONG:
        return verdict(Source.LINES_TOO_LONG, f"more than {most:,} bytes")
    if not longest:
        return skipped(Line.BIG_LINE, "it wrote no line")
    figures = f"{longest:,} bytes; the limit is {most:,}"
    long = longest > min(_MANY_BYTES, most // 2)
    return verdict(Source.LINES_LONG if long else Source.LINES_SHORT, figures)


def resume(first: ReadSeen, again: ReadSeen) -> Verdict:
    """A second read from the last states of the first."""
    figures = f"{count(again.records, 'record')} after {count(first.records, 'record')}, {how(again.ended)}"
    finding: Finding = Source.RESUMED
    cut = again.ended.cut
    if again.talk.errors or (cut is not None and not cut.is_full) or (cut is None and not again.ended.is_good):
        return verdict(Source.RESUME_FAILED, figures + said(again.talk))
    if cut is not None and cut.is_full:
        return skipped(Line.RESUME, f"{figures}: no error, but where it ends was not seen")
    if first.records and again.records >= first.records and first.ended.cut is None:
        finding = Source.RESUMED_WHOLE
    return verdict(finding, figures)
