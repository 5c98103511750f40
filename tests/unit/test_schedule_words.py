"""Schedules in words: what Temporal has, what is wrong with it, and both zones of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec

from airbyte_workers.cli import schedule_words
from airbyte_workers.inputs import checked
from airbyte_workers.models import JobStatus
from airbyte_workers.runs import InvalidInput
from airbyte_workers.schedules import timings
from airbyte_workers.schedules.notes import Note, turned
from airbyte_workers.schedules.timings import comment, cron_of, machine_zone, span_words, timing_of
from airbyte_workers.schedules.values import LastRun, LiveRun, Overdue, ScheduleView, SkipCounts, Window

AT = datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
DAILY = ScheduleCalendarSpec(hour=[ScheduleRange(3)])
HALVES = ScheduleCalendarSpec(
    minute=[ScheduleRange(0), ScheduleRange(30)], hour=[ScheduleRange(8, 18, 2)], day_of_week=[ScheduleRange(1, 5)]
)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(hours=36))]), "every 1d12h"),
        (ScheduleSpec(calendars=[DAILY], time_zone_name="Asia/Tokyo"), "0 3 * * * (Asia/Tokyo)"),
        (ScheduleSpec(calendars=[HALVES]), "0,30 8-18/2 * * 1-5 (UTC)"),
        (ScheduleSpec(calendars=[DAILY, HALVES]), "0 3 * * *; 0,30 8-18/2 * * 1-5 (UTC)"),
        (ScheduleSpec(), "never by itself"),
        (
            ScheduleSpec(calendars=[ScheduleCalendarSpec(comment=comment("@daily", "Europe/Berlin"))]),
            "@daily (Europe/Berlin)",
        ),
        (
            ScheduleSpec(
                calendars=[
                    ScheduleCalendarSpec(comment=comment("0 * * * *", "Asia/Kolkata"), minute=[ScheduleRange(30)]),
                    ScheduleCalendarSpec(comment="change of clocks"),
                ],
                time_zone_name="UTC",
            ),
            "0 * * * * (Asia/Kolkata)",
        ),
        (
            ScheduleSpec(
                calendars=[ScheduleCalendarSpec(comment="made by ann at home in Berlin", hour=[ScheduleRange(3)])]
            ),
            "0 3 * * * (UTC)",
        ),
        (
            ScheduleSpec(calendars=[DAILY], intervals=[ScheduleIntervalSpec(timedelta(seconds=90))]),
            "every 1m30s; 0 3 * * * (UTC)",
        ),
    ],
)
def test_whatever_temporal_has_is_said_in_words(spec: ScheduleSpec, what: str) -> None:
    assert timing_of(spec).what == what


def test_a_calendar_of_one_year_or_with_seconds_has_seven_fields() -> None:
    once = ScheduleCalendarSpec(
        second=[ScheduleRange(5)], hour=[ScheduleRange(3)], month=[ScheduleRange(3)], year=[ScheduleRange(2027)]
    )
    assert cron_of(once) == "5 0 3 * 3 * 2027"


def test_a_length_of_time_is_written_shortly() -> None:
    assert [span_words(seconds) for seconds in (0, 59, 3600, 86_400 * 9, 90_061)] == [
        "0s",
        "59s",
        "1h",
        "1w2d",
        "1d1h1m1s",
    ]


@pytest.mark.parametrize(
    ("variable", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        ("Etc/UTC", "UTC"),
        ("Mars/Base", "UTC"),
        ("../x", "UTC"),
    ],
)
def test_the_machine_s_zone_is_what_its_environment_says(
    monkeypatch: pytest.MonkeyPatch, variable: str, zone: str
) -> None:
    monkeypatch.setenv("TZ", variable)
    assert machine_zone() == zone


@pytest.mark.parametrize(
    ("target", "zone"),
    [("zoneinfo/America/New_York", "America/New_York"), ("zoneinfo/Etc/UTC", "UTC"), ("somewhere/else", "UTC")],
)
def test_the_machine_s_zone_is_what_its_clock_file_is_a_link_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, zone: str
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    link.symlink_to(tmp_path / target)
    monkeypatch.setattr(timings, "_LOCAL_TIME", link)
    assert machine_zone() == zone


def test_a_run_is_shown_in_its_own_zone_and_in_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = timing_of(ScheduleSpec(calendars=[DAILY], time_zone_name="Europe/Berlin"))
    monkeypatch.setenv("TZ", "America/New_York")
    assert list(schedule_words.run_lines([AT], timing)) == [
        "Sun 2027-03-28 03:30:00 +02:00   (Sat 2027-03-27 21:30:00 -04:00 America/New_York)"
    ]
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert list(schedule_words.run_lines([AT], timing)) == ["Sun 2027-03-28 03:30:00 +02:00"]


VIEW = ScheduleView(schedule_id="schedule/demo", connection="demo", timing=timing_of(ScheduleSpec()), created_at=AT)
OVERDUE = Overdue(since=AT, why="nobody takes it up", advice="start a worker")


@pytest.mark.parametrize(
    ("view", "state"),
    [
        (VIEW, "active"),
        (VIEW.model_copy(update={"paused": True}), "paused"),
        (VIEW.model_copy(update={"paused": True, "turned": "paused by me: moving"}), "paused by me: moving"),
        (VIEW.model_copy(update={"paused": True, "note": "moving"}), "paused: moving"),
        (VIEW.model_copy(update={"overdue": OVERDUE}), f"overdue since {AT.astimezone():%Y-%m-%d %H:%M:%S}"),
        (VIEW.model_copy(update={"overdue": OVERDUE, "trouble": "no connection"}), "broken"),
        (
            VIEW.model_copy(update={"paused": True, "turned": "paused by me", "trouble": "no connection"}),
            "broken; paused by me",
        ),
    ],
)
def test_the_state_is_what_a_person_must_know_first(view: ScheduleView, state: str) -> None:
    assert schedule_words.state(view) == state


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (None, ""),
        (LastRun(at=AT, job_id=7, status=JobStatus.FAILED), "job 7 failed"),
        (LastRun(at=AT, skipped_for=7), "skipped, job 7 was running"),
        (LastRun(at=AT), "skipped, a job was running"),
    ],
)
def test_a_last_run_is_a_job_or_a_skip(run: LastRun | None, words: str) -> None:
    assert schedule_words.last(run) == words


def test_a_running_job_is_told_with_the_runs_that_it_makes_skip() -> None:
    since = f"{AT.astimezone():%Y-%m-%d %H:%M:%S}"
    run = LiveRun(job_id=7, since=AT, is_scheduled=True, skipped=4)
    assert schedule_words.live(run) == f"job 7 runs since {since}; 4 runs skipped meanwhile"
    many = LiveRun(job_id=7, since=AT, is_scheduled=True, skipped=1000)  # Temporal counts no further
    assert schedule_words.live(many).endswith("; 1,000 or more runs skipped meanwhile")
    by_hand = LiveRun(job_id=8, since=AT, is_scheduled=False)
    assert schedule_words.live(by_hand) == f"job 8 (not by its schedule) runs since {since}"
    assert schedule_words.live(LiveRun(job_id=None, since=AT, is_scheduled=True)).startswith(
        "a run that has no job yet"
    )


def test_skips_are_told_by_their_reasons() -> None:
    assert schedule_words.skips(SkipCounts()) == "0"
    counts = SkipCounts(overlap=1234, busy=2, missed=1)
    assert counts.total == 1237
    assert schedule_words.skips(counts) == (
        "1,234: the run before was not over; 2: another job ran; "
        "1: Temporal was away for longer than the catch-up window"
    )


@pytest.mark.parametrize(
    ("stored", "note"),
    [
        (None, Note()),
        ("nightly", Note("nightly")),
        ("paused for the winter", Note("paused for the winter")),
        ("paused\n", Note("", "paused")),
        ("paused by me: moving\n", Note("", "paused by me: moving")),
        ("resumed by me\nfor ann\nand bob", Note("for ann\nand bob", "resumed by me")),
    ],
)
def test_a_note_is_the_person_s_and_who_turned_the_schedule_beside_it(stored: str | None, note: Note) -> None:
    assert Note.of(stored) == note
    assert note.stored == (stored or "")


def test_a_reason_of_several_lines_is_one_line_of_the_note() -> None:
    line = turned("paused", "ann@host", "it\nmoves  away")
    assert line == "paused by ann@host: it moves away"
    assert Note.of(Note("mine", line).stored) == Note("mine", line)


def test_a_note_is_shown_beside_who_turned_the_schedule() -> None:
    def shown(**view: Any) -> dict[str, str]:
        page = dict(schedule_words.page(VIEW.model_copy(update=view)))
        return {title: page[title] for title in ("state", "changed", "note") if title in page}

    both = {"state": "paused by me", "note": "nightly"}
    assert shown(paused=True, turned="paused by me", note="nightly") == both
    assert shown(turned="resumed by me", note="nightly") == {
        "state": "active",
        "changed": "resumed by me",
        "note": "nightly",
    }
    assert shown(paused=True, note="by Temporal") == {"state": "paused: by Temporal"}


def test_a_window_ends_with_the_years_there_are() -> None:
    begin = datetime(9998, 1, 1, tzinfo=UTC)
    assert Window(begin=begin).span(AT) == (begin, datetime.max.replace(tzinfo=UTC))
    first, last = Window().span(AT)
    assert (first, last - first) == (AT, timedelta(days=5 * 366))


@pytest.mark.parametrize(
    "window",
    [Window(begin=AT, end=AT), Window(begin=AT, end=AT - timedelta(days=1)), Window(end=AT - timedelta(seconds=1))],
)
def test_a_window_that_ends_before_it_begins_is_refused(window: Window) -> None:
    with pytest.raises(InvalidInput, match=r"end: .* is not after the begin, 2027-03-28T01:30:00Z"):
        window.span(AT)


def test_a_window_outside_of_the_years_is_refused_by_its_field() -> None:
    west = timezone(timedelta(hours=-12))
    with pytest.raises(InvalidInput, match=r"end: .*not within the years 1 to 9999"):
        checked(Window, {"end": datetime.max.replace(tzinfo=west)})
