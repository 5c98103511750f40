"""Two million records: the orchestrator's memory and the workflow's history do not grow with the data."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from e2e_support import Place, catalog
from temporalio.api.enums.v1 import EventType
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


async def history(address: str, connection: str) -> list[str]:
    """The kinds of the events of a connection's last run, sorted: both connectors are asked at once, and how many
    workflow tasks that takes depends on who answers first.
    """
    client = await Client.connect(address)
    events = (await client.get_workflow_handle(f"sync/{connection}").fetch_history()).events
    await asyncio.sleep(0.05)  # sdk-python #300
    names = sorted(EventType.Name(event.event_type) for event in events)
    return [name for name in names if not name.startswith("EVENT_TYPE_WORKFLOW_TASK_")]


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
