"""Syncs between the scripted connectors, and what their notes and the job database tell of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from e2e_support import Ended, Place, catalog

STREAM = "stream_0"
RECORDS = 100
PART = 10
WITHOUT_DELAY = {"complete_failures_backoff_min_interval_s": 1, "complete_failures_backoff_max_interval_s": 1}
"""A connection whose failed attempts are followed after a second at most."""


@dataclass(frozen=True)
class Scripted:
    """One connection: its source and its destination note what they do in one file, so that their order is known."""

    place: Place
    name: str

    @property
    def out(self) -> Path:
        """The folder that the destination writes to; it makes it at its first check or write."""
        return self.place.work / f"{self.name}-out"

    def content(
        self,
        reads: str,
        *,
        retries: Any = WITHOUT_DELAY,
        source: dict[str, Any] | None = None,
        destination: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The sync file; `source` and `destination` add to their configs."""
        notes = {"notes": str(self.place.work / f"{self.name}.notes")}
        read = {**notes, "reads": reads, "records": RECORDS, "part": PART, **(source or {})}
        written = {**notes, "path": str(self.out), **(destination or {})}
        return {
            "connection": self.name,
            "source": {"command": _program("scripted_source"), "config": read},
            "destination": {"command": _program("scripted_destination"), "config": written},
            "catalog": catalog(STREAM),
            "retries": retries,
        }

    def sync(self, reads: str, *options: str, **content: Any) -> Ended:
        """Sync in the foreground to the end."""
        return self.place.sync(self.content(reads, **content), *options, seconds=300)

    # --- what happened ---

    def notes(self, *events: str, by: str | None = None) -> list[dict[str, Any]]:
        """What the connectors noted, in order: all, or these events of one of them."""
        file = self.place.work / f"{self.name}.notes"
        lines = file.read_bytes().splitlines() if file.exists() else []
        noted = [json.loads(line) for line in lines]
        return [each for each in noted if (not events or each["event"] in events) and by in (None, each["by"])]

    def told(self, *events: str) -> list[tuple[str, str]]:
        """Who did what, in order."""
        return [(each["by"], each["event"]) for each in self.notes(*events)]

    def ids(self) -> list[int]:
        """The ids of the records that the destination has."""
        file = self.out / f"{STREAM}.jsonl"
        return [json.loads(line)["id"] for line in file.read_bytes().splitlines()] if file.exists() else []

    # --- the job database ---

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        return asyncio.run(_rows(self.place.stack()["database_url"], query, arguments))

    def row(self, query: str, *arguments: Any) -> dict[str, Any]:
        (found,) = self.rows(query, *arguments)
        return found

    def attempts(self, job_id: int) -> list[dict[str, Any]]:
        return self.rows("select * from attempts where job_id = $1 order by number", job_id)

    def events(self, job_id: int, event: str | None = None) -> list[dict[str, Any]]:
        query = "select * from job_events where job_id = $1 and ($2::text is null or event = $2) order by id"
        return self.rows(query, job_id, event)

    def position(self) -> int:
        """Where the connection's committed state says that the next read begins."""
        query = "select state from states join connections on id = connection_id where name = $1"
        states = [json.loads(row["state"]) for row in self.rows(query, self.name)]
        return position_of(states)


def position_of(states: Sequence[dict[str, Any]] | None) -> int:
    """Where a read begins that is given these states: the connection has one stream at most."""
    if not states:
        return 0
    (state,) = states
    stream = state.get("stream", state)
    return int(stream.get("stream_state", stream)["next"])


def _program(module: str) -> list[str]:
    return [sys.executable, "-m", f"demo_connectors.{module}"]


async def _rows(url: str, query: str, arguments: Sequence[Any]) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        return [dict(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()
