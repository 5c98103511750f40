"""A source's output as one may fear it: plausible lines from a seed, and lines that some bytes were done something to.

Every run has tastes of its own (which kinds it likes, how much of it is damaged): what only shows in long stretches of
sound lines, or only between broken ones, both come up.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tests.fuzz import odd_lines, sound_lines
from tests.fuzz.plain_states import Key

STREAMS: tuple[Key, ...] = (
    ("users", None),
    ("users", "shop"),
    ("orders", "shop"),
    ("Żółw 🐢", None),
    ('say "hi"\\', "a.b"),
    ("with space", "with space"),
    ("a.b", "c"),
)
STATE_TYPES = ("STREAM", "STREAM", "STREAM", "GLOBAL", "LEGACY")


@dataclass(frozen=True)
class Tastes:
    """What a source likes: kinds of lines with their weights, its type of state, how many lines are damaged."""

    kinds: tuple[Callable[[Random, sound_lines.Source], bytes], ...]
    weights: tuple[float, ...]
    damaged: float
    ends: bool


def tastes(dice: Random) -> Tastes:
    """A source's tastes: records and states always, of the rest what the dice say."""
    liked = [(sound_lines.record, 40.0), (sound_lines.state, dice.choice([0.5, 4.0, 12.0]))]
    liked += [(sound_lines.row, dice.choice([0.0, 0.0, 10.0, 40.0]))]
    liked += [(kind, dice.choice([0.0, 1.0, 4.0])) for kind in sound_lines.OTHERS]
    if dice.random() < 0.6:
        liked += [(kind, dice.choice([0.0, 0.0, 0.2, 1.0])) for kind in odd_lines.KINDS]
    kinds, weights = zip(*[each for each in liked if each[1]], strict=True)
    return Tastes(kinds, weights, dice.choice([0.0, 0.0, 0.002, 0.02, 0.3]), dice.random() < 0.3)


def lines(dice: Random, count: int) -> list[bytes]:
    """So many lines of one source, each with its newline; damage may make two of one or one of two."""
    return list(itertools.islice(endless(dice, count), count))


def endless(dice: Random, before_the_end: int = 10_000) -> Iterator[bytes]:
    """The lines of one source; one in about `before_the_end` is one that ends the attempt, if it has such tastes."""
    liked, source = tastes(dice), sound_lines.Source(STREAMS, dice.choice(STATE_TYPES))
    sums = list(itertools.accumulate(liked.weights))
    while True:
        kind = liked.kinds[bisect.bisect(sums, dice.random() * sums[-1])]
        if liked.ends and dice.random() * before_the_end < 1:
            kind = dice.choice(odd_lines.ENDS)
        line = kind(dice, source)
        if liked.damaged and dice.random() < liked.damaged:
            line = damaged(dice, line)
        yield line


def damaged(dice: Random, line: bytes) -> bytes:
    """The line after up to three accidents of its bytes."""
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        start = dice.randrange(len(line) or 1)
        end = min(len(line), start + dice.choice([1, 1, 1, 2, 5, 20, 200]))
        line = dice.choice(_ACCIDENTS)(dice, line, start, end)
    return line if line.endswith(b"\n") else line + b"\n"


def _flipped(dice: Random, line: bytes, start: int, end: int) -> bytes:
    bit = bytes([line[start] ^ (1 << dice.randrange(8))]) if start < len(line) else b""
    return line[:start] + bit + line[start + 1 :]


def _without(dice: Random, line: bytes, start: int, end: int) -> bytes:
    return line[:start] + line[end:]


def _inserted(dice: Random, line: bytes, start: int, end: int) -> bytes:
    return line[:start] + dice.choice(odd_lines.INSERTS) + line[start:]


def _twice(dice: Random, line: bytes, start: int, end: int) -> bytes:
    return line[:end] + line[start:end] + line[end:]


def _cut_off(dice: Random, line: bytes, start: int, end: int) -> bytes:
    return line[:start]


_ACCIDENTS = (_flipped, _without, _inserted, _twice, _cut_off)


def chunks(dice: Random, data: bytes) -> Iterator[bytes]:
    """The bytes as reads may find them, from one byte to a megabyte."""
    most = dice.choice([300, 5_000, 65_536, 1 << 20])
    at = 0
    while at < len(data):
        size = 1 + dice.randrange(3 if dice.random() < 0.1 else most)
        yield data[at : at + size]
        at += size
