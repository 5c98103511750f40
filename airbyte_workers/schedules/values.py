"""Schedules as they are asked for and shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from airbyte_workers.models import ConnectionName, JobStatus, Typed, Value
from airbyte_workers.runs import InvalidInput
from airbyte_workers.schedules.timings import Timing, seconds_of, zone_of

LEAST_CATCH_UP_S = 10  # Temporal takes no less
MOST_SHOWN = 1000
_FAR = timedelta(days=5 * 366)  # how far ahead runs are looked for
_LAST = datetime.max.replace(tzinfo=UTC)
_Note = Annotated[str, StringConstraints(max_length=1000)]


def _span(least: int, *, zero: bool = False) -> AfterValidator:
    def check(text: str | None) -> str | None:
        if text is None or (zero and text == "0"):
            return text
        if seconds_of(text) < least:
            raise ValueError(f"shorter than {least} s")
        return text

    return AfterValidator(check)


def _read(read: Callable[[str], object]) -> AfterValidator:
    def check(text: str | None) -> str | None:
        if text is not None:
            read(text)
        return text

    return AfterValidator(check)


def _moment(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("not within the years 1 to 9999 of UTC") from None


def _cron(text: str) -> None:
    if text.startswith("@every"):
        raise ValueError("write an interval as --every, not as cron's @every")
    if "TZ=" in text:
        raise ValueError("give the time zone by itself (--timezone), not in the expression")
    if "#" in text:
        raise ValueError("it has no room for a comment; there is --note")


class Times(Typed):
    """When: at an interval or by cron; `jitter` and `timezone` left out are chosen."""

    every: Annotated[str | None, _span(1)] = None
    cron: Annotated[str | None, _read(_cron)] = None
    timezone: Annotated[str | None, _read(zone_of)] = None
    jitter: Annotated[str | None, _span(0, zero=True)] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise ValueError("give either every (such as 6h) or cron (such as '0 3 * * *')")
        if self.every is not None and self.jitter_s is not None and self.jitter_s >= seconds_of(self.every):
            raise ValueError("jitter is not shorter than every: runs would change places")
        return self

    @property
    def jitter_s(self) -> int | None:
        """The jitter that was asked for."""
        return None if self.jitter is None else 0 if self.jitter == "0" else seconds_of(self.jitter)


class ScheduleOrder(Times):
    """A schedule to be made. `first_run`: an interval's first run comes at once, unless one is recent enough."""

    connection: ConnectionName
    catch_up: Annotated[str | None, _span(LEAST_CATCH_UP_S)] = None
    paused: bool = False
    first_run: bool = True
    note: _Note = ""

    @property
    def times(self) -> Times:
        """When alone."""
        return Times(every=self.every, cron=self.cron, timezone=self.timezone, jitter=self.jitter)


class Window(Typed):
    """Which runs of a schedule to look at; `begin` left out: from now on, without `end`: as many as `count`."""

    begin: Annotated[datetime | None, AfterValidator(_moment)] = None
    end: Annotated[datetime | None, AfterValidator(_moment)] = None
    count: Annotated[int, Field(ge=1, le=MOST_SHOWN)] = 5

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when. Raises InvalidInput where that is no time at all."""
        first = self.begin or now
        last = self.end or (first + _FAR if first < _LAST - _FAR else _LAST)
        if last <= first:
            raise InvalidInput(f"end: {last:%Y-%m-%dT%H:%M:%SZ} is not after the begin, {first:%Y-%m-%dT%H:%M:%SZ}")
        return first, last


class Turn(Typed):
    """Who pauses or resumes a schedule, and why."""

    by: _Note = ""
    reason: _Note = ""


class Preview(Value):
    """When a schedule would run. `exact`: with its jitter; else without.

    Jitter moves a run of a calendar to a later time, one of an interval by up to half of it to either side.
    `at_once`: a first run comes when it is made, before those.
    """

    timing: Timing
    jitter_s: int
    exact: bool
    at_once: bool = False
    runs: tuple[datetime, ...]


class LastRun(Value):
    """What became of a schedule's last run: a job, or none where the connection was busy (`skipped_for` its job)."""

    at: datetime
    job_id: int | None = None
    status: JobStatus | None = None
    skipped_for: int | None = None


class LiveRun(Value):
    """A job of the connection that runs, and how many runs of the schedule as it is now were due since then."""

    job_id: int | None
    since: datetime
    is_scheduled: bool
    skipped: int = 0


class SkipCounts(Value):
    """Runs that did not come: the one before was not over; another job ran; Temporal was away for too long."""

    overlap: int = 0
    busy: int = 0
    missed: int = 0

    @property
    def total(self) -> int:
        return self.overlap + self.busy + self.missed


class Overdue(Value):
    """Since when a run should be there, what is in its way, what to do about it."""

    since: datetime
    why: str
    advice: str


class ScheduleView(Value):
    """A schedule, and where it stands now. `turned`: who paused or resumed it, and why."""

    schedule_id: str
    connection: str | None
    timing: Timing
    jitter_s: int = 0
    catch_up_s: float = 0
    paused: bool = False
    note: str = ""
    turned: str = ""
    created_at: datetime
    next_runs: tuple[datetime, ...] = ()
    last: LastRun | None = None
    live: LiveRun | None = None
    skips: SkipCounts = SkipCounts()
    overdue: Overdue | None = None
    trouble: str | None = None


class Triggered(Value):
    """What became of a run that somebody asked for: its job, why it was skipped or failed, or what it waits for."""

    schedule_id: str
    workflow_id: str | None = None
    job_id: int | None = None
    skipped: str | None = None
    failed: str | None = None
    waits: str | None = None


class Deleted(Value):
    """What was deleted, and the job that goes on all the same."""

    schedule_id: str
    connection: str | None
    job_id: int | None = None
