"""Moments as people type them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.cli.gc import gc as gc_command
from airbyte_workers.cli.times import Moment, moment

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        (" 3d ", timedelta(days=3)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(hours=36)),
        ("1h1h", timedelta(hours=2)),
        ("0s", timedelta()),
    ],
)
def test_a_span_is_so_long_ago(typed: str, ago: timedelta) -> None:
    assert moment(typed, NOW) == NOW - ago


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ("2026-11-26T08:30:00Z", datetime(2026, 11, 26, 8, 30, tzinfo=UTC)),
        ("2026-11-26T08:30+02:00", datetime(2026, 11, 26, 6, 30, tzinfo=UTC)),
        ("2026-11-26", datetime(2026, 11, 26).astimezone()),
        ("2026-11-26 08:30", datetime(2026, 11, 26, 8, 30).astimezone()),
    ],
)
def test_a_time_is_local_unless_it_says_otherwise(typed: str, at: datetime) -> None:
    assert moment(typed, NOW) == at


@pytest.mark.parametrize(
    "typed", ["", "soon", "2", "h", "2 h", "-2h", "2h30", "2026-13-01", "999999999999d", "9" * 400 + "s", "2y", "٣d"]
)
def test_anything_else_is_refused_with_what_could_be_typed(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="nor a span such as 30m, 2h, 3d"):
        Moment().convert(typed, None, None)


@pytest.mark.parametrize("typed", ["999999w", "365001d", "999999999999d"])
def test_gc_refuses_an_age_that_reaches_back_before_there_are_dates(typed: str) -> None:
    ended = CliRunner().invoke(gc_command, ["--older-than", typed])
    assert (ended.exit_code, f"{typed!r} is longer than 365,000 days" in ended.output) == (2, True)


@given(st.text(max_size=30))
def test_nothing_that_is_typed_breaks_it(typed: str) -> None:
    with contextlib.suppress(ValueError):
        assert moment(typed, NOW).tzinfo is not None
