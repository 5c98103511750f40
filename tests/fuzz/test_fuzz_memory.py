"""However much a source sends, the relay keeps no more of it than what waits for its echo."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from random import Random

import pytest

from tests.fuzz import odd_lines, sound_lines
from tests.fuzz.mutator import STREAMS, chunks
from tests.fuzz.plain_states import Key
from tests.fuzz.real_relay import LevelsLog, RealRelay

LINES = 6_000
MOST_BYTES = 300_000  # of growth, for as many lines as weigh several megabytes
SOUND = (sound_lines.record, sound_lines.record, sound_lines.state, sound_lines.log, sound_lines.status)
ODD = (*SOUND, odd_lines.no_message, odd_lines.unsound_record, odd_lines.odd_record)
FAILING = (*SOUND, odd_lines.error, odd_lines.trouble)


class NoLog(LevelsLog):
    """A log that is written somewhere else."""

    def __call__(self, leg: str, level: str, text: str, stream: Key | None = None) -> None:
        return


def relay() -> RealRelay:
    made = RealRelay(STREAMS, allow_malformed=True, max_line=1 << 20)
    made.ledger.log = NoLog()
    return made


def output(kinds: tuple[Callable[[Random, sound_lines.Source], bytes], ...], dice: Random) -> Iterator[bytes]:
    source = sound_lines.Source(STREAMS, "STREAM")
    while True:
        yield dice.choice(kinds)(dice, source)


def pass_on(through: RealRelay, data: bytes, dice: Random) -> None:
    """Everything through both directions: each state comes back at once."""
    for chunk in chunks(dice, data):
        forwarded, failed = through.source(chunk)
        assert failed is None
        through.destination(b"".join(line + b"\n" for line in forwarded.split(b"\n") if b'"STATE"' in line))
        through.commit()


@pytest.mark.parametrize("kinds", [SOUND, ODD, FAILING], ids=["sound", "odd", "failing"])
def test_memory_does_not_grow_with_what_passes(kinds: tuple[Callable[..., bytes], ...]) -> None:
    dice, through = Random(1), relay()
    lines = output(kinds, dice)
    tracemalloc.start()
    try:
        pass_on(through, b"".join(itertools.islice(lines, LINES)), dice)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(4):
            pass_on(through, b"".join(itertools.islice(lines, LINES)), dice)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MOST_BYTES
