"""A pod whose watcher does not reach it: asked by its row, it ends as if it had been told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from lone_pod import Pod, pod_of, record, state

from airbyte_workers.models import AttemptSummary, FailureType
from airbyte_workers.store import workloads
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import StopAsked

pytestmark = pytest.mark.postgres


@pytest.fixture
async def pod(db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path) -> AsyncIterator[Pod]:
    async with pod_of(db, seal, server_url, tmp_path) as (pod, _):
        yield pod


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def begun(pod: Pod) -> tuple[asyncio.Task[AttemptSummary], asyncio.Task[None]]:
    """It has committed one record of a source that has not ended."""
    pod.reads.set()
    running, writing = asyncio.create_task(pod.run()), asyncio.create_task(pod.write())
    await pod.source.say(record(1), state(1), record(2))
    await until(lambda: pod.replication.progress().states_committed == 1)
    return running, writing


async def ended(running: asyncio.Task[AttemptSummary]) -> AttemptSummary:
    async with asyncio.timeout(30):
        return await running


async def test_a_pod_that_is_asked_to_end_does_so_in_order(pod: Pod, db: asyncpg.Pool) -> None:
    running, _ = await begun(pod)
    await workloads.ask_to_stop(db, pod.given.pod, StopAsked.END)
    summary = await ended(running)
    assert summary.status == "cancelled"
    assert FailureType.SUPERSEDED not in [each.type for each in summary.failures]
    assert (pod.source.heard, pod.records) == (["TERM"], 2)
    assert "KILL" not in pod.destination.heard


async def test_a_pod_that_is_asked_to_end_now_kills_what_takes_its_time(pod: Pod, db: asyncpg.Pool) -> None:
    """A source that takes no notice of SIGTERM had five seconds, and its destination more."""
    pod.source.deaf = pod.destination.deaf = True
    running, _ = await begun(pod)
    await workloads.ask_to_stop(db, pod.given.pod, StopAsked.END)
    await until(lambda: pod.source.heard == ["TERM"])
    await workloads.ask_to_stop(db, pod.given.pod, StopAsked.NOW)
    await until(lambda: "KILL" in pod.source.heard and "KILL" in pod.destination.heard)
    assert (await ended(running)).status == "cancelled"
