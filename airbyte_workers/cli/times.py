"""Moments and spans as people type them, and moments as they read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_SPAN = re.compile(r"([0-9]+)([smhdw])")
_SPANS = re.compile(rf"(?:{_SPAN.pattern})+")
_LONGEST = timedelta(days=365_000)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def local(at: datetime) -> str:
    """The moment on the clock of whoever reads it."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def span(text: str) -> timedelta:
    """`2h`, `1d12h`. Raises ValueError, also for one that reaches back before there are dates."""
    if _SPANS.fullmatch(text) is None:
        raise ValueError("no age; write 30d, 12h or 6w")
    try:
        found = sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in _SPAN.findall(text)), timedelta())
    except OverflowError:
        found = timedelta.max
    if found > _LONGEST:
        raise ValueError(f"longer than {_LONGEST.days:,} days")
    return found


def moment(text: str, now: datetime) -> datetime:
    """`2h`, `1d12h`: so long before `now`; else a day or a time by ISO 8601, where no zone is given a local one.

    Raises ValueError.
    """
    typed = text.strip()
    try:
        if _SPANS.fullmatch(typed):
            return now - span(typed)
        return datetime.fromisoformat(typed).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(
            "neither a time such as 2026-11-26 or 2026-11-26T08:30, nor a span such as 30m, 2h, 3d"
        ) from None


class Moment(click.ParamType[datetime]):
    """An option that takes one."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(value, datetime.now(UTC))
        except ValueError as error:
            self.fail(f"{value!r} is {error}", param, ctx)
