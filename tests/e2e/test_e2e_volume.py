"""Two million records: the orchestrator's memory and the workflow's history do not grow with the data."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from e2e_support import Place, catalog
from temporalio.client import Client

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]
MANY = 2_000_000
MIB = 1024 * 1024


def content(place: Place, name: str, records: int) -> dict[str, Any]:
    return {
        "connection": name,
        "source": place.source(records=records, state_every=10_000),
        "destination": {"command": ["destination-null"]},
        "catalog": catalog("stream_0"),
    }


async def history(address: str, connection: str) -> list[int]:
    """The types of the events of a connection's last run."""
    client = await Client.connect(address)
    events = (await client.get_workflow_handle(f"sync/{connection}").fetch_history()).events
    await asyncio.sleep(0.05)  # sdk-python #300
    return [event.event_type for event in events]


def test_memory_and_history_are_bounded(place: Place) -> None:
    many = place.sync(content(place, "many", MANY), seconds=240)
    assert many.code == 0, many.err
    assert many.report["records_committed"] == MANY
    assert many.report["evidence"]["states_committed"] == 200
    few = place.sync(content(place, "few", 2)).report
    assert few["records_committed"] == 2
    (attempt,) = place.job(many.report["job_id"])["attempts"]
    assert 0 < attempt["peak_memory_bytes"] < 100 * MIB
    address = place.stack()["temporal_address"]
    assert asyncio.run(history(address, "many")) == asyncio.run(history(address, "few"))
