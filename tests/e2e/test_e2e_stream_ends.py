"""A source that loses a record, says so, sends a state behind it all the same and exits 0: nothing is lost for good.

Its state is never committed: the next attempt goes on from the one that was committed before.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from e2e_support import Ended, Place, catalog, misbehaving

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]
STREAMS = ("a", "b")
RECORDS, KEPT = 10, 4
TROUBLES = ("stream error", "source error", "incomplete")
FAILURES: dict[str, list[tuple[str, str, str | None]]] = {
    "stream error": [("system_error", "stream a broke", "a"), ("system_error", "stream b broke", "b")],
    "source error": [("system_error", "stream a broke", None), ("system_error", "stream b broke", None)],
    "incomplete": [("stream_incomplete", "the source could not complete a, b", None)],
}
"""Type, message and stream, of the source while it read. What the destination makes of such an end comes after it."""


def select(place: Place, query: str, *arguments: object) -> list[asyncpg.Record]:
    """Rows of the stack's own database."""

    async def selected() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(place.stack()["database_url"])
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    return asyncio.run(selected())


@dataclass(frozen=True)
class Run:
    """A sync of such a source, and what the database has of it."""

    place: Place
    ended: Ended

    @property
    def report(self) -> dict[str, Any]:
        return self.ended.report

    def positions(self, attempt: int) -> list[tuple[str, int]]:
        """Every state that this attempt committed: stream and where it goes on."""
        rows = select(
            self.place,
            "select stream, state from state_log where job_id = $1 and attempt = $2 order by stream, seq",
            self.report["job_id"],
            attempt,
        )
        blobs = [json.loads(row["state"])["stream"]["stream_state"] for row in rows]
        return [(row["stream"], blob["next"]) for row, blob in zip(rows, blobs, strict=True)]

    def evidence(self, attempt: int) -> dict[str, Any]:
        """What was seen of this attempt."""
        return dict(json.loads(self._attempt(attempt)["evidence"]))

    def failures(self, attempt: int) -> list[tuple[str | None, ...]]:
        """Origin, command, type, message and stream."""
        words = ("origin", "command", "type", "message", "stream")
        return [tuple(each[word] for word in words) for each in json.loads(self._attempt(attempt)["failures"])]

    def _attempt(self, number: int) -> asyncpg.Record:
        query = "select evidence, failures from attempts where job_id = $1 and number = $2"
        (row,) = select(self.place, query, self.report["job_id"], number)
        return row


def sync(place: Place, trouble: str, *, kept: int, retries: int) -> Run:
    content = {
        "connection": f"keeps-{kept}-of-{RECORDS}-{trouble}".replace(" ", "-"),
        "source": misbehaving(
            "error-then-state-then-exit-0", streams=list(STREAMS), records=RECORDS, kept=kept, trouble=trouble
        ),
        "destination": place.jsonl(),
        "catalog": catalog(*STREAMS),
    }
    return Run(place, place.sync(content, "--retries", str(retries), "--launcher", "process"))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_next_attempt_goes_on_before_the_trouble_and_nothing_is_lost(place: Place, trouble: str) -> None:
    run = sync(place, trouble, kept=KEPT, retries=3)
    whole = json.dumps(run.report)
    assert (run.ended.code, run.report["status"], len(run.report["attempts"])) == (0, "succeeded", 2), whole
    first, second = run.report["attempts"]
    assert (first["status"], second["status"]) == ("failed", "succeeded"), whole
    told = FAILURES[trouble]
    assert run.failures(0)[: len(told)] == [("source", "read", *each) for each in told], whole
    assert run.evidence(1)["records_emitted"] == (RECORDS - KEPT) * len(STREAMS)
    for stream in STREAMS:
        assert place.ids(stream) == list(range(RECORDS)), whole
    assert run.positions(0) == [("a", KEPT), ("b", KEPT)]
    assert run.evidence(0)["states_held_back"] == len(STREAMS)
    assert run.report["attempts"][0]["records_committed"] == KEPT * len(STREAMS)
    assert run.positions(1) == [("a", RECORDS), ("b", RECORDS)]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_without_an_earlier_state_nothing_is_committed_at_all(place: Place, trouble: str) -> None:
    run = sync(place, trouble, kept=0, retries=0)
    assert (run.ended.code, run.report["status"], run.report["records_committed"]) == (1, "failed", 0)
    assert run.positions(0) == []
    assert {each["status"] for each in run.report["streams"]} == {"incomplete"}
    assert all(len(place.ids(stream)) == RECORDS - 1 for stream in STREAMS)
