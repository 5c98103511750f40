"""PostgreSQL is away for the Temporal worker and its pods, and more goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from e2e_addressed import addressed, working
from e2e_support import Place, until
from outage import Way

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
RECORDS = 3000


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    with addressed(alone) as place:
        yield place


@contextmanager
def way_to(url: str) -> Iterator[tuple[Way, asyncio.AbstractEventLoop]]:
    """A way to the server of this address, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    way = Way(url)
    try:
        wait(loop, way.open())
        yield way, loop
        wait(loop, way.cut())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def wait(loop: asyncio.AbstractEventLoop, doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(doing, loop).result(20)


def test_what_was_acknowledged_meanwhile_is_not_read_again_though_the_orchestrator_dies(shared: Place) -> None:
    content = shared.described("journalled", records=RECORDS, state_every=50, delay_ms=100)
    with way_to(shared.variables["DATABASE_URL"]) as (way, loop), working(by(shared, way)):
        with shared.started("sync", "-f", str(shared.write(content)), "-o", "json") as sync:
            until(lambda: len(shared.lines("stream_0")) >= 100, "the first records")
            wait(loop, way.cut())
            seen = len(shared.lines("stream_0"))
            until(lambda: len(shared.lines("stream_0")) >= seen + 500, "records that come without PostgreSQL")
            until(lambda: list((shared.home / "pods").glob("replication-*/orchestrator/journal")), "a journal")
            until(lambda: len(shared.lines("stream_0")) >= seen + 700, "what the journal has then")
            shared.pod_program("orchestrator").kill()
            wait(loop, way.open())
            done = sync.ended(120)
        assert done.code == 0, done.err
        first, second = (attempt["records_committed"] for attempt in done.report["attempts"])
        assert first >= seen + 500
        assert first + second == RECORDS
        assert shared.ids("stream_0") == list(range(RECORDS))
        assert shared.pods_left() == []


def by(place: Place, way: Way) -> Place:
    """The place of a Temporal worker that reaches PostgreSQL by this way."""
    return replace(place, variables=place.variables | {"DATABASE_URL": way.url})
