"""When schedules fire, as a real Temporal server says: days on which clocks change, intervals, jitter.

Cases B1, B3, B5 and B10 to B13; which is which stands in the ids."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec, ScheduleState
from temporalio.testing import WorkflowEnvironment
from workflow_servers import real

from airbyte_workers.client import InvalidInput
from airbyte_workers.names import SCHEDULED_SYNC, WORKFLOW_QUEUE
from airbyte_workers.schedules.asking import asked, matching_times
from airbyte_workers.schedules.jitter import JitterRules
from airbyte_workers.schedules.planning import Plan, planned
from airbyte_workers.schedules.values import Times

pytestmark = [pytest.mark.temporal, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
NOW = datetime(2026, 10, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await real() as env:
        yield env


@pytest.fixture
def client(server: WorkflowEnvironment) -> Client:
    return server.client


async def plan(client: Client, **times: str) -> Plan:
    return await planned(client, Times(**times), JitterRules(), NOW)


async def fired(client: Client, first: str, hours: float, **times: str) -> list[datetime]:
    """What the server says of the planned schedule from a time on the wall on."""
    spec = (await plan(client, **times, jitter="0")).anchored(NOW)
    begin = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(times["timezone"]))
    async with asked(client, spec) as question:
        return await question.times(begin - timedelta(seconds=1), begin.astimezone(UTC) + timedelta(hours=hours))


def shown(runs: list[datetime], zone: str) -> list[str]:
    return [f"{run.astimezone(ZoneInfo(zone)):%d %H:%M%z}" for run in runs]


DAILY = [
    pytest.param(
        "Europe/Berlin",
        "2027-03-27 00:00",
        "30 2 * * *",
        ["27 02:30+0100", "28 03:30+0200", "29 02:30+0200"],
        id="gap, Berlin",
    ),
    pytest.param(
        "Europe/Berlin",
        "2026-10-24 00:00",
        "30 2 * * *",
        ["24 02:30+0200", "25 02:30+0100", "26 02:30+0100"],
        id="fold 2026, Berlin",
    ),
    pytest.param(
        "Europe/Berlin",
        "2027-10-30 00:00",
        "30 2 * * *",
        ["30 02:30+0200", "31 02:30+0100", "01 02:30+0100"],
        id="fold 2027, Berlin",
    ),
    pytest.param(
        "Europe/Berlin",
        "2027-03-27 00:00",
        "15 2 * * *",
        ["27 02:15+0100", "28 03:15+0200", "29 02:15+0200"],
        id="gap, another minute",
    ),
    pytest.param(
        "Europe/Berlin",
        "2027-03-27 00:00",
        "0 3 * * *",
        ["27 03:00+0100", "28 03:00+0200", "29 03:00+0200"],
        id="gap, its end",
    ),
    pytest.param(
        "America/Santiago",
        "2027-09-04 00:00",
        "0 0 * * *",
        ["04 00:00-0400", "05 01:00-0300", "06 00:00-0300"],
        id="gap at midnight, the southern half",
    ),
    pytest.param(
        "Australia/Lord_Howe",
        "2027-04-03 00:00",
        "15 2 * * *",
        ["03 02:15+1100", "04 02:15+1030", "05 02:15+1030"],
        id="fold of half an hour",
    ),
    pytest.param(
        "Australia/Lord_Howe",
        "2027-10-02 00:00",
        "15 2 * * *",
        ["02 02:15+1030", "03 02:45+1100", "04 02:15+1100"],
        id="gap of half an hour",
    ),
    pytest.param(
        "Asia/Kolkata",
        "2027-03-27 00:00",
        "30 2 * * *",
        ["27 02:30+0530", "28 02:30+0530", "29 02:30+0530"],
        id="no change",
    ),
    pytest.param("Europe/Berlin", "2027-03-27 00:00", "30 2 * * SUN", ["28 03:30+0200"], id="gap, of one weekday"),
]


@pytest.mark.parametrize(("zone", "first", "cron", "expected"), DAILY)
async def test_a_daily_run_comes_once_a_day_and_out_of_a_gap_at_the_moment_it_would_have_been(
    client: Client, zone: str, first: str, cron: str, expected: list[str]
) -> None:
    assert shown(await fired(client, first, 70, cron=cron, timezone=zone), zone) == expected


DAYS = [
    ("Europe/Berlin", "2027-03-28 00:00"),
    ("Europe/Berlin", "2026-10-25 00:00"),
    ("Europe/Berlin", "2027-10-31 00:00"),
    ("America/Santiago", "2027-09-04 22:00"),
    ("America/Santiago", "2027-04-03 22:00"),
    ("Asia/Kolkata", "2027-03-28 00:00"),
]
HALF_HOURS = [("Australia/Lord_Howe", "2027-10-03 00:00"), ("Australia/Lord_Howe", "2027-04-04 00:00")]


@pytest.mark.parametrize(("zone", "first"), DAYS)
@pytest.mark.parametrize(("cron", "every"), [("0 * * * *", HOUR), ("@hourly", HOUR), ("7 * * * *", HOUR)])
async def test_an_hourly_run_comes_every_hour_whatever_clocks_do(
    client: Client, zone: str, first: str, cron: str, every: timedelta
) -> None:
    runs = await fired(client, first, 9, cron=cron, timezone=zone)
    assert len(runs) in (9, 10)
    assert {later - sooner for sooner, later in pairwise(runs)} == {every}
    minute = 7 if cron.startswith("7") else 0
    assert {run.astimezone(ZoneInfo(zone)).minute for run in runs} == {minute}


@pytest.mark.parametrize(("zone", "first"), DAYS + HALF_HOURS)
async def test_a_run_every_quarter_of_an_hour_never_leaves_one_out(client: Client, zone: str, first: str) -> None:
    runs = await fired(client, first, 9, cron="*/15 * * * *", timezone=zone)
    assert len(runs) == 37
    assert {later - sooner for sooner, later in pairwise(runs)} == {15 * MINUTE}


@pytest.mark.parametrize(
    ("first", "gaps"),
    [
        pytest.param("2027-10-03 00:00", {HOUR, HOUR / 2}, id="put forward by half an hour"),
        pytest.param("2027-04-04 00:00", {HOUR, HOUR * 1.5}, id="put back by half an hour"),
    ],
)
async def test_where_clocks_change_by_half_an_hour_the_hour_on_the_wall_is_kept(
    client: Client, first: str, gaps: set[timedelta]
) -> None:
    runs = await fired(client, first, 9, cron="0 * * * *", timezone="Australia/Lord_Howe")
    assert {later - sooner for sooner, later in pairwise(runs)} == gaps


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("2027-03-28 00:00", ["28 00:00+0100", "28 03:00+0200", "28 04:00+0200", "28 06:00+0200"]),
        ("2026-10-25 00:00", ["25 00:00+0200", "25 02:00+0100", "25 04:00+0100"]),
    ],
)
async def test_every_other_hour_of_the_clock_is_kept_once_each(client: Client, first: str, expected: list[str]) -> None:
    runs = await fired(client, first, 5.5, cron="0 */2 * * *", timezone="Europe/Berlin")
    assert shown(runs, "Europe/Berlin") == expected


async def test_the_hour_after_clocks_are_put_back_is_not_left_out(client: Client) -> None:
    runs = await fired(client, "2026-10-25 03:00", 1.5, cron="*/15 1-4 * * *", timezone="Europe/Berlin")
    assert shown(runs, "Europe/Berlin")[:4] == ["25 03:00+0100", "25 03:15+0100", "25 03:30+0100", "25 03:45+0100"]


async def test_temporal_alone_would_leave_them_out(client: Client) -> None:
    """Why this is mended. Once it is not so any more, the mending can go."""
    raw = ScheduleSpec(cron_expressions=["30 2 * * *"], time_zone_name="Europe/Berlin")
    hourly = ScheduleSpec(cron_expressions=["0 * * * *"], time_zone_name="Europe/Berlin")
    async with asked(client, raw) as question, asked(client, hourly) as other:
        runs = await question.times(datetime(2027, 3, 27, 23, tzinfo=UTC), datetime(2027, 3, 28, 22, tzinfo=UTC))
        hours = await other.times(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))
    assert runs == []
    assert max(later - sooner for sooner, later in pairwise(hours)) == 2 * HOUR


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        pytest.param("2027-01-01 21:00", 10_800, id="B1: three hours before midnight"),
        pytest.param("2027-01-01 00:20", 85_200, id="B3: twenty minutes after it"),
    ],
)
async def test_cron_waits_for_its_next_time(client: Client, now: str, wait: int) -> None:
    begin = datetime.fromisoformat(now).replace(tzinfo=UTC)
    spec = (await plan(client, cron="0 0 * * *", timezone="UTC", jitter="0")).anchored(begin)
    async with asked(client, spec) as question:
        first, *_ = await question.times(begin, begin + 2 * DAY)
    assert (first - begin).total_seconds() == wait


@pytest.mark.parametrize("every", ["30s", "15m", "6h", "1d", "1w", "1mo"])
async def test_b5_an_interval_beats_from_its_anchor_on(client: Client, every: str) -> None:
    anchor = datetime(2027, 1, 1, 12, 34, 56, tzinfo=UTC)
    made = await plan(client, every=every, jitter="0")
    seconds = made.timing.every_s
    assert seconds is not None
    step = timedelta(seconds=seconds)
    async with asked(client, made.anchored(anchor)) as question:
        runs = await question.times(anchor, anchor + 3 * step)
    assert runs == [anchor + step, anchor + 2 * step, anchor + 3 * step]


async def existing(client: Client, id: str, spec: ScheduleSpec) -> None:
    action = ScheduleActionStartWorkflow(SCHEDULED_SYNC, {}, id=id, task_queue=WORKFLOW_QUEUE)
    await client.create_schedule(id, Schedule(action=action, spec=spec, state=ScheduleState(paused=True)))


@pytest.mark.parametrize(
    ("times", "amount", "least", "most"),
    [
        pytest.param({"every": "89m"}, 2, -1, 1, id="B11: an interval, to both sides"),
        pytest.param({"every": "100m"}, 5, -2.5, 2.5, id="B12: an interval"),
        pytest.param({"cron": "0 3 * * *", "timezone": "UTC"}, 25, 0, 25, id="B12: cron, never earlier"),
        pytest.param({"cron": "0 * * * *", "timezone": "UTC"}, 2, 0, 2, id="B11: hourly cron, never earlier"),
        pytest.param({"every": "5m"}, 0, 0, 0, id="B10"),
    ],
)
async def test_jitter_spreads_the_runs_of_each_schedule_in_its_own_way_that_never_changes(
    client: Client, times: dict[str, str], amount: float, least: float, most: float
) -> None:
    made = await plan(client, **times)
    assert made.jitter_s == amount * 60
    exact, spread = (await plan(client, **times, jitter="0")).anchored(NOW), made.anchored(NOW)
    names = [f"schedule/{amount}-{least}-{name}" for name in ("a", "b")]
    for name in names:
        await existing(client, name, spread)
    async with asked(client, exact) as question:
        nominal = (await question.times(NOW, NOW + 30 * DAY))[:20]
    found = [(await matching_times(client, name, NOW, NOW + 30 * DAY))[:20] for name in names]
    again = (await matching_times(client, names[0], NOW, NOW + 30 * DAY))[:20]
    assert found[0] == again
    assert (found[0] == found[1]) == (amount == 0)
    for runs in found:
        moved = [(run - due).total_seconds() / 60 for run, due in zip(runs, nominal, strict=True)]
        assert least <= min(moved)
        assert max(moved) <= most
        assert min(runs) > NOW, "B13"


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"cron": "99 * * * *", "timezone": "UTC"}, "cron: Minute is not in range"),
        ({"cron": "0 3 * *", "timezone": "UTC"}, "cron: CronString does not have 5-7 fields"),
        ({"cron": "0 0 31 2 *", "timezone": "UTC"}, "cron: 0 0 31 2 . has no time in the next 5 years"),
    ],
)
async def test_a_cron_expression_that_is_none_is_refused_in_temporal_s_words(
    client: Client, times: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await plan(client, **times)


async def test_no_question_stays(client: Client) -> None:
    await plan(client, cron="0 3 * * *", timezone="Europe/Berlin")
    async with asyncio.timeout(30):  # Temporal's list is a moment behind
        while [each.id async for each in await client.list_schedules() if each.id.startswith("schedule-question/")]:
            await asyncio.sleep(0.2)
