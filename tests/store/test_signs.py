"""Signs of life of a Temporal worker process: given only for what it can do now."""

from __future__ import annotations

import asyncio
import socket

import pytest
from desk import Desk
from temporalio.client import Client

from airbyte_workers.runtime.signs import Signs, telling

pytestmark = pytest.mark.postgres


@pytest.fixture
async def nobody() -> Client:
    """A client of a Temporal that does not answer."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    return await Client.connect(f"127.0.0.1:{port}", lazy=True)


async def test_who_does_not_reach_temporal_is_given_no_pods_to_watch_but_knows_that_the_database_is_there(
    desk: Desk, nobody: Client
) -> None:
    settings = desk.settings(dataplane="here", dataplane_sign_s=1)
    await Signs(desk.db, nobody, settings, watches=True).tell()
    row = await desk.db.fetchrow("select name, seen_since is not null as seen, watched_until from dataplanes")
    assert dict(row) == {"name": "here", "seen": True, "watched_until": None}


async def test_a_database_that_fails_ends_no_worker_and_signs_go_on_once_it_is_back(desk: Desk, nobody: Client) -> None:
    settings = desk.settings(dataplane="here", dataplane_sign_s=0.05)
    await desk.db.execute("alter table dataplanes rename to away")
    async with asyncio.timeout(30), telling(desk.db, nobody, settings, ["watch"]):
        await asyncio.sleep(0.5)
        await desk.db.execute("alter table away rename to dataplanes")
        while not await desk.db.fetchval("select count(*) from dataplanes"):
            await asyncio.sleep(0.01)
