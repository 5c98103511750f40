"""Verdicts on a destination."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_workers.conformance.destination_findings import Destination
from airbyte_workers.conformance.judging_words import count, how, names, said, short, size
from airbyte_workers.conformance.seen import Echo, Feeding, WriteSeen
from airbyte_workers.conformance.tables import DURABILITY
from airbyte_workers.conformance.verdicts import Line, Verdict, skipped, verdict
from airbyte_workers.protocol.streams import shown
from airbyte_workers.quantities import duration

_REFUSED = {
    Feeding.BLOCKED: Destination.WRITE_BLOCKED,
    Feeding.CLOSED: Destination.WRITE_CLOSED,
    Feeding.EXITED: Destination.WRITE_EXITED,
    Feeding.NEVER_OPENED: Destination.WRITE_BLOCKED,
}


def write(seen: WriteSeen) -> Sequence[Verdict]:
    """Everything that a write tells."""
    return (
        _write(seen),
        _end(seen),
        _acknowledged(seen),
        _order(seen),
        _ids(seen),
        _moment(seen),
        skipped(Line.DURABILITY, DURABILITY),
    )


def _write(seen: WriteSeen) -> Verdict:
    figures = f"{count(seen.records, 'record')}, {size(seen.given)} taken"
    refused = _REFUSED.get(seen.feeding)
    if refused is not None:
        return verdict(refused, f"{figures}, {how(seen.ended)}{said(seen.talk)}")
    if seen.talk.errors:
        return verdict(Destination.WRITE_ERROR, f"{figures}{said(seen.talk)}")
    return verdict(Destination.WRITTEN, figures)


def _end(seen: WriteSeen) -> Verdict:
    if seen.input_ended is None:
        return skipped(Line.END, f"it did not come to its end of input: {how(seen.ended)}")
    after = duration(max(0.0, seen.ended.seconds - seen.input_ended))
    if seen.ended.forced:
        finding = Destination.END_TALKED if seen.talked_at_end else Destination.END_HUNG
        return verdict(finding, f"stopped {after} after its end of input")
    if seen.ended.code != 0:
        return verdict(Destination.END_CRASHED, f"{how(seen.ended)}{said(seen.talk)}")
    return verdict(Destination.ENDED, f"exit code 0, {after} after its end of input")


def _acknowledged(seen: WriteSeen) -> Verdict:
    known = {each.of for each in seen.echoes if each.of is not None}
    figures = f"{len(known)} of {count(len(seen.sent), 'state')}"
    if not seen.sent:
        return skipped(Line.ACKNOWLEDGED, "it took no state")
    strange = sum(each.of is None for each in seen.echoes)
    told = f", {strange} that match none" if strange else ""
    if not known:
        return verdict(Destination.ACKNOWLEDGED_NONE, figures + told)
    last = {each.key: each.number for each in seen.sent}
    missing = [shown(key) for key, number in last.items() if number not in known]
    if missing:
        return verdict(Destination.ACKNOWLEDGED_NOT_LAST, f"{figures}, not the last of {names(missing)}{told}")
    if strange:
        return verdict(Destination.ACKNOWLEDGED_TWICE, figures + told)
    if len(known) < len(seen.sent):
        return verdict(Destination.ACKNOWLEDGED_SOME, figures)
    return verdict(Destination.ACKNOWLEDGED, figures)


def _order(seen: WriteSeen) -> Verdict:
    if not _known(seen):
        return skipped(Line.ORDER, "no state came back")
    streams = {each.number: each.key for each in seen.sent}
    latest: dict[object, int] = {}
    late: list[str] = []
    for number in _known(seen):
        key = streams[number]
        if number < latest.get(key, number):
            late.append(f"{shown(key)} (state {number} after {latest[key]})")
        latest[key] = max(number, latest.get(key, number))
    if late:
        return verdict(Destination.DISORDERED, names(late))
    across = "also across streams" if _known(seen) == sorted(_known(seen)) else "streams overtook one another"
    return verdict(Destination.ORDERED, across)


def _known(seen: WriteSeen) -> list[int]:
    return [each.of for each in seen.echoes if each.of is not None]


def _ids(seen: WriteSeen) -> Verdict:
    matched = _matched(seen)
    if not matched:
        return skipped(Line.IDS, "no state came back")
    bare, lost = sum(each.bare for each in matched), sum(not each.has_id for each in matched)
    if bare:
        return verdict(Destination.IDS_BARE, f"{bare} of {count(len(matched), 'acknowledgement')}")
    if lost:
        return verdict(Destination.IDS_LOST, f"{lost} of {count(len(matched), 'acknowledgement')} without")
    return verdict(Destination.IDS_KEPT, count(len(matched), "acknowledgement"))


def _matched(seen: WriteSeen) -> list[Echo]:
    return [each for each in seen.echoes if each.of is not None]


def _moment(seen: WriteSeen) -> Verdict:
    matched = _matched(seen)
    if not matched:
        return skipped(Line.MOMENT, "no state came back")
    sent = {each.number: each.at for each in seen.sent}
    longest = max(each.at - sent[each.of] for each in matched if each.of is not None)
    end = seen.input_ended
    early = sum(end is None or each.at < end for each in matched)
    figures = f"{early} of {len(matched)} before the end of input; the slowest took {short(longest)}"
    return verdict(Destination.EARLY if early else Destination.LATE, figures)


def without_complete(seen: WriteSeen) -> Verdict:
    """What it does where the source did not complete its streams."""
    if seen.input_ended is None:
        return skipped(Line.COMPLETE, f"it did not come to its end of input: {how(seen.ended)}")
    if seen.ended.forced:
        return verdict(Destination.COMPLETE_HUNG, how(seen.ended))
    if seen.ended.code == 0:
        return verdict(Destination.COMPLETE_UNUSED, how(seen.ended))
    return verdict(Destination.COMPLETE_NEEDED, f"{how(seen.ended)}{said(seen.talk)}")


def big_record(megabyte: WriteSeen, largest: WriteSeen | None, bytes: int) -> Verdict:
    """Whether it takes large records; `largest`: one of so many bytes, tried where the first was taken."""
    if not took_all(megabyte):
        return verdict(Destination.BIG_REFUSED, f"1 MB: {_refused(megabyte)}")
    assert largest is not None
    if not took_all(largest):
        return verdict(Destination.BIG_LIMITED, f"1 MB was taken; {size(bytes)}: {_refused(largest)}")
    slowest = max(megabyte.ended.seconds, largest.ended.seconds)
    return verdict(Destination.BIG_TAKEN, f"{size(bytes)} at most, in {duration(slowest)}")


def took_all(seen: WriteSeen) -> bool:
    """Whether it ended well with what it was given."""
    return seen.feeding is Feeding.TAKEN and seen.ended.is_good and not seen.talk.errors


def _refused(seen: WriteSeen) -> str:
    return f"{seen.feeding} after {size(seen.given)}, {how(seen.ended)}{said(seen.talk)}"
