"""Connections with a past of their own, for tests of states."""

from __future__ import annotations

import json

import asyncpg
import pytest
from rows import FAILED, close_job, open_attempt, open_with_catalog

from airbyte_workers.models import JobStatus
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store import connections, jobs, state_log, state_positions, states
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.state_log import Log
from airbyte_workers.store.states import StateRow, Writer


class Past:
    """A connection with jobs that are over, and what their ends are called."""

    def __init__(self, db: asyncpg.Pool, seal: Seal, name: str = "demo") -> None:
        self.db, self.seal, self.name = db, seal, name

    async def job(self, *blobs: int, status: JobStatus = JobStatus.FAILED) -> int:
        """A job that commits these one after another, and ends."""
        owner = await self.writer()
        job_id = owner.job_id
        for seq, blob in enumerate(blobs, 1):
            await states.commit(self.db, owner, [of_users(blob, seq)], [])
        await close_job(self.db, job_id, status, failures=FAILED.failures, by="me", reason="so")
        return job_id

    async def writer(self) -> Writer:
        """The attempt of a job that goes on."""
        job_id = await open_with_catalog(self.db, self.seal, self.name)
        attempt = await open_attempt(self.db, job_id, 0)
        job = await jobs.read_job(self.db, self.seal, job_id)
        assert job.connection_id is not None
        return Writer(job.connection_id, job_id, 0, attempt.fence)

    async def log(self) -> Log:
        return await state_log.open_log(self.db, self.name)

    async def at(self, point: Point) -> list[int]:
        """What was kept then."""
        log = await self.log()
        kept = await state_log.as_of(self.db, log, await state_positions.locate(self.db, log, point))
        return [json.loads(each.state or "")["c"] for each in kept]

    async def refused(self, point: Point) -> str:
        with pytest.raises(connections.Refused) as refusal:
            await self.at(point)
        return str(refusal.value)


def of_users(blob: int, seq: int) -> StateRow:
    return StateRow("STREAM", "users", None, json.dumps({"c": blob}), seq, records=10)
