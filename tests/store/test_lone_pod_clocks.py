"""A pod alone, with connectors that keep it waiting: its clocks, its speed limits, and whom it says it waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from lone_pod import Pod, complete, pod_of, record, state

from airbyte_workers.models import AttemptSummary, Clocks, FailureType, SpeedLimits
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
SECOND = 1 / 60
OFF = {"source_silence_minutes": 0, "source_progress_minutes": 0, "acknowledgement_minutes": 0}
Opener = Callable[..., Any]


@pytest.fixture
def opened(db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path) -> Opener:
    """Opens a pod with these settings, clocks that are not named being off, and what its connection chose."""

    @asynccontextmanager
    async def opened(chosen: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Pod]:
        given = chosen or {}
        async with pod_of(db, seal, server_url, tmp_path, chosen=given, **(OFF | settings)) as (pod, _):
            yield pod

    return opened


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def ended(running: asyncio.Task[AttemptSummary]) -> AttemptSummary:
    async with asyncio.timeout(60):
        return await running


def begun(pod: Pod, **destination: bool | int) -> tuple[asyncio.Task[AttemptSummary], asyncio.Task[None]]:
    pod.reads.set()
    return asyncio.create_task(pod.run()), asyncio.create_task(pod.write(**destination))


# --- clocks ---


async def test_p9_a_silent_source_fails_the_attempt_and_its_destination_ends_in_order(
    opened: Opener, db: asyncpg.Pool
) -> None:
    async with opened(source_silence_minutes=SECOND) as pod:
        running, _ = begun(pod)
        await pod.source.say(record(1), state(1))
        summary = await ended(running)
        assert (summary.status, [each.type for each in summary.failures]) == ("failed", [FailureType.SOURCE_SILENT])
        assert "TERM" in pod.source.heard
        assert not {"TERM", "KILL"} & set(pod.destination.heard)
        assert (pod.records, await db.fetchval("select records_committed from attempts")) == (1, 1)


async def test_a_source_that_says_something_on_stderr_is_alive(opened: Opener) -> None:
    async with opened(source_silence_minutes=2 * SECOND) as pod:
        running, _ = begun(pod)
        for _ in range(30):
            await pod.source.murmur(b"still computing slices\n")
            await asyncio.sleep(0.1)
        assert not running.done()
        assert pod.replication.ledger.failures == []
        await pod.source.say(record(1), state(1), complete())
        pod.source.end()
        assert (await ended(running)).status == "succeeded"


async def test_p8_a_destination_that_takes_nothing_is_stopped_at_once(opened: Opener) -> None:
    async with opened(acknowledgement_minutes=SECOND) as pod:
        running = asyncio.create_task(pod.run())
        saying = asyncio.create_task(pod.source.say(*[record(number, 10_000) for number in range(1000)]))
        summary = await ended(running)
        await saying
        assert [each.type for each in summary.failures] == [FailureType.DESTINATION_TIMEOUT]
        assert "took nothing of its input" in summary.failures[0].message
        assert ("TERM" in pod.source.heard, "TERM" in pod.destination.heard) == (True, True)
        assert summary.blocked_on_destination_s >= 0.9


async def test_a_slow_destination_does_not_make_its_source_silent(opened: Opener) -> None:
    async with opened(source_silence_minutes=SECOND, source_progress_minutes=SECOND) as pod:
        running = asyncio.create_task(pod.run())
        saying = asyncio.create_task(pod.source.say(*[record(number, 10_000) for number in range(1000)]))
        await asyncio.wait([running], timeout=3)
        assert pod.replication.ledger.failures == []
        writing = asyncio.create_task(pod.write())
        pod.reads.set()
        await saying
        await pod.source.say(state(1), complete())
        pod.source.end()
        summary = await ended(running)
        await writing
        assert summary.status == "succeeded"
        assert summary.blocked_on_destination_s >= 2
        assert summary.moving_s >= summary.blocked_on_destination_s


async def test_a_destination_that_works_after_its_end_of_input_is_given_time_as_long_as_it_says_so(
    opened: Opener,
) -> None:
    async with opened(shutdown_grace_period_s=3, acknowledgement_minutes=60 * SECOND) as pod:
        pod.reads.set()
        running = asyncio.create_task(pod.run())
        await pod.source.say(record(1), state(1), complete())
        pod.source.end()
        lines = [line async for line in pod.destination.given()]
        for _ in range(20):
            await pod.destination.murmur(b"merging\n")
            await asyncio.sleep(0.2)
        await pod.destination.say(*(line for line in lines if b'"STATE"' in line))
        pod.destination.end()
        summary = await ended(running)
        assert (summary.status, pod.destination.heard) == ("succeeded", ["release"])


async def test_but_no_longer_than_an_acknowledgement_may_take(opened: Opener) -> None:
    async with opened(shutdown_grace_period_s=2, acknowledgement_minutes=4 * SECOND) as pod:
        pod.reads.set()
        running = asyncio.create_task(pod.run())
        await pod.source.say(record(1), state(1), complete())
        pod.source.end()
        while not running.done():
            await pod.destination.murmur(b"merging\n")
            await asyncio.sleep(0.05)
        summary = await ended(running)
        assert [each.type for each in summary.failures] == [FailureType.DESTINATION_TIMEOUT]
        assert "after its end of input" in summary.failures[0].message
        assert "TERM" in pod.destination.heard


async def test_a_cancel_waits_one_grace_and_no_more(opened: Opener) -> None:
    async with opened(shutdown_grace_period_s=1, acknowledgement_minutes=600 * SECOND) as pod:
        pod.reads.set()
        running = asyncio.create_task(pod.run())
        await pod.source.say(record(1), state(1), complete())
        pod.source.end()
        await until(lambda: pod.replication.phase == "finishing")
        pod.replication.cancel()
        while not running.done():
            await pod.destination.murmur(b"merging\n")
            await asyncio.sleep(0.05)
        assert (await ended(running)).status == "cancelled"
        assert "TERM" in pod.destination.heard


async def test_the_jobs_time_ends_an_attempt_that_does_well(opened: Opener) -> None:
    async with opened({"clocks": Clocks(total_minutes=5), "ends_by": datetime.now(UTC) + timedelta(seconds=1)}) as pod:
        running, _ = begun(pod)
        numbers = iter(range(10_000))
        while not running.done():
            number = next(numbers)
            await pod.source.say(record(number), state(number))
            await asyncio.sleep(0.02)
        summary = await ended(running)
        assert [each.type for each in summary.failures] == [FailureType.TOTAL_TIMEOUT]
        assert "took longer than 5 m 0 s" in summary.failures[0].message


# --- who was waited for ---


async def test_a_source_that_lets_us_wait_is_named_while_it_does_and_in_the_end(opened: Opener) -> None:
    async with opened() as pod:
        running, _ = begun(pod)
        await pod.source.say(record(1))
        async with asyncio.timeout(30):
            while pod.replication.progress().waiting_for != "source":
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert pod.replication.progress().waiting_share > 0.5
        await pod.source.say(state(1), complete())
        pod.source.end()
        summary = await ended(running)
        assert summary.blocked_on_source_s >= 1
        assert summary.blocked_on_source_s >= 0.5 * summary.moving_s
        assert summary.held_by_limit_s == 0


# --- speed limits ---


async def test_a_block_of_many_records_goes_through_at_the_limits_pace(opened: Opener) -> None:
    async with opened({"speed_limits": SpeedLimits(records_per_second=100)}) as pod:
        running, _ = begun(pod)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await pod.source.say(b"".join(record(number) for number in range(1, 301)) + state(300) + complete())
        seen: list[tuple[float, int]] = []
        while pod.records < 300:
            records = pod.records  # before the time: what comes in between must not count
            seen.append((loop.time() - began, records))
            await asyncio.sleep(0.01)
        assert all(records <= 100 * (seconds + 1) for seconds, records in seen)
        pod.source.end()
        summary = await ended(running)
        assert (summary.status, pod.records) == ("succeeded", 300)
        assert summary.held_by_limit_s >= 1.5


async def test_a_source_that_is_held_back_is_not_silent(opened: Opener) -> None:
    chosen = {"speed_limits": SpeedLimits(records_per_second=1)}
    async with opened(chosen, source_silence_minutes=SECOND / 2, source_progress_minutes=SECOND / 2) as pod:
        running, _ = begun(pod)
        await pod.source.say(b"".join(record(number) for number in range(1, 4)) + state(3) + complete())
        pod.source.end()
        assert (await ended(running)).status == "succeeded"


async def test_what_a_limit_holds_back_can_be_cancelled_at_once(opened: Opener) -> None:
    async with opened({"speed_limits": SpeedLimits(bytes_per_second=1)}) as pod:
        running, _ = begun(pod)
        await pod.source.say(*(record(number, 1000) for number in range(1, 4)))
        await until(lambda: pod.replication.progress().waiting_for == "limit")
        pod.replication.cancel()
        summary = await ended(running)
        assert (summary.status, pod.records) == ("cancelled", 1)
