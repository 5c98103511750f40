"""What has come of everything that was tried so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airbyte_workers.conformance import judging_all
from airbyte_workers.conformance.seen import Talk
from airbyte_workers.conformance.verdicts import Line, Verdict, skipped


class Tried:
    """Verdicts, and what was said meanwhile; `tell` is told what is being tried."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.step = ""
        self.verdicts: list[Verdict] = []
        self._talks: list[Talk] = []
        self._messages = 0

    def begin(self, step: str) -> None:
        """This is tried next."""
        self.step = step
        self._tell(step)

    def add(self, *verdicts: Verdict) -> None:
        self.verdicts += verdicts

    def skip(self, lines: Iterable[Line], reason: str) -> None:
        """These cannot be tried; what has a verdict keeps it."""
        have = {each.line for each in self.verdicts}
        self.verdicts += [skipped(line, reason) for line in lines if line not in have]

    def heard(self, talk: Talk, messages: int = 0) -> None:
        """It said this, beside so many records and states."""
        self._talks.append(talk)
        self._messages += messages

    def talked(self) -> None:
        """It says no more."""
        self.add(judging_all.output(self._talks), judging_all.log(self._talks, self._messages))
