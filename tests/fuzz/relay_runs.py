"""One source's output through the real relay and through the reference, and whether they agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz.agreement import Difference, Disagreement, narrowed, of_real, of_reference
from tests.fuzz.drawn_routes import drawn_routes
from tests.fuzz.fake_destination import FakeDestination
from tests.fuzz.mutator import STREAMS, chunks
from tests.fuzz.plain_routes import PlainRoute, Rewritten, described
from tests.fuzz.plain_states import Key
from tests.fuzz.real_relay import NO_LIMIT, RealRelay
from tests.fuzz.reference_relay import Ended, ReferenceRelay


@dataclass
class Attempt:
    """One attempt in both relays; all that is left to chance comes from `dice`."""

    data: bytes
    dice: Random
    streams: Sequence[Key] = STREAMS
    routes: Sequence[PlainRoute] = ()
    consumed: int = 0
    _rest: bytes = b""
    ended: str | None = None
    _limit: int = field(init=False)

    def __post_init__(self) -> None:
        allow = self.dice.random() < 0.5
        self._limit = self.dice.choice([NO_LIMIT] * 9 + [50_000])
        self.real = RealRelay(self.streams, allow_malformed=allow, max_line=self._limit, plain=self.routes)
        self.reference = ReferenceRelay(self.streams, allow, self.routes)
        self._echoing = FakeDestination(self.dice, [self.reference.destination(each) for each in self.streams])

    def run(self) -> None:
        """Everything until the end, or until a line that ends the attempt. Raises Disagreement."""
        for chunk in chunks(self.dice, self.data):
            self._source(chunk)
            if self.ended is not None:
                break
            if self.dice.random() < 0.2:
                self.real.commit()
        else:
            self._source(None)
        if self.ended is None:
            self.reference.end()
            self._same("empty states", *map(json_lines, self._both(self.real.end())))
            self._same("statuses", statuses_in(self.real.statuses()), self._statuses())
        self._echo(self._echoing.take(b"", last=True))
        self.real.commit()
        expected = of_reference(self.reference)
        for what, real in of_real(self.real).items():
            self._same(what, real, expected[what])

    def _source(self, chunk: bytes | None) -> None:
        forwarded, failed = self.real.source(chunk)
        self._read(chunk)
        if self.ended == "message_too_long" and failed is None:
            more, failed = self.real.source(b"")
            self._same("bytes behind the end", more, b"")
        self._same("failure that ends the attempt", failed, self.ended)
        self._same("forwarded bytes", *self._both(forwarded))
        self._echo(self._echoing.take(forwarded))

    def _read(self, chunk: bytes | None) -> None:
        """The chunk's lines, one after the other, into the reference."""
        *lines, self._rest = (self._rest + (chunk or b"")).split(b"\n")
        if chunk is None and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        try:
            for line in lines:
                self.consumed += 1
                self._refuse_long(line)
                self.reference.source(line + b"\n")
            self._refuse_long(self._rest, unfinished=1)
        except Ended as ended:
            self.ended = str(ended)

    def _refuse_long(self, line: bytes, *, unfinished: int = 0) -> None:
        if len(line) > self._limit:
            self.consumed += unfinished
            raise Ended("message_too_long")

    def _both(self, real: bytes) -> tuple[Any, Any]:
        """What went on in the real relay and in the reference: bytes, but for lines that were written anew."""
        expected, self.reference.forwarded = self.reference.forwarded, []
        plain = [each for each in expected if isinstance(each, bytes)]
        lines = [each + b"\n" for each in real.split(b"\n")[:-1]]
        if len(plain) == len(expected) or len(lines) != len(expected):
            return real, b"".join(plain)
        pairs = zip(lines, expected, strict=True)
        return [each.in_line(line) if isinstance(each, Rewritten) else line for line, each in pairs], expected

    def _statuses(self) -> list[Any]:
        return [("COMPLETE", described(self.reference.destination(each))) for each in self.streams]

    def _echo(self, said: bytes) -> None:
        if not said:
            return
        cut = self.dice.randrange(len(said))
        for part in (said[:cut], said[cut:]):
            self.real.destination(part)
        for line in said.split(b"\n")[:-1]:
            self.reference.echoes.destination(line + b"\n")

    def _same(self, what: str, real: Any, reference: Any) -> None:
        if real != reference:
            raise Disagreement(Difference(what, *narrowed(real, reference)))


def json_lines(lines: bytes) -> list[Any]:
    return [json.loads(each) for each in lines.splitlines()]


def statuses_in(lines: bytes) -> list[Any]:
    told = [each["trace"]["stream_status"] for each in json_lines(lines)]
    return [(each["status"], each["stream_descriptor"]) for each in told]


def run(lines: Sequence[bytes], seed: object) -> int:
    """All lines, in as many attempts as it takes; the result is how many lines that were. Raises Disagreement."""
    rest, total = b"".join(lines), 0
    routes = drawn_routes(Random(f"routes of {seed}"), STREAMS)
    if Random(f"{seed}").random() < 0.3:
        rest = rest.removesuffix(b"\n")
    while rest:
        attempt = Attempt(rest, Random(f"{seed}/{total}"), routes=routes)
        attempt.run()
        total += attempt.consumed
        rest = b"\n".join(rest.split(b"\n")[attempt.consumed :]) if attempt.ended is not None else b""
    return total
