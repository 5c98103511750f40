"""How an attempt went over time, in a bounded number of marks: no memory and no row grows with the data or the time."""

from __future__ import annotations

from airbyte_workers.models import Mark, Throughput


class Marks:
    """At most `most` marks, `step_s` apart; when there is no room every second one goes and the step doubles.

    A mark says how far everything was, so the one that stays has what the one that went had counted.
    """

    def __init__(self, most: int, step_s: float) -> None:
        self._most = most
        self._step_s = step_s
        self._marks: list[Mark] = []

    @property
    def all(self) -> tuple[Mark, ...]:
        return tuple(self._marks)

    def is_due(self, at_s: float) -> bool:
        """Whether the last mark is a step away."""
        return at_s - self._last_s >= self._step_s

    def add(self, mark: Mark) -> None:
        """The next mark: later than all before it."""
        self._marks.append(mark)
        if len(self._marks) == self._most:
            self._marks = self._marks[1::2]
            self._step_s *= 2

    def end(self, mark: Mark) -> None:
        """The last mark. Right behind another one it takes its place: a rate over almost no time says nothing."""
        if self._marks and mark.at_s - self._last_s < self._step_s / 2:
            self._marks.pop()
        self._marks.append(mark)

    @property
    def _last_s(self) -> float:
        return self._marks[-1].at_s if self._marks else 0.0


def judged(throughput: Throughput, records_committed: int) -> Throughput:
    """The same with what the verdict says was committed: of a success that is everything."""
    if not throughput.marks:
        return throughput
    last = throughput.marks[-1].model_copy(update={"records_committed": records_committed})
    return throughput.model_copy(update={"marks": (*throughput.marks[:-1], last)})
