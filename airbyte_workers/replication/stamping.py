"""A STATE message on its way to the destination: an `id`, and `sourceStats.recordCount` where it is missing.

All other bytes stay as received (decisions.md, "Messages").
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import State, parse

_TYPES = frozenset({None, "STREAM", "GLOBAL", "LEGACY"})  # absent means LEGACY
_NULL = Raw(b"null")
_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])


class NotAState(Exception):
    """A STATE message without a body that could be one."""


def read_state(raw: Raw) -> State:
    """The body of a STATE message. Raises NotAState."""
    try:
        state = parse(State, raw)
    except (msgspec.DecodeError, RecursionError):
        raise NotAState from None
    if state.type not in _TYPES:
        raise NotAState
    bodies = {"STREAM": state.stream, "GLOBAL": state.global_}
    if state.type in bodies and bodies[state.type] is None:
        raise NotAState
    return state


def stamp(line: bytes, raw: Raw, number: int, records: int) -> bytes:
    """The line with the platform's id, and with `records` (since the previous state) if the source gave no count."""
    body = bytes(raw)
    known = _MEMBERS.decode(body)
    stats = _MEMBERS.decode(known["sourceStats"]) if _is_object(known.get("sourceStats")) else {}
    if stats.get("recordCount") == _NULL:
        del stats["recordCount"]
    if "id" in known or ("sourceStats" in known and "recordCount" not in stats):
        changed = known | {
            "id": _number(number),
            "sourceStats": _encode({"recordCount": _number(records)} | stats),
        }
        return _replace(line, body, msgspec.json.encode(changed))
    added = b'"id":%d' % number + (b"" if "sourceStats" in known else b',"sourceStats":{"recordCount":%d}' % records)
    opened = body.index(b"{") + 1
    rest = body[opened:]
    return _replace(line, body, body[:opened] + added + (b"" if rest.lstrip().startswith(b"}") else b",") + rest)


def _replace(line: bytes, body: bytes, stamped: bytes) -> bytes:
    """Put the stamped body in place of the body."""
    start = line.find(body)
    if start < 0:  # the line was understood by the second parser only: its bytes are not the body's
        return b'{"type":"STATE","state":' + stamped + b"}\n"
    if line.rfind(body) != start:  # the same bytes stand elsewhere too, for one because the key was given twice
        return msgspec.json.encode(_MEMBERS.decode(line) | {"state": Raw(stamped)}) + b"\n"
    return line[:start] + stamped + line[start + len(body) :]


def _is_object(raw: Raw | None) -> bool:
    return raw is not None and bytes(raw).lstrip().startswith(b"{")


def _number(value: int) -> Raw:
    return Raw(b"%d" % value)


def _encode(members: dict[str, Raw]) -> Raw:
    return Raw(msgspec.json.encode(members))
