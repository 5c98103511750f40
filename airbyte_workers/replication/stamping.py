"""A STATE message on its way to the destination: an `id`, and `sourceStats.recordCount` where it is missing.

All other bytes stay as received (decisions.md, "Messages"), but for a count of the source's own where records were
filtered: the destination is told of those that went on.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import State, parse
from airbyte_workers.replication.spans import Span, last_of, spans
from airbyte_workers.replication.statistics import Tally

_TYPES = frozenset({None, "STREAM", "GLOBAL", "LEGACY"})  # absent means LEGACY
_NULL = Raw(b"null")
_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])
_NUMBERS: msgspec.json.Decoder[int | float] = msgspec.json.Decoder(int | float)


class NotAState(Exception):
    """A STATE message without a body that could be one."""


def read_state(raw: Raw) -> State:
    """The body of a STATE message. Raises NotAState."""
    try:
        state = _parsed(raw)
    except (msgspec.DecodeError, RecursionError):
        raise NotAState from None
    if state.type not in _TYPES:
        raise NotAState
    bodies = {"STREAM": state.stream, "GLOBAL": state.global_}
    if state.type in bodies and bodies[state.type] is None:
        raise NotAState
    return state


def _parsed(raw: Raw) -> State:
    """A source's own `id` may be anything; an echo's may be written as 3.0, and what is no number is none."""
    try:
        return parse(State, raw)
    except msgspec.ValidationError:
        members = _MEMBERS.decode(raw)
        number = _whole(members.pop("id", _NULL))
        if number is not None:
            members["id"] = _number(number)
        return parse(State, msgspec.json.encode(members))


def stamp(line: bytes, raw: Raw, number: int, came: Tally) -> bytes:
    """The line with the platform's id, and with how many of the records that `came` since the previous state went on.

    A count of the source stays, less what was filtered.
    """
    body = bytes(raw)
    return put_body(line, body, _put(body, _stamps(body, number, came)))


def put_body(line: bytes, body: bytes, changed: bytes) -> bytes:
    """The line of a STATE message with another body in place of its own."""
    start = line.find(body)
    end = start + len(body)
    if line.rfind(body) != start:  # the same bytes stand elsewhere too, for one because the key was given twice
        span = last_of(line.decode("latin-1"), "state")
        assert span is not None
        _, start, end = span
    return line[:start] + changed + line[end:]


def _stamps(body: bytes, number: int, came: Tally) -> list[Span]:
    """What is put in place of what: texts, from where to where."""
    known = _MEMBERS.decode(body)
    id_, new = str(number), []
    changes: list[Span] = []
    if "id" in known:
        changes += [Span(id_, start, end) for name, start, end in spans(body.decode("latin-1")) if name == "id"]
    else:
        new.append(f'"id":{id_}')
    stated = _count_in(known.get("sourceStats", _NULL))
    count = f'"recordCount":{came.forwarded if stated is None else max(0, stated - came.filtered)}'
    if "sourceStats" not in known:
        new.append(f'"sourceStats":{{{count}}}')
    elif stated is None or came.filtered:
        changes.append(_counted(body.decode("latin-1"), count))
    if new:
        opened = body.index(b"{") + 1
        changes.append(Span(",".join(new) + ("," if known else ""), opened, opened))
    return changes


def _count_in(stats: Raw) -> float | None:
    stated = _MEMBERS.decode(stats).get("recordCount", _NULL) if stats != _NULL else _NULL
    return None if stated == _NULL else _NUMBERS.decode(stated)


def _counted(body: str, count: str) -> Span:
    """The change that gives `sourceStats` its count: in place of what it has for one, or in front of what else."""
    stats = last_of(body, "sourceStats")
    assert stats is not None
    if body[stats.start] != "{":
        return Span(f"{{{count}}}", stats.start, stats.end)
    stated = last_of(body, "recordCount", stats.start)
    if stated is not None:
        return Span(count.partition(":")[2], stated.start, stated.end)
    opened = stats.start + 1
    return Span(count + ("," if any(spans(body, stats.start)) else ""), opened, opened)


def _put(body: bytes, changes: list[Span]) -> bytes:
    for new, start, end in sorted(changes, key=lambda change: change.start, reverse=True):
        body = body[:start] + new.encode() + body[end:]
    return body


def _whole(raw: Raw) -> int | None:
    try:
        number = _NUMBERS.decode(raw)
    except msgspec.DecodeError:
        return None
    return int(number) if number == int(number) else None


def _number(value: int) -> Raw:
    return Raw(b"%d" % value)
