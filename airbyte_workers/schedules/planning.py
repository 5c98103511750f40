"""From what people ask for to a specification that Temporal keeps to on every day of the year."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from temporalio.client import Client, ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec

from airbyte_workers.runs import InvalidInput
from airbyte_workers.schedules.asking import MOST_TIMES, Question, asked
from airbyte_workers.schedules.clocks import Change, Day, Repair, changes, days, minutes_in_utc, repair
from airbyte_workers.schedules.jitter import JitterRules, phase_s
from airbyte_workers.schedules.timings import (
    UTC_NAME,
    Timing,
    comment,
    is_every,
    machine_zone,
    seconds_of,
    span_words,
    timing_of,
    values_of,
    zone_of,
)
from airbyte_workers.schedules.values import Times

_AHEAD = timedelta(days=5 * 366)  # a cron expression that has no time until then has none
_UNTOUCHED = ("hour", "day_of_month", "month", "day_of_week")
_CLOCK_CHANGE = "change of clocks"


@dataclass(frozen=True)
class Plan:
    """`spec` without jitter; an interval's begins with no phase, which depends on when it is made."""

    timing: Timing
    spec: ScheduleSpec
    jitter_s: int

    def anchored(self, anchor: datetime) -> ScheduleSpec:
        """What Temporal is given; an interval beats from `anchor` on."""
        jitter = timedelta(seconds=self.jitter_s) if self.jitter_s else None
        if self.timing.every_s is None:
            return replace(self.spec, jitter=jitter)
        every_s = self.timing.every_s
        offset = timedelta(seconds=phase_s(int(anchor.timestamp()), every_s, self.jitter_s))
        return replace(self.spec, intervals=[ScheduleIntervalSpec(timedelta(seconds=every_s), offset)], jitter=jitter)


async def planned(client: Client, times: Times, rules: JitterRules, now: datetime) -> Plan:
    """How Temporal is told. Raises InvalidInput."""
    zone = times.timezone or machine_zone()
    if times.every is not None:
        seconds = seconds_of(times.every)
        jitter = rules.amount_s(seconds) if times.jitter_s is None else times.jitter_s
        timing = Timing(what=f"every {span_words(seconds)}", every_s=seconds, timezone=zone)
        return Plan(timing, ScheduleSpec(time_zone_name=zone), jitter)
    assert times.cron is not None
    cron = " ".join(times.cron.split())
    async with asked(client, ScheduleSpec(cron_expressions=[cron], time_zone_name=zone)) as question:
        runs = await question.times(now, now + _AHEAD)
        if not runs:
            raise InvalidInput(f"cron: {cron} has no time in the next 5 years")
        spec = await _Mending(client, question, cron, zone_of(zone)).spec(now)
    jitter = rules.amount_s(_least_gap(runs)) if times.jitter_s is None else times.jitter_s
    return Plan(timing_of(spec), spec, jitter)


def _least_gap(runs: Sequence[datetime]) -> float:
    """The shortest time between two runs that follow one another, s."""
    return min(((later - sooner).total_seconds() for sooner, later in pairwise(runs)), default=_AHEAD.total_seconds())


@dataclass(frozen=True)
class _Mending:
    """One cron expression in a zone whose clocks change."""

    client: Client
    question: Question
    cron: str
    zone: ZoneInfo

    async def spec(self, now: datetime) -> ScheduleSpec:
        """The same times, also on the days of a change (of the years that `changes` looks at)."""
        said = comment(self.cron, self.zone.key)
        calendars = [replace(each, comment=said) for each in self.question.spec.calendars]
        spec = ScheduleSpec(calendars=calendars, time_zone_name=self.zone.key)
        coming = changes(self.zone, now)
        if not coming:
            return spec
        if (by_utc := _by_utc(calendars, coming)) is not None:
            return ScheduleSpec(calendars=[by_utc], time_zone_name=UTC_NAME)
        repairs = await self._repairs(coming)
        missing = days((moment for each in repairs for moment in each.missing), self.zone)
        surplus = days((moment for each in repairs for moment in each.surplus), self.zone)
        return replace(spec, calendars=calendars + list(map(_entry, missing)), skip=list(map(_entry, surplus)))

    async def _repairs(self, coming: Iterable[Change]) -> list[Repair]:
        """What is to be mended around each change, as Temporal tells it."""
        on_the_wall = ScheduleSpec(cron_expressions=[self.cron], time_zone_name=UTC_NAME)
        async with asked(self.client, on_the_wall) as wall:
            return await asyncio.gather(*(self._repair(wall, change) for change in coming))

    async def _repair(self, wall: Question, change: Change) -> Repair:
        first, last = (each.replace(tzinfo=UTC) for each in change.window)
        walls = await wall.times(first, last)
        if len(walls) >= MOST_TIMES:  # every second, say: no person counts those
            return Repair()
        actual = await self.question.times(*change.span)
        told = [each.replace(tzinfo=None) for each in walls]
        return repair(change, told, set(actual))


def _by_utc(calendars: Sequence[ScheduleCalendarSpec], coming: Iterable[Change]) -> ScheduleCalendarSpec | None:
    """What runs every hour of every day, by a clock that never changes; None: that clock shows other minutes."""
    if len(calendars) != 1 or calendars[0].year or not is_every(calendars[0], *_UNTOUCHED):
        return None
    offsets = {offset for change in coming for offset in (change.before, change.after)}
    minutes = minutes_in_utc(values_of(calendars[0].minute), offsets)
    return replace(calendars[0], minute=_ranges(minutes)) if minutes is not None else None


def _entry(day: Day) -> ScheduleCalendarSpec:
    """One day's times; Temporal takes months and days as ranges."""
    return ScheduleCalendarSpec(
        second=_ranges([day.second]),
        minute=_ranges(day.minutes),
        hour=_ranges([day.hour]),
        day_of_month=_ranges([day.day]),
        month=_ranges([day.month]),
        year=_ranges([day.year]),
        comment=_CLOCK_CHANGE,
    )


def _ranges(numbers: Iterable[int]) -> list[ScheduleRange]:
    return [ScheduleRange(number) for number in numbers]
