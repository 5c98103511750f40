"""Changes of clocks: when they are, which runs are missing then, and what a clock that never changes shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from airbyte_workers.schedules.clocks import Change, Day, Repair, changes, days, minutes_in_utc, repair

NOW = datetime(2026, 10, 1, tzinfo=UTC)
BERLIN, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
HOUR, HALF = timedelta(hours=1), timedelta(minutes=30)
GAP = Change(datetime(2027, 3, 28, 1, tzinfo=UTC), HOUR, 2 * HOUR)
FOLD = Change(datetime(2026, 10, 25, 1, tzinfo=UTC), 2 * HOUR, HOUR)


def test_changes_are_found_to_the_second() -> None:
    assert changes(BERLIN, NOW, years=1) == [FOLD, GAP]
    assert changes(ZoneInfo("Asia/Kolkata"), NOW) == []
    assert changes(ZoneInfo("UTC"), NOW) == []
    [spring, autumn] = changes(LORD_HOWE, NOW, years=1)
    assert (spring.after - spring.before, autumn.after - autumn.before) == (HALF, -HALF)
    assert spring.at == datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    assert len(changes(BERLIN, NOW)) == 20, "of ten years"


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "shown", "moments"),
    [
        (GAP, "2027-03-28 01:59", ["2027-03-28 00:59"]),
        (GAP, "2027-03-28 02:30", ["2027-03-28 01:30"]),
        (GAP, "2027-03-28 03:00", ["2027-03-28 01:00"]),
        (FOLD, "2026-10-25 01:59", ["2026-10-24 23:59"]),
        (FOLD, "2026-10-25 02:30", ["2026-10-25 00:30", "2026-10-25 01:30"]),
        (FOLD, "2026-10-25 03:00", ["2026-10-25 02:00"]),
    ],
)
def test_a_time_on_the_wall_is_one_moment_or_two(change: Change, shown: str, moments: list[str]) -> None:
    assert change.moments(wall(shown)) == [moment(each) for each in moments]


def test_what_the_gap_leaves_out_is_run_when_it_would_have_been() -> None:
    found = repair(GAP, [wall("2027-03-28 02:30")], [])
    assert found == Repair(missing=(moment("2027-03-28 01:30"),))
    assert repair(GAP, [wall("2027-03-28 02:30")], [moment("2027-03-28 01:30")]) == Repair()


@pytest.mark.parametrize("ran", ["2026-10-25 00:30", "2026-10-25 01:30"])
def test_a_time_that_comes_twice_is_run_once(ran: str) -> None:
    assert repair(FOLD, [wall("2026-10-25 02:30")], [moment(ran)]) == Repair()


def test_a_run_that_nobody_asked_for_is_left_out_but_none_beyond_what_was_looked_at() -> None:
    unasked, beyond = moment("2026-10-25 01:10"), moment("2026-10-25 09:10")
    assert repair(FOLD, [], [beyond, unasked]) == Repair(surplus=(unasked,))


def test_moments_become_one_entry_for_each_hour_of_a_day() -> None:
    moments = [moment("2027-03-28 01:30"), moment("2027-03-28 01:15"), moment("2027-03-28 02:00")]
    assert list(days(moments, BERLIN)) == [Day(2027, 3, 28, 3, 0, (15, 30)), Day(2027, 3, 28, 4, 0, (0,))]


@pytest.mark.parametrize(
    ("minutes", "offsets", "found"),
    [
        ([0], [HOUR, 2 * HOUR], (0,)),
        ([0, 15, 30, 45], [HOUR, 2 * HOUR], (0, 15, 30, 45)),
        ([0], [5 * HOUR + HALF], (30,)),
        ([0], [10 * HOUR + HALF, 11 * HOUR], None),
        ([0, 15, 30, 45], [10 * HOUR + HALF, 11 * HOUR], (0, 15, 30, 45)),
        ([0], [timedelta(minutes=53, seconds=28)], None),
    ],
)
def test_an_hourly_run_s_minutes_by_utc_are_known_where_they_are_the_same_all_year(
    minutes: list[int], offsets: list[timedelta], found: tuple[int, ...] | None
) -> None:
    assert minutes_in_utc(minutes, offsets) == found
