"""A rewind through the whole stack: the dry run tells what is read again, and the next sync reads exactly that."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from e2e_support import Place, catalog

from airbyte_workers.client import Client, InvalidInput, Point
from airbyte_workers.settings import Settings
from airbyte_workers.store.state_rewinds import Plan

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(200)]
FIRST, MORE, LAST = 10, 15, 17
STREAMS = ("stream_0", "stream_1")


def sync(place: Place, name: str, type: str, records: int, state_every: int = 2) -> dict[str, Any]:
    source = place.source(records=records, streams=2, state_every=state_every, state_type=type)
    content = {
        "connection": name,
        "source": source,
        "destination": place.jsonl(),
        "catalog": catalog(*STREAMS),
        "retries": {"max_retries": 0},
    }
    ended = place.sync(content)
    assert ended.code == 0, ended.err + ended.out
    return ended.report


def rows(place: Place) -> list[list[int]]:
    return [place.ids(stream) for stream in STREAMS]


def state(place: Place, *words: str) -> Any:
    ended = place.run("state", *words, "-o", "json")
    assert ended.code == 0, ended.err + ended.out
    return json.loads(ended.out)


def kept(place: Place, name: str) -> list[str | None]:
    """The states, as the Python client has them."""

    async def ask() -> list[str | None]:
        async with Client.connect(Settings(home=place.home)) as client:
            return [each.state for each in await client.states(name)]

    return asyncio.run(ask())


def rewound(place: Place, name: str, to: Point | int) -> Plan:
    """A rewind by the Python client."""

    async def ask() -> Plan:
        async with Client.connect(Settings(home=place.home)) as client:
            return await client.rewind(name, to, by="a test")

    return asyncio.run(ask())


@pytest.mark.parametrize("type", ["STREAM", "GLOBAL"])
def test_the_sync_after_a_rewind_reads_again_what_the_dry_run_said_and_not_after_it_was_undone(
    place: Place, type: str
) -> None:
    name = f"rewound-{type.lower()}"
    first = sync(place, name, type, FIRST)["job_id"]
    before = kept(place, name)
    second = sync(place, name, type, MORE)["job_id"]
    after = kept(place, name)
    once = [list(range(MORE))] * 2
    assert rows(place) == once

    dry = place.run("state", "rewind", name, "--to", str(first))
    assert dry.code == 0, dry.err
    whose = "stream_1: 5" if type == "STREAM" else "all streams together: 10"
    assert f"  {whose} records read again\n" in dry.out
    assert "    next: 15 -> 10\n" in dry.out
    assert dry.out.endswith(f"airbyte-workers state rewind {name} --to {first} --yes\n")
    assert kept(place, name) == after

    done = state(place, "rewind", name, "--to", str(first), "--yes")
    assert kept(place, name) == before
    undone = rewound(place, name, Point("entry", int(done["undo"].removeprefix("@"))))
    assert (kept(place, name), sum(undone.skipped.values())) == (after, 10)
    sync(place, name, type, MORE)
    assert rows(place) == once

    assert sum(rewound(place, name, Point("before", second)).again.values()) == 10
    last = sync(place, name, type, LAST, state_every=0)  # a state that destination-jsonl never saw: it drops nothing
    assert rows(place) == [[*range(MORE), *range(FIRST, LAST)]] * 2
    assert last["records_committed"] == 2 * (LAST - FIRST)
    assert sum(each["records"] for each in state(place, "log", name, "--limit", "1000")) == 2 * (MORE + LAST - FIRST)


def test_the_client_tells_a_connection_that_nobody_has_seen(place: Place) -> None:
    with pytest.raises(InvalidInput, match="there is no connection never-seen"):
        rewound(place, "never-seen", 1)
    with pytest.raises(InvalidInput, match="there is no connection never-seen"):
        kept(place, "never-seen")
