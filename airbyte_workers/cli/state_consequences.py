"""What the next sync does because of a rewind: what it reads again, what it does not, what becomes of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_workers.cli.state_words import part_json, texts
from airbyte_workers.protocol.messages import ConfiguredStream
from airbyte_workers.protocol.streams import StreamKey, key_of, shown
from airbyte_workers.replication.state_differences import Difference, Kind, Part, differences, parts
from airbyte_workers.store.state_rewinds import Plan, StateKey

Catalog = Mapping[StreamKey, ConfiguredStream]
_DOUBLED: Mapping[str, str] = {
    "append": "they come again as new rows (append)",
    "append_dedup": "no row is doubled (append_dedup)",
    "overwrite": "they replace what is there (overwrite)",
    "overwrite_dedup": "they replace what is there (overwrite_dedup)",
}
_MOST_NAMES = 10


@dataclass(frozen=True)
class Consequence:
    """What follows from one state: `since` records were committed after the point, `skipped` up to it but not to now.

    `streams` are the configured ones it speaks for, as far as the catalog is known; `is_synced`: there may be some.
    """

    part: Part
    from_the_beginning: bool = False
    since: int = 0
    skipped: int = 0
    streams: tuple[ConfiguredStream, ...] = ()
    is_synced: bool = True

    @property
    def incremental(self) -> Sequence[ConfiguredStream]:
        """The streams for which a state matters."""
        return [each for each in self.streams if each.sync_mode != "full_refresh"]


def differences_of(plan: Plan) -> Sequence[Difference]:
    """What differs from now to then."""
    return differences(parts(texts(plan.now)), parts(texts(plan.then)))


def consequences(plan: Plan, catalog: Catalog) -> list[Consequence]:
    """What the next sync does, for every state that a rewind changes."""
    if not plan.changed:
        return []
    then = {entry.type for entry in plan.then}
    if then and then != {type for type, _ in plan.changed}:  # the counts are those of the other type's states
        since, skipped = sum(plan.again.values()), sum(plan.skipped.values())
        return [Consequence(Part(plan.then[0].type), False, since, skipped, tuple(catalog.values()))]
    return [each for key in plan.changed for each in _of_state(plan, key, catalog)]


def _of_state(plan: Plan, key: StateKey, catalog: Catalog) -> Iterator[Consequence]:
    type, stream = key
    is_gone = key not in {entry.key for entry in plan.then}
    since, skipped = plan.again.get(key, 0), plan.skipped.get(key, 0)
    if type == "STREAM":
        known = (catalog[stream],) if stream in catalog else ()
        yield Consequence(Part(type, stream), is_gone, since, skipped, known, bool(known) or not catalog)
        return
    yield Consequence(Part(type), is_gone, since, skipped, tuple(catalog.values()))
    for each in differences_of(plan) if type == "GLOBAL" and not is_gone else ():
        if each.kind is Kind.VANISHES and each.part.stream is not None:
            known = (catalog[each.part.stream],) if each.part.stream in catalog else ()
            yield Consequence(each.part, True, streams=known, is_synced=bool(known) or not catalog)


def sentences(each: Consequence, *, is_cut: bool) -> Iterator[str]:
    """The same for people; `is_cut`: the counts may be too small."""
    subject = shown(each.part.stream) if each.part.stream is not None else "all streams together"
    if not each.is_synced:
        yield f"{subject}: not synced any more"
        return
    if each.streams and not each.incremental:
        yield f"{subject}: read whole, as by every sync (full_refresh)"
        return
    yield from (f"{subject}: {words}" for words in _words(each, "at least " if is_cut else ""))
    if each.from_the_beginning or each.since:
        yield from (f"  {words}" for words in _rows(each))


def _words(each: Consequence, least: str) -> Iterator[str]:
    if each.from_the_beginning:
        yield "read from the beginning" + (f" ({least}{_records(each.since)} since)" if each.since else "")
    elif each.since:
        yield f"{least}{_records(each.since)} read again"
    elif not each.skipped:
        yield "no record was committed in between"
    if each.skipped and not each.from_the_beginning:
        yield f"{least}{_records(each.skipped)} not read again: committed before, and the state says so once more"


def _rows(each: Consequence) -> Iterator[str]:
    """What becomes of rows that the destination has already."""
    by_mode: dict[str, list[str]] = {}
    for stream in each.incremental:
        by_mode.setdefault(stream.destination_sync_mode, []).append(shown(key_of(stream.stream)))
    for mode, names in by_mode.items():
        whose = f"{_few(names)}: " if each.part.stream is None else ""
        yield whose + _DOUBLED.get(mode, f"the destination writes them as {mode}")


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"


def consequence_json(each: Consequence) -> dict[str, Any]:
    """The same for programs; sync modes where it is about one stream that is known."""
    only = each.streams[0] if len(each.streams) == 1 and each.part.stream is not None else None
    return part_json(each.part) | {
        "from_the_beginning": each.from_the_beginning,
        "records_again": each.since,
        "records_skipped": each.skipped,
        "sync_mode": only.sync_mode if only is not None else None,
        "destination_sync_mode": only.destination_sync_mode if only is not None else None,
    }
