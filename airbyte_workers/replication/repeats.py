"""What a job's log leaves out because it says it again: copies of a line in a row, and a flood of lines of one kind.

Lines are of one kind when they differ in numbers, hex digits and quoted words only. A bucket of tokens decides how many
of a kind are shown: the others are counted, and the counts are told. Pure: time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from airbyte_workers.models import FailureOrigin
from airbyte_workers.protocol.streams import StreamKey

_LOOKED_AT = 200  # characters at each end of a text that tell its kind: a stack trace's last line says what it is about
_VARIABLE = b"0123456789abcdefABCDEF"
_FEW = 8  # lines of a kind that are shown whatever the time, so that a kind said once or twice costs nearly nothing
_PLATFORM = str(FailureOrigin.PLATFORM)

Words = Callable[["Line"], str]
_Key = tuple[str, str, StreamKey | None, bytes]


class Line(NamedTuple):
    """What is said for a job's log."""

    leg: str
    level: str
    text: str
    stream: StreamKey | None = None


@dataclass(frozen=True)
class RepeatLimits:
    """So many lines of a kind at once, then so many a minute; of so many kinds; counts are told every `told_s`."""

    burst: int
    per_minute: float
    kinds: int
    told_s: float


class _Kind:
    """Lines of one kind: how many more may be shown, and how many were left out since that was told."""

    __slots__ = ("at", "left_out", "like", "tokens", "told_at")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at
        self.left_out = 0
        self.like: Line | None = None
        self.told_at: float | None = None


class _Run:
    """A line of a leg that nothing followed so far but copies of it, of which `times` were not told of."""

    __slots__ = ("line", "times", "told_at")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.times = 0
        self.told_at: float | None = None


class Repeats:
    """Decides of each line whether it is shown or counted. What the platform says is always shown.

    Every line is shown or is part of exactly one count that is told. `words`: what a count says of a line, free of
    secrets and short, for it is held.
    """

    def __init__(self, limits: RepeatLimits, words: Words) -> None:
        self._limits = limits
        self._rate = limits.per_minute / 60
        self._words = words
        self._few_at_most = min(_FEW, limits.burst)
        self._few: dict[_Key, int] = {}
        self._kinds: OrderedDict[_Key, _Kind] = OrderedDict()
        self._runs: dict[str, _Run] = {}
        self.counted = 0
        """Lines that are not shown themselves."""

    def take(self, line: Line, now: float) -> Sequence[Line]:
        """What to write now that this was said; `now` in seconds, of a clock that never goes back."""
        if line.leg == _PLATFORM:
            return (line,)
        run = self._runs.get(line.leg)
        if run is None:
            run = self._runs[line.leg] = _Run(line)
        elif run.line == line:
            run.times += 1
            self.counted += 1
            return ()
        if not run.times:
            run.line = line
            return self._shown(line, now)
        told = self._ended(run, now)
        self._runs[line.leg] = _Run(line)
        return (*told, *self._shown(line, now))

    def due(self, now: float) -> Iterator[Line]:
        """The counts that are to be told by now: a first one at once."""
        latest = now - self._limits.told_s
        for run in self._runs.values():
            if run.times and (run.told_at is None or run.told_at <= latest):
                run.told_at = now
                yield from self._repeated(run)
        for kind in self._kinds.values():
            if kind.left_out and (kind.told_at is None or kind.told_at <= latest):
                kind.told_at = now
                yield from _left_out(kind)

    def rest(self) -> Iterator[Line]:
        """Every count that was not told."""
        for run in self._runs.values():
            if run.times:
                yield from self._repeated(run)
        for kind in self._kinds.values():
            yield from _left_out(kind)

    # --- a flood of one kind ---

    def _shown(self, line: Line, now: float) -> Sequence[Line]:
        """The line, unless there are too many of its kind; before it the count of a kind that had to be forgotten."""
        key = _key(line)
        kind = self._kinds.get(key)
        if kind is None:
            times = self._few.get(key, 0)
            if times < self._few_at_most:
                self._few[key] = times + 1
                if len(self._few) > self._limits.kinds:
                    self._few.clear()
                return (line,)
        told = self._remember(key, now) if kind is None else ()
        kind = self._kinds[key]
        self._kinds.move_to_end(key)
        if self._may_show(kind, now):
            return (*told, line)
        self._leave_out(kind, line, 1)
        self.counted += 1
        return told

    def _remember(self, key: _Key, now: float) -> Sequence[Line]:
        """A kind of which there are more than a few, in place of the one that was longest not said: its count."""
        self._kinds[key] = _Kind(self._limits.burst - self._few.pop(key, 0), now)
        if len(self._kinds) <= self._limits.kinds:
            return ()
        return tuple(_left_out(self._kinds.popitem(last=False)[1]))

    def _may_show(self, kind: _Kind, now: float) -> bool:
        tokens = min(self._limits.burst, kind.tokens + (now - kind.at) * self._rate)
        kind.at = now
        kind.tokens = tokens - 1 if tokens >= 1 else tokens
        return tokens >= 1

    def _leave_out(self, kind: _Kind, line: Line, times: int) -> None:
        if not kind.left_out:
            kind.like = line._replace(text=self._words(line))
        kind.left_out += times

    # --- copies in a row ---

    def _ended(self, run: _Run, now: float) -> Sequence[Line]:
        """What another line makes known of the copies before it."""
        key = _key(run.line)
        told = () if key in self._kinds else self._remember(key, now)
        kind = self._kinds[key]
        if self._may_show(kind, now):
            return (*told, *self._repeated(run))
        self._leave_out(kind, run.line, run.times)
        return told

    def _repeated(self, run: _Run) -> Iterator[Line]:
        """A single copy is as short as its count."""
        times, run.times = run.times, 0
        if times == 1:
            self.counted -= 1
            yield run.line
        else:
            yield run.line._replace(text=f"repeated {times:,} times: {self._words(run.line)}")


def template(text: str) -> bytes:
    """What two texts of one kind have in common; of a long one its beginning and its end."""
    if len(text) <= 2 * _LOOKED_AT:
        return _fixed(text)
    # cut twice, for what is left out of it may be longer in one text than in the other
    return _fixed(text[: 2 * _LOOKED_AT])[:_LOOKED_AT] + b"\0" + _fixed(text[-2 * _LOOKED_AT :])[-_LOOKED_AT:]


def _fixed(text: str) -> bytes:
    """The text without what varies. What JSON quotes is more than values: that stays."""
    if "'" in text and "{'" not in text:
        if text.count("'") % 2:
            text = text.replace("n't", "nt").replace("'s ", "s ")  # apostrophes that quote nothing
        text = "'".join(text.split("'")[::2])
    if '"' in text and '{"' not in text:
        text = '"'.join(text.split('"')[::2])
    if "`" in text:
        text = "`".join(text.split("`")[::2])
    return text.encode(errors="replace").translate(None, _VARIABLE)


def _key(line: Line) -> _Key:
    return line.leg, line.level, line.stream, template(line.text)


def _left_out(kind: _Kind) -> Iterator[Line]:
    if kind.left_out and kind.like is not None:
        more = "more lines" if kind.left_out > 1 else "more line"
        yield kind.like._replace(text=f"{kind.left_out:,} {more} like this one: {kind.like.text}")
        kind.left_out = 0
