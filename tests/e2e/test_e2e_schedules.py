"""Schedules through the whole stack: no two syncs of a connection at once, whoever starts them; skips are counted."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from e2e_support import TEMPORAL, WAIT_S, Ended, Place, catalog, until

from airbyte_workers.client import Client, ScheduleExists
from airbyte_workers.models import NoteSkip
from airbyte_workers.settings import Settings
from airbyte_workers.store import schedules as store

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]
SYNC_S, EVERY_S, WATCHED_S = 12, 5, 60
FAST: dict[str, Any] = {"records": 5}
SLOW: dict[str, Any] = {"records": SYNC_S, "state_every": 1, "delay_ms": 1000}


@pytest.fixture
def scheduled(place: Place) -> Iterator[Place]:
    """A place whose schedules go with the test."""
    yield place
    for view in schedule(place, "list"):
        assert place.run("schedule", "delete", view["schedule_id"]).code == 0
        if view["live"] is not None and view["live"]["job_id"] is not None:
            place.run("jobs", "cancel", str(view["live"]["job_id"]), "--now")


def content(place: Place, name: str, **source: Any) -> dict[str, Any]:
    """A connection in which every sync reads all."""
    return place.described(name, **source) | {"catalog": catalog("stream_0", sync_mode="full_refresh")}


def stored(place: Place, name: str, **source: Any) -> None:
    """Sync a connection once."""
    ended = place.sync(content(place, name, **source))
    assert ended.code == 0, ended.err + ended.out


def schedule(place: Place, *words: str) -> Any:
    ended = place.run("schedule", *words, "-o", "json")
    assert ended.code == 0, ended.err + ended.out
    return json.loads(ended.out)


def shown(place: Place, name: str) -> dict[str, Any]:
    return dict(schedule(place, "show", name))


def jobs(place: Place, name: str) -> list[dict[str, Any]]:
    """The connection's jobs, oldest first."""
    return place.jobs("--connection", name)[::-1]


def live_job(place: Place, name: str) -> int | None:
    live = shown(place, name)["live"]
    return live and live["job_id"]


def by_schedule(place: Place, job_id: int) -> bool:
    return "by its schedule" in place.run("jobs", "show", str(job_id)).out


def manual_sync(place: Place, name: str) -> Ended:
    return place.run("sync", name, "--detach")


@pytest.mark.timeout(400)
def test_a_schedule_that_is_faster_than_its_sync_never_overlaps_and_counts_what_it_skips(scheduled: Place) -> None:
    """Cases C1 and C8; every 5 s for a minute, with a sync of 12 s, and a change of the schedule meanwhile."""
    name = "overtaken"
    stored(scheduled, name, **SLOW)
    began = datetime.now().astimezone()
    view = schedule(scheduled, "create", name, "--every", f"{EVERY_S}s")
    assert (view["jitter_s"], view["timing"]["every_s"]) == (0, EVERY_S)
    refused = until(lambda: live_job(scheduled, name) and manual_sync(scheduled, name), "a scheduled job")
    assert (refused.code, "is already syncing (job " in refused.error) == (2, True)
    schedule(scheduled, "create", name, "--every", f"{EVERY_S}s", "--replace")
    until(lambda: (datetime.now().astimezone() - began).total_seconds() > WATCHED_S, "a minute", WATCHED_S + 30)
    schedule(scheduled, "pause", name)
    until(lambda: live_job(scheduled, name) is None, "the end of the last job")

    found = jobs(scheduled, name)[1:]
    spans = [(datetime.fromisoformat(each["created_at"]), datetime.fromisoformat(each["ended_at"])) for each in found]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans)), spans
    assert 2 <= len(found) <= WATCHED_S / SYNC_S + 1
    assert {each["status"] for each in found} == {"succeeded"}
    assert all(by_schedule(scheduled, each["job_id"]) for each in found)
    assert not by_schedule(scheduled, jobs(scheduled, name)[0]["job_id"])
    view = shown(scheduled, name)
    watched_s = (spans[-1][0] - began).total_seconds()
    assert view["skips"]["overlap"] + len(found) >= watched_s / EVERY_S - 2
    assert view["skips"]["overlap"] >= len(found)
    assert (view["last"]["job_id"], view["last"]["status"]) == (found[-1]["job_id"], "succeeded")
    assert scheduled.run("schedule", "list").out.count("overtaken") == 1


def test_a_scheduled_run_is_skipped_and_counted_while_a_sync_by_hand_runs(scheduled: Place) -> None:
    name = "byhand"
    stored(scheduled, name, **FAST)
    schedule(scheduled, "create", name, "--every", "1d", "--no-first-run")
    slow = scheduled.write(content(scheduled, name, records=1000, state_every=1, delay_ms=1000))
    assert scheduled.run("sync", "-f", str(slow), "--detach").code == 0
    job_id = until(lambda: live_job(scheduled, name), "the job that was started by hand")
    became = schedule(scheduled, "trigger", name)
    assert became["job_id"] is None
    assert f"connection {name} is syncing already (job {job_id}" in became["skipped"]
    view = shown(scheduled, name)
    assert (view["skips"]["busy"], view["last"]["skipped_for"]) == (1, job_id)
    assert view["live"] == view["live"] | {"job_id": job_id, "is_scheduled": False}
    assert f"job {job_id} (not by its schedule) runs since" in scheduled.run("schedule", "show", name).out
    assert "1: another job ran" in scheduled.run("schedule", "show", name).out
    assert scheduled.run("jobs", "cancel", str(job_id), "--now").code == 0
    assert len(jobs(scheduled, name)) == 2


def test_a_schedule_is_paused_resumed_triggered_and_deleted(scheduled: Place) -> None:
    name = "turned"
    stored(scheduled, name, **FAST)
    words = ("--cron", "0 3 * * *", "--timezone", "Asia/Kolkata", "--note", "for the report")
    created = scheduled.run("schedule", "create", name, *words)
    assert created.code == 0
    assert f"{name} is synced at 0 3 * * * (Asia/Kolkata); jitter: each run moves within 25m" in created.out
    runs = [line for line in created.out.splitlines() if "+05:30" in line]
    assert len(runs) == 5
    assert "airbyte-workers local" not in created.err, "it runs in the foreground"
    paused = scheduled.run("schedule", "pause", name, "--reason", "the source moves")
    assert (paused.code, "the source moves" in paused.out) == (0, True)
    view = shown(scheduled, name)
    assert (view["paused"], view["next_runs"], "the source moves" in view["turned"]) == (True, [], True)
    assert view["note"] == "for the report"
    too_long = scheduled.run("schedule", "pause", name, "--reason", "x" * 1001)
    assert (too_long.code, "reason: " in too_long.error) == (2, True)
    assert schedule(scheduled, "create", name, *words[:4], "--replace")["turned"] == view["turned"]
    job_id = schedule(scheduled, "trigger", name)["job_id"]  # a paused one, too
    until(lambda: scheduled.job(job_id)["status"] == "succeeded", "the triggered job")
    assert by_schedule(scheduled, job_id)
    resumed = schedule(scheduled, "resume", name, "--reason", "it has moved")
    assert (resumed["paused"], len(resumed["next_runs"]) > 4) == (False, True)
    assert ("it has moved" in resumed["turned"], resumed["note"]) == (True, "for the report")
    assert (resumed["last"]["job_id"], resumed["overdue"]) == (job_id, None)
    gone = scheduled.run("schedule", "delete", name)
    assert "the connection, its state and its jobs stay" in gone.out
    unknown = scheduled.run("schedule", "show", name)
    assert (unknown.code, f"there is no schedule for {name}" in unknown.error) == (1, True)
    assert len(jobs(scheduled, name)) == 2


def test_the_first_run_of_an_interval_comes_at_once_and_not_again_after_a_change(scheduled: Place) -> None:
    """Cases B4 to B6, and C7."""
    name = "atonce"
    stored(scheduled, name, **FAST)
    schedule(scheduled, "create", name, "--every", "1h", "--jitter", "0")
    first = until(lambda: jobs(scheduled, name)[1:], "the first run")[0]
    until(lambda: live_job(scheduled, name) is None, "its end")
    exists = scheduled.run("schedule", "create", name, "--every", "2h")
    assert (exists.code, "has a schedule already (every 1h); change it with --replace" in exists.error) == (2, True)
    view = schedule(scheduled, "create", name, "--every", "2h", "--jitter", "0", "--replace")
    due = datetime.fromisoformat(view["next_runs"][0])
    opened = datetime.fromisoformat(first["created_at"])
    assert abs((due - opened).total_seconds() - 7200) < 2
    assert len(jobs(scheduled, name)) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "nobody", "--every", "1h"), "there is no connection nobody"),
        (("create", "nobody"), "give either every"),
        (("create", "nobody", "--every", "1h", "--cron", "@daily"), "give either every"),
        (("create", "nobody", "--every", "soon"), "every: not a length of time"),
        (("create", "nobody", "--every", "1h", "--jitter", "1h"), "jitter is not shorter than every"),
        (("create", "nobody", "--every", "1h", "--catch-up", "5s"), "catch_up: shorter than 10 s"),
        (("create", "no body", "--every", "1h"), "connection: "),
        (("preview", "--cron", "99 * * * *"), "cron: Minute is not in range"),
        (("preview", "--cron", "0 3 * *"), "cron: CronString does not have 5-7 fields"),
        (("preview", "--cron", "0 0 31 2 *"), "cron: 0 0 31 2 * has no time in the next 5 years"),
        (("preview", "--cron", "@every 5m"), "cron: write an interval as --every"),
        (("preview", "--cron", "CRON_TZ=Asia/Tokyo 0 3 * * *"), "cron: give the time zone by itself (--timezone)"),
        (("preview", "--cron", "0 3 * * *", "--timezone", "Mars/Base"), "timezone: Mars/Base is no time zone"),
        (("preview", "--every", "6h", "--from", "2027-03-02", "--to", "2027-03-01"), "is not after the begin"),
        (("preview", "--every", "6h", "--to", "2020-01-01"), "is not after the begin"),
        (("pause", "nobody"), "there is no schedule for nobody"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused_by_its_field(place: Place, words: tuple[str, ...], said: str) -> None:
    ended = place.run("schedule", *words)
    assert said in ended.error
    assert ended.code == (1 if words[0] == "pause" else 2)


def test_a_preview_shows_a_day_on_which_clocks_change(place: Place) -> None:
    words = (
        "--cron",
        "30 2 * * *",
        "--timezone",
        "Europe/Berlin",
        "--jitter",
        "0",
        "--from",
        "2027-03-27",
        "--count",
        "3",
    )
    ended = place.run("schedule", "preview", *words, TZ="Europe/Berlin")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "Sat 2027-03-27 02:30:00 +01:00",
        "Sun 2027-03-28 03:30:00 +02:00",
        "Mon 2027-03-29 02:30:00 +02:00",
    ]
    abroad = place.run("schedule", "preview", *words, TZ="Asia/Kolkata")
    assert abroad.out.splitlines()[1] == (
        "Sun 2027-03-28 03:30:00 +02:00   (Sun 2027-03-28 07:00:00 +05:30 Asia/Kolkata)"
    )


def test_a_preview_near_the_end_of_all_years_is_told_all_the_same(place: Place) -> None:
    ended = place.run("schedule", "preview", "--every", "6h", "--jitter", "0", "--from", "9998-01-01", TZ="UTC")
    assert (ended.code, "Traceback" in ended.err) == (0, False)


def test_a_name_means_the_connection_before_it_means_the_id_of_another_one_s_schedule(scheduled: Place) -> None:
    """Made by hand: `plainone` is an id for another connection, `plaintwo` the id of something foreign."""
    by_temporal(scheduled, "plainone", "ScheduledSync", {"connection": "another"})
    by_temporal(scheduled, "plaintwo", "Sync", {"connection": "plaintwo"})
    try:
        assert shown(scheduled, "plainone")["schedule_id"] == "plainone", "no schedule is for a plainone"
        assert "it is not one of ours" in scheduled.run("schedule", "show", "plaintwo").error
        for name in ("plainone", "plaintwo"):
            by_temporal(scheduled, f"nightly-{name}", "ScheduledSync", {"connection": name})
        until(lambda: len(schedule(scheduled, "list")) == 3, "all three")
        for name in ("plainone", "plaintwo"):
            assert schedule(scheduled, "delete", name)["schedule_id"] == f"nightly-{name}"
        assert shown(scheduled, "another")["schedule_id"] == "plainone"
    finally:
        schedule_by_hand(scheduled, "delete", "--schedule-id", "plaintwo")


async def test_who_is_too_late_is_told_of_the_schedule_that_there_is(scheduled: Place) -> None:
    name = "hurried"
    await asyncio.to_thread(stored, scheduled, name, **FAST)
    async with Client.connect(Settings(home=scheduled.home)) as client:
        orders = [{"connection": name, "every": f"{hours}h", "paused": True} for hours in range(1, 5)]
        told = await asyncio.gather(*map(client.schedules.create, orders), return_exceptions=True)
        made = (await client.schedules.show(name)).timing.what
    late = [str(each) for each in told if isinstance(each, ScheduleExists)]
    assert (len(told), len(late)) == (4, 3), told
    assert {each.split(";")[0] for each in late} == {f"connection {name} has a schedule already ({made})"}


async def test_a_schedule_that_is_deleted_by_hand_meanwhile_is_left_out_and_its_count_is_forgotten(
    scheduled: Place,
) -> None:
    by_temporal(scheduled, "vanishing", "ScheduledSync", {"connection": "vanishing"})
    async with Client.connect(Settings(home=scheduled.home)) as client:
        db, access = await client.database(), client.schedules.access
        found = await access.described("vanishing")
        assert found is not None
        skip = NoteSkip(connection="vanishing", run_id="a", schedule_id="vanishing")
        await store.count_skip(db, skip, None)
        [view] = await access.views([found])
        assert view.skips.busy == 1
        schedule_by_hand(scheduled, "delete", "--schedule-id", "vanishing")
        info = replace(found.info, created_at=datetime.now().astimezone() - timedelta(days=3))
        unknown = replace(found, id="vanished", info=info)  # Temporal answers for a deleted one, until it is cleaned up
        assert list(await access.views([unknown])) == []

        by_temporal(scheduled, "vanishing", "ScheduledSync", {"connection": "vanishing"})
        assert (await client.schedules.show("vanishing")).skips.busy == 0, "of the one before"
        await store.count_skip(db, skip, None)
        assert (await client.schedules.show("vanishing")).skips.busy == 1
        schedule_by_hand(scheduled, "delete", "--schedule-id", "vanishing")
        await client.schedules.list()
        assert "vanishing" not in await store.counted(db)


def test_a_schedule_made_by_hand_is_listed_and_run(scheduled: Place) -> None:
    name = "handmade"
    stored(scheduled, name, **FAST)
    by_temporal(scheduled, "nightly", "ScheduledSync", {"connection": name})
    by_temporal(scheduled, "ghostly", "ScheduledSync", {"connection": "ghost"})
    by_temporal(scheduled, "foreign", "Sync", {"connection": name})
    try:
        listed = until(lambda: len(schedule(scheduled, "list")) == 2 and scheduled.run("schedule", "list"), "both")
        assert f"{name} (nightly)" in listed.out
        assert "ghost (ghostly): broken: no connection ghost is stored" in listed.err
        view = shown(scheduled, name)
        assert (view["schedule_id"], view["timing"]["what"]) == ("nightly", "0 3 * * * (UTC)")
        job_id = schedule(scheduled, "trigger", "nightly")["job_id"]
        assert by_schedule(scheduled, job_id)
        failed = scheduled.run("schedule", "trigger", "ghostly")
        assert (failed.code, "there is no connection ghost" in failed.err) == (1, True)
        foreign = scheduled.run("schedule", "delete", "foreign")
        assert (foreign.code, "starts Sync, not ScheduledSync: it is not one of ours" in foreign.error) == (2, True)
        until(lambda: live_job(scheduled, name) is None, "the end of the job")
    finally:
        schedule_by_hand(scheduled, "delete", "--schedule-id", "foreign")


def by_temporal(place: Place, id: str, kind: str, input: dict[str, Any]) -> None:
    words = ("--cron", "0 3 * * *", "--type", kind, "--task-queue", "airbyte", "--workflow-id", f"{id}-run")
    schedule_by_hand(place, "create", "--schedule-id", id, *words, "--input", json.dumps(input))


def schedule_by_hand(place: Place, *words: str) -> None:
    address = str(place.stack()["temporal_address"])
    done = subprocess.run(
        [TEMPORAL, "schedule", *words, "--address", address],
        env=place.environment, capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_run_that_no_worker_takes_up_is_said_to_be_overdue(alone: Place) -> None:
    """Its runs go to a queue that nobody polls, as if there were no Temporal worker."""
    variables = {"AIRBYTE_WORKERS_SCHEDULE_OVERDUE_S": "2", "AIRBYTE_WORKERS_SCHEDULE_TRIGGER_WAIT_S": "3"}
    place = Place(alone.work, alone.home, alone.variables | variables)
    with place.local():
        stored(place, "waits", **FAST)
        schedule(place, "create", "waits", "--every", "1d", "--no-first-run")
        by_temporal_queue(place, "elsewhere", "waits")
        became = schedule(place, "trigger", "elsewhere")
        assert "no Temporal worker takes it up" in became["waits"]
        again = schedule(place, "trigger", "elsewhere")
        assert "the schedule's last run is not over" in again["skipped"]
        overdue = until(lambda: shown(place, "elsewhere")["overdue"], "the overdue run")
        assert "no Temporal worker takes it up" in overdue["why"]
        assert "airbyte-workers worker" in overdue["advice"]
        assert shown(place, "waits")["overdue"] is None


def by_temporal_queue(place: Place, id: str, name: str) -> None:
    words = ("--interval", "24h", "--type", "ScheduledSync", "--task-queue", "nobody-polls", "--workflow-id", id)
    schedule_by_hand(
        place,
        "create",
        "--schedule-id",
        id,
        *words,
        "--overlap-policy",
        "Skip",
        "--input",
        json.dumps({"connection": name}),
    )


def test_who_makes_a_schedule_in_a_stack_that_stops_by_itself_is_told(alone: Place) -> None:
    stored(alone, "unattended", **FAST)
    created = alone.run("schedule", "create", "unattended", "--cron", "0 3 * * *", "--timezone", "UTC")
    assert created.code == 0
    assert "stops when nobody uses it; keep it running with: airbyte-workers local" in created.err
    with alone.local():  # which goes on with the same schedule
        assert shown(alone, "unattended")["timing"]["what"] == "0 3 * * * (UTC)"
        assert "airbyte-workers local" not in alone.run("schedule", "show", "unattended").err
