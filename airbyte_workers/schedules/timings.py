"""When a schedule runs, as people write it and read it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from temporalio.client import ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec

from airbyte_workers.models import Value

UTC_NAME = "UTC"
_ALSO_UTC = frozenset({"Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"})
_UNITS_S = {"mo": 2_592_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_SPAN = re.compile(r"([0-9]{1,9})(mo|[wdhms])")
_SPANS = re.compile(rf"(?:{_SPAN.pattern})+")
_LONGEST_S = 10 * 365 * 86_400
_LOCAL_TIME = Path("/etc/localtime")
_ZONE_FOLDER = "zoneinfo/"
_EVERY_VALUE = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month": (1, 12),
    "day_of_week": (0, 6),
}
_CRON_BEGINS = frozenset("*0123456789")
CRON_FIELDS = ("minute", "hour", "day_of_month", "month", "day_of_week")


class Timing(Value):
    """`what`: for people; an interval has `every_s`, whatever follows a calendar `cron` and its zone."""

    what: str
    every_s: int | None = None
    cron: str | None = None
    timezone: str = UTC_NAME


def seconds_of(text: str) -> int:
    """`30s`, `6h`, `1d12h`; a week is 7 days, a month (`1mo`) 30, as with upstream (B7). Raises ValueError."""
    if _SPANS.fullmatch(text) is None:
        raise ValueError("not a length of time such as 30s, 15m, 6h, 1d, 1w or 1mo")
    seconds = sum(int(number) * _UNITS_S[unit] for number, unit in _SPAN.findall(text))
    if seconds > _LONGEST_S:
        raise ValueError("longer than 10 years")
    return seconds


def span_words(seconds: float) -> str:
    """The shortest way to write it: `6h`, `1d12h`, `0s`."""
    rest, words = round(seconds), ""
    for unit, size in _UNITS_S.items():
        if unit != "mo" and rest >= size:
            words += f"{rest // size}{unit}"
            rest %= size
    return words or "0s"


def zone_of(name: str) -> ZoneInfo:
    """A zone of the machine's own tables. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name} is no time zone of this machine's tables; write one such as Europe/Berlin") from None


def machine_zone() -> str:
    """The zone of the machine's clock by its name; UTC where it has none."""
    named = os.environ.get("TZ", "").removeprefix(":") or _linked_zone()
    try:
        zone = zone_of(named).key
    except ValueError:
        return UTC_NAME
    return UTC_NAME if zone in _ALSO_UTC else zone


def _linked_zone() -> str:
    """What /etc/localtime is a link to."""
    return str(_LOCAL_TIME.resolve()).partition(_ZONE_FOLDER)[2]


# --- from Temporal ---


def timing_of(spec: ScheduleSpec) -> Timing:
    """What a schedule's specification means, whoever made it."""
    zone = spec.time_zone_name or UTC_NAME
    asked = [comment for each in spec.calendars if (comment := _asked(each))]
    if asked:
        cron, zone = asked[0]
        return Timing(what=f"{cron} ({zone})", cron=cron, timezone=zone)
    if len(spec.intervals) == 1 and not spec.calendars:
        seconds = round(spec.intervals[0].every.total_seconds())
        return Timing(what=f"every {span_words(seconds)}", every_s=seconds, timezone=zone)
    parts = [*map(_interval_words, spec.intervals), *map(cron_of, spec.calendars)]
    if not parts:
        return Timing(what="never by itself", timezone=zone)
    return Timing(what=f"{'; '.join(parts)} ({zone})", cron="; ".join(parts), timezone=zone)


def jitter_s_of(spec: ScheduleSpec) -> int:
    """How far each run moves, s."""
    return round(spec.jitter.total_seconds()) if spec.jitter else 0


def comment(cron: str, zone: str) -> str:
    """By which a calendar of ours tells what was asked for."""
    return f"{cron} in {zone}"


def _asked(calendar: ScheduleCalendarSpec) -> tuple[str, str] | None:
    cron, between, zone = (calendar.comment or "").rpartition(" in ")
    fields = len(cron.split()) >= len(CRON_FIELDS) and cron[0] in _CRON_BEGINS
    return (cron, zone) if between and (fields or cron.startswith("@")) else None


def _interval_words(interval: ScheduleIntervalSpec) -> str:
    return f"every {span_words(interval.every.total_seconds())}"


def cron_of(calendar: ScheduleCalendarSpec) -> str:
    """A calendar as cron would write it: the second before and the year after, where they say something."""
    fields = [_field(getattr(calendar, name), _EVERY_VALUE[name]) for name in CRON_FIELDS]
    second, year = _field(calendar.second, _EVERY_VALUE["second"]), _field(calendar.year, (0, 0))
    if year != "*" or second != "0":
        return " ".join([second, *fields, year])
    return " ".join(fields)


def _field(ranges: Sequence[ScheduleRange], every: tuple[int, int]) -> str:
    if not ranges:
        return "*"
    return ",".join(_range(each, every) for each in ranges)


def _range(each: ScheduleRange, every: tuple[int, int]) -> str:
    last, step = max(each.end, each.start), each.step or 1
    if (each.start, last) == every:
        return "*" if step == 1 else f"*/{step}"
    words = str(each.start) if last == each.start else f"{each.start}-{last}"
    return words if step == 1 else f"{words}/{step}"


def values_of(ranges: Iterable[ScheduleRange]) -> set[int]:
    """Every number that the ranges hold."""
    return {value for each in ranges for value in range(each.start, max(each.start, each.end) + 1, each.step or 1)}


def is_every(calendar: ScheduleCalendarSpec, *names: str) -> bool:
    """Whether nothing is left out of these fields."""
    return all(
        values_of(getattr(calendar, name)) == set(range(_EVERY_VALUE[name][0], _EVERY_VALUE[name][1] + 1))
        for name in names
    )
