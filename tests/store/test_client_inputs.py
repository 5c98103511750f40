"""What a client gives to Temporal: ids in place of configs and of large catalogs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from outage import url_of

from airbyte_workers.client import Client
from airbyte_workers.runtime.payloads import data_converter
from airbyte_workers.settings import Settings
from airbyte_workers.store import handed
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
SECRET = {"password": "hunter2"}
CATALOG = {"streams": [{"stream": {"name": "users", "json_schema": {"note": "x" * 5000}}}]}
SYNC = {
    "connection": "demo",
    "source": {"image": "source:1", "config": SECRET},
    "destination": {"image": "destination:1", "config": SECRET},
}


@dataclass
class Temporal:
    """Keeps what it is given as it would stand in a history."""

    started: dict[str, bytes] = field(default_factory=dict)

    async def start_workflow(self, kind: str, given: Any, *, id: str, **options: Any) -> object:
        (payload,) = data_converter.payload_converter.to_payloads([given])
        self.started[id] = payload.data
        return object()


@pytest.fixture
def temporal() -> Temporal:
    return Temporal()


@pytest.fixture
async def client(temporal: Temporal, db: asyncpg.Pool, seal: Seal, server_url: str) -> AsyncIterator[Client]:
    await handed.publish_key(db, seal)
    client = Client(temporal, Settings(database_url=await url_of(db, server_url), inline_catalog_bytes=4000))  # type: ignore[arg-type]  # it only starts
    async with client._stack:
        yield client


async def waiting(db: asyncpg.Pool, seal: Seal) -> list[Any]:
    """What waits in the database, opened."""
    async with db.acquire() as session:
        rows = await session.fetch("select id from handed_configs order by created_at")
        return [await handed.take(session, seal, row["id"]) for row in rows]


@pytest.mark.parametrize("ask", ["start_check", "start_discover"])
async def test_the_config_of_a_question_goes_to_the_database_and_its_id_to_temporal(
    client: Client, temporal: Temporal, db: asyncpg.Pool, seal: Seal, ask: str
) -> None:
    await getattr(client, ask)({"image": "source:1", "config": SECRET})
    (given,) = temporal.started.values()
    assert b"config_id" in given
    assert b"hunter2" not in given
    assert await waiting(db, seal) == [SECRET]


async def test_both_configs_of_a_sync_go_to_the_database(
    client: Client, temporal: Temporal, db: asyncpg.Pool, seal: Seal
) -> None:
    await client.start_sync(SYNC)
    assert temporal.started.keys() == {"sync/demo"}
    assert b"hunter2" not in temporal.started["sync/demo"]
    assert await waiting(db, seal) == [SECRET, SECRET]


@pytest.mark.parametrize(("limit", "by_id"), [(4000, True), (8000, False)])
async def test_a_catalog_crosses_temporal_up_to_its_limit(
    client: Client, temporal: Temporal, db: asyncpg.Pool, seal: Seal, limit: int, by_id: bool
) -> None:
    client.settings = client.settings.model_copy(update={"inline_catalog_bytes": limit})
    await client.start_sync(SYNC | {"catalog": CATALOG})
    given = temporal.started["sync/demo"]
    assert (len(given) < 2000, b"json_schema" not in given, CATALOG in await waiting(db, seal)) == (by_id,) * 3
