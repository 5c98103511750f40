"""The clocks on running connectors (architecture, invariant 8): who has let the attempt wait for too long.

They are asked again and again with what was counted so far, and compare it with what they saw the last time. So they
cost the data nothing, and are late by no more than one look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from airbyte_workers.jobs.failures import of_platform, of_sync
from airbyte_workers.models import Clocks, Failure, FailureOrigin, FailureType
from airbyte_workers.quantities import duration
from airbyte_workers.settings import Settings

_MINUTE_S = 60


@dataclass(frozen=True)
class ClockLimits:
    """Seconds, 0: no limit. `left`: until the job's total time is over, None: it has no limit."""

    silence: float = 0
    progress: float = 0
    acknowledgement: float = 0
    total: float = 0
    left: float | None = None

    @classmethod
    def of(cls, clocks: Clocks, left: float | None) -> Self:
        """What a connection's clocks say, those of the settings already filled in."""
        return cls(
            silence=(clocks.source_silence_minutes or 0) * _MINUTE_S,
            progress=(clocks.source_progress_minutes or 0) * _MINUTE_S,
            acknowledgement=(clocks.acknowledgement_minutes or 0) * _MINUTE_S,
            total=(clocks.total_minutes or 0) * _MINUTE_S,
            left=left if clocks.total_minutes else None,
        )


@dataclass(frozen=True)
class Seen:
    """What was counted so far, all of it growing, and how things stand.

    `is_read`: the source's output is being read and has not ended. `kept_s`: for how long something else than the
    source kept us from reading it. `progress`: its records and states. `is_blocked`: a write waits for the destination
    to take it. `owes`: states wait for their echo. `is_written`: the destination has not been given its end of input.
    """

    is_read: bool = True
    kept_s: float = 0
    source_bytes: int = 0
    progress: int = 0
    is_blocked: bool = False
    input_bytes: int = 0
    echoes: int = 0
    owes: bool = False
    is_written: bool = True


@dataclass(frozen=True)
class Expired:
    """A clock has run out. `is_stuck`: the destination takes nothing any more, so nothing more can be given to it."""

    failure: Failure
    is_stuck: bool = False


class Watchman:
    """Runs the clocks of one attempt; `longest_step`: more time than that between two looks is not counted.

    Then nobody was there to look, so nobody was kept waiting either: the process was stopped, or its machine.
    """

    def __init__(self, limits: ClockLimits, now: float, longest_step: float) -> None:
        self._limits = limits
        self._began = self._looked = now
        self._longest_step = longest_step
        self._last = Seen()
        self._silent = self._idle = self._untaken = self._unacknowledged = 0.0

    def look(self, now: float, seen: Seen) -> Expired | None:
        """What ran out by `now`, in seconds of any clock that never goes back."""
        step = min(now - self._looked, self._longest_step)
        self._time_source(seen, max(0.0, step - (seen.kept_s - self._last.kept_s)))
        self._time_destination(seen, step)
        self._looked, self._last = now, seen
        return self._total(now) or self._source() or self._destination()

    def _time_source(self, seen: Seen, step: float) -> None:
        """Its output: a source that is not read, or has ended it, is not waited for."""
        counts = seen.is_read and self._last.is_read
        self._silent = self._silent + step if counts and seen.source_bytes == self._last.source_bytes else 0
        self._idle = self._idle + step if counts and seen.progress == self._last.progress else 0

    def _time_destination(self, seen: Seen, step: float) -> None:
        """Every echo gives it all the time again.

        One that has acknowledged nothing at all may be one that does so at its end: as long as it takes what it is
        given, it owes nothing before that.
        """
        last = self._last
        echoed = seen.echoes != last.echoes
        took = seen.input_bytes != last.input_bytes or not (seen.is_blocked and last.is_blocked)
        self._untaken = 0 if echoed or took else self._untaken + step
        owed = seen.owes and last.owes and seen.echoes > 0 and seen.is_written
        self._unacknowledged = 0 if echoed or not owed else self._unacknowledged + step

    def _total(self, now: float) -> Expired | None:
        if self._limits.left is None or now - self._began < self._limits.left:
            return None
        return Expired(total_timeout(self._limits.total))

    def _source(self) -> Expired | None:
        limits = self._limits
        if _is_over(self._silent, limits.silence):
            text = f"the source sent no byte for {duration(limits.silence)} (source_silence_minutes)"
            return Expired(of_sync(FailureOrigin.SOURCE, FailureType.SOURCE_SILENT, text))
        if _is_over(self._idle, limits.progress):
            text = f"the source sent neither a record nor a state for {duration(limits.progress)}"
            why = f"{text} (source_progress_minutes)"
            return Expired(of_sync(FailureOrigin.SOURCE, FailureType.HEARTBEAT_TIMEOUT, why))
        return None

    def _destination(self) -> Expired | None:
        limit = self._limits.acknowledgement
        if _is_over(self._untaken, limit):
            text = "the destination took nothing of its input and acknowledged nothing"
            return Expired(acknowledgement_timeout(text, limit), is_stuck=True)
        if _is_over(self._unacknowledged, limit):
            return Expired(acknowledgement_timeout("the destination acknowledged none of the states it has", limit))
        return None


def acknowledgement_timeout(what: str, limit: float) -> Failure:
    """What the destination did not do for `limit` seconds, as a failure of its."""
    message = f"{what} for {duration(limit)} (acknowledgement_minutes)"
    return of_sync(FailureOrigin.DESTINATION, FailureType.DESTINATION_TIMEOUT, message)


def total_timeout(limit: float) -> Failure:
    """The end of a job that took longer than `limit` seconds."""
    return of_platform(
        FailureType.TOTAL_TIMEOUT,
        f"the job took longer than {duration(limit)} with all its attempts and waits (total_minutes)",
    )


def in_force(clocks: Clocks, settings: Settings) -> Clocks:
    """A connection's clocks; those that it leaves open are the settings' of the same name."""
    own = {name: value for name, value in clocks.model_dump().items() if value is not None}
    return Clocks.model_validate({name: getattr(settings, name) for name in Clocks.model_fields} | own)


def _is_over(waited: float, limit: float) -> bool:
    return bool(limit) and waited >= limit
