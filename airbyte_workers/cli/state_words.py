"""States and what differs between them, as people and as programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import State, parse
from airbyte_workers.replication.state_differences import Difference, FieldDifference, Kind, Part, compact
from airbyte_workers.store.state_log import Entry

MOST_FIELDS = 20
"""Fields of one stream that are shown; JSON output has all of them."""
LONGEST_BLOB = 500
LONGEST_VALUE = 100
READ_OF_EACH = 65_536
"""Characters of a state that are read from the database for a line of text."""
_INSIDE = {"STREAM": '"stream_state":', "GLOBAL": '"global":'}


def cut(text: str, longest: int) -> str:
    """A text with its end left out when it is too long, and without characters that a terminal obeys."""
    plain = "".join(char if char.isprintable() else "?" for char in text[: longest + 1])
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def value(raw: Raw | None) -> str:
    """A value in a line of text."""
    return "nothing" if raw is None else cut(compact(raw), LONGEST_VALUE)


def blob(type: str, state: str) -> str:
    """What a connector wrote into a state, without the message around it; the end may be missing."""
    if type == "LEGACY":
        return state
    if len(state) < READ_OF_EACH:
        message = parse(State, state.encode())
        if message.stream is not None:
            return compact(message.stream.stream_state)
    return state.partition(_INSIDE[type])[2] or state


def who(entry: Entry) -> str:
    """Who put a state there: a job's attempt, or somebody, and why."""
    if not entry.by:
        return f"job {entry.job_id}, attempt {(entry.attempt or 0) + 1}"
    return f"{entry.reason} by {entry.by}" if entry.reason else entry.by


def texts(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """States with their types."""
    return [(entry.type, entry.state) for entry in entries if entry.state is not None]


def lines(differences: Sequence[Difference]) -> Iterator[str]:
    """What differs, a few lines for each stream."""
    mixed = len({each.part.type for each in differences}) > 1
    for each in differences:
        name = cut(f"{each.part} ({each.part.type})" if mixed else str(each.part), LONGEST_VALUE)
        if each.kind is Kind.VANISHES:
            yield f"  {name}: no state any more; it was {value(each.before)}"
        elif each.kind is Kind.APPEARS:
            yield f"  {name}: has a state, {value(each.after)}; there was none"
        elif not each.fields:
            yield f"  {name}: the same, written differently"
        else:
            yield f"  {name}"
            yield from (f"    {_field(field)}" for field in each.fields[:MOST_FIELDS])
            if len(each.fields) > MOST_FIELDS:
                yield f"    and {len(each.fields) - MOST_FIELDS:,} more fields (-o json has them all)"


def _field(field: FieldDifference) -> str:
    name = f"{cut(field.path, LONGEST_VALUE)}: " if field.path else ""
    return f"{name}{value(field.before)} -> {value(field.after)}"


# --- for programs ---


def as_json(value: Any) -> str:
    """JSON with every blob as it stands."""
    return msgspec.json.encode(value).decode()


def difference_json(difference: Difference) -> dict[str, Any]:
    """One part that differs."""
    fields = [{"path": each.path, "before": each.before, "after": each.after} for each in difference.fields]
    return part_json(difference.part) | {
        "change": str(difference.kind),
        "before": difference.before,
        "after": difference.after,
        "fields": fields,
    }


def part_json(part: Part) -> dict[str, Any]:
    """Of what a state speaks; `stream` is null where that is all of them."""
    name, namespace = part.stream or (None, None)
    return {"type": part.type, "stream": name, "namespace": namespace}
