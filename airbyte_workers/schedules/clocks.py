"""Changes of a zone's clocks: which runs Temporal leaves out on those days, or starts that nobody asked for.

Measured with Temporal 1.32: a time of day that a gap leaves out is not run that day at all, and where clocks are put
back, whatever runs more than once an hour loses up to 75 minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

YEARS_AHEAD = 10
_STEP = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_BEFORE, _AFTER = timedelta(hours=2), timedelta(hours=3)  # around a change: as far as runs are lost with what was seen


@dataclass(frozen=True)
class Change:
    """The clocks of a zone change at this moment from one distance to UTC to another."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Times of day around it, as they stand on the wall (without a zone)."""
        walls = [_wall(self.at, self.before), _wall(self.at, self.after)]
        return min(walls) - _BEFORE, max(walls) + _AFTER

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Moments that these can be."""
        first, last = self.window
        offsets = (self.before, self.after)
        return first.replace(tzinfo=UTC) - max(offsets) - _SECOND, last.replace(tzinfo=UTC) - min(offsets)

    def shows(self, moment: datetime) -> bool:
        """Whether the clock on the wall then shows a time of the window, which Temporal takes without its first."""
        first, last = self.window
        return first < _wall(moment, self.before if moment < self.at else self.after) <= last

    def moments(self, wall: datetime) -> Sequence[datetime]:
        """What a time of day can mean: two moments where it comes twice.

        One that the gap leaves out is the moment that it would be without the change.
        """
        early, late = (wall.replace(tzinfo=UTC) - offset for offset in (self.before, self.after))
        found = [*([early] if early < self.at else []), *([late] if late >= self.at else [])]
        return found or [early]


@dataclass(frozen=True)
class Repair:
    """Moments at which a schedule must run as well, and at which it must not."""

    missing: tuple[datetime, ...] = ()
    surplus: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Day:
    """Times within one minute-hand's round of one day: what one entry of a calendar can say."""

    year: int
    month: int
    day: int
    hour: int
    second: int
    minutes: tuple[int, ...]


def changes(zone: ZoneInfo, now: datetime, years: int = YEARS_AHEAD) -> list[Change]:
    """Every change of the zone's clocks in the years that come."""
    found, at, end = [], now.astimezone(UTC).replace(microsecond=0), now + timedelta(days=365 * years)
    while at < end:
        until = at + _STEP
        if _offset(zone, at) != _offset(zone, until):
            found.append(_change(zone, at, until))
        at = until
    return found


def repair(change: Change, walls: Iterable[datetime], actual: Collection[datetime]) -> Repair:
    """`walls`: when the schedule runs around the change by the clock on the wall; `actual`: when Temporal runs it."""
    meant = [change.moments(wall) for wall in walls]
    allowed = {moment for each in meant for moment in each}
    missing = tuple(each[-1] for each in meant if not any(moment in actual for moment in each))
    surplus = tuple(moment for moment in sorted(actual) if moment not in allowed and change.shows(moment))
    return Repair(missing, surplus)


def days(moments: Iterable[datetime], zone: ZoneInfo) -> Iterator[Day]:
    """The moments as entries of a calendar in the zone."""
    grouped = defaultdict[tuple[int, int, int, int, int], set[int]](set)
    for moment in moments:
        local = moment.astimezone(zone)
        grouped[local.year, local.month, local.day, local.hour, local.second].add(local.minute)
    for (year, month, day, hour, second), minutes in sorted(grouped.items()):
        yield Day(year, month, day, hour, second, tuple(sorted(minutes)))


def minutes_in_utc(minutes: Collection[int], offsets: Collection[timedelta]) -> tuple[int, ...] | None:
    """The minutes of every hour by UTC's clock, where they are the same ones all year; else None."""
    found = {_shifted(minutes, offset) for offset in offsets}
    return found.pop() if len(found) == 1 and None not in found else None


def _shifted(minutes: Collection[int], offset: timedelta) -> tuple[int, ...] | None:
    whole, rest = divmod(int(offset.total_seconds()), 60)
    return None if rest else tuple(sorted({(minute - whole) % 60 for minute in minutes}))


def _change(zone: ZoneInfo, at: datetime, until: datetime) -> Change:
    """The exact second of the change between two moments."""
    before, after = _offset(zone, at), _offset(zone, until)
    while until - at > _SECOND:
        middle = at + timedelta(seconds=(until - at).total_seconds() // 2)
        at, until = (middle, until) if _offset(zone, middle) == before else (at, middle)
    return Change(until, before, after)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _wall(at: datetime, offset: timedelta) -> datetime:
    return (at + offset).replace(tzinfo=None)
