"""How far runs are spread, and from when an interval beats: upstream's cases B4 to B8 and B10 to B13."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airbyte_workers.schedules.jitter import JitterRules, phase_s
from airbyte_workers.schedules.making import Beginning, beginning
from airbyte_workers.schedules.timings import seconds_of
from airbyte_workers.schedules.values import ScheduleOrder
from airbyte_workers.settings import Settings

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
MINUTE, HOUR = 60, 3600


@pytest.mark.parametrize(
    ("wait_minutes", "amount_minutes"),
    [
        pytest.param(4, 0, id="B10: below the cut-off"),
        pytest.param(5, 0, id="B10: at the cut-off"),
        pytest.param(5.1, 2, id="just over it"),
        pytest.param(89, 2, id="B11"),
        pytest.param(90, 2, id="at the high threshold"),
        pytest.param(100, 5, id="B12: medium"),
        pytest.param(150, 5, id="at the medium threshold"),
        pytest.param(200, 15, id="B12: low"),
        pytest.param(390, 15, id="at the low threshold"),
        pytest.param(400, 25, id="B12: very low"),
        pytest.param(30 * 24 * 60, 25, id="a month"),
    ],
)
def test_the_longer_the_wait_the_wider_the_spread(wait_minutes: float, amount_minutes: float) -> None:
    assert JitterRules().amount_s(wait_minutes * MINUTE) == amount_minutes * MINUTE


def test_the_settings_say_how_wide() -> None:
    assert JitterRules.of(Settings()) == JitterRules()
    wide = JitterRules.of(Settings(schedule_high_jitter_amount_minutes=7, schedule_no_jitter_cutoff_minutes=1))
    assert wide.amount_s(2 * MINUTE) == 2 * MINUTE, "never longer than the wait"
    assert wide.amount_s(80 * MINUTE) == 7 * MINUTE
    off = JitterRules.of(Settings(schedule_high_jitter_amount_minutes=0))
    assert off.amount_s(80 * MINUTE) == 0


@pytest.mark.parametrize("every_s", [90 * MINUTE, 6 * HOUR, 24 * HOUR])
@pytest.mark.parametrize("anchor", [NOW, NOW + timedelta(seconds=17), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_b11_half_of_an_interval_s_jitter_lies_before_its_beat_and_none_before_its_making(
    every_s: int, anchor: datetime
) -> None:
    """Temporal adds up to the jitter to the phase: from half of it before the beat to half after it."""
    jitter = JitterRules().amount_s(every_s)
    begun = int(anchor.timestamp())
    phase = phase_s(begun, every_s, jitter)
    assert 0 <= phase < every_s
    first = begun + (phase - begun) % every_s or every_s
    assert first == begun + every_s - jitter // 2
    assert first > begun, "B13: never before now"


ORDER = ScheduleOrder(connection="demo", every="1h")


@pytest.mark.parametrize(
    ("order", "previous", "found"),
    [
        pytest.param(ORDER, None, Beginning(NOW, at_once=True), id="B4: at once without a previous job"),
        pytest.param(
            ORDER, NOW - timedelta(minutes=20), Beginning(NOW - timedelta(minutes=20)), id="B5: 40 minutes to go"
        ),
        pytest.param(ORDER, NOW - timedelta(hours=3), Beginning(NOW, at_once=True), id="B6: long due, so at once"),
        pytest.param(ORDER.model_copy(update={"first_run": False}), None, Beginning(NOW), id="not at once if told so"),
        pytest.param(ORDER.model_copy(update={"paused": True}), None, Beginning(NOW), id="B8: nor while paused"),
    ],
)
def test_an_interval_begins_where_its_last_run_was(
    order: ScheduleOrder, previous: datetime | None, found: Beginning
) -> None:
    assert beginning(order, HOUR, previous, NOW) == found


def test_cron_begins_at_its_own_times_alone() -> None:
    assert beginning(ORDER, None, None, NOW) == Beginning(NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("6h", 21_600),
        ("1d", 86_400),
        pytest.param("1w", 604_800, id="B7: a week"),
        pytest.param("1mo", 2_592_000, id="B7: a month"),
        ("1d12h", 129_600),
        ("2mo1w", 5_788_800),
    ],
)
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "1x", "-1h", "1.5h", "1 h", "4000d", "9999999999s", "1h "])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"length of time|longer than 10 years"):
        seconds_of(text)
