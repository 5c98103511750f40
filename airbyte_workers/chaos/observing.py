"""What is there after a case: in the file, in the database, in object storage, on this host and on the engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airbyte_workers.chaos.books import AttemptRow, Books, JobRow
from airbyte_workers.chaos.checks import AttemptSeen, Seen
from airbyte_workers.chaos.engine import left_on
from airbyte_workers.chaos.folder import pod_processes
from airbyte_workers.chaos.stage import Stage
from airbyte_workers.chaos.syncs import Sync
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.store.objects import open_objects

_POLL_S = 0.1


@dataclass(frozen=True)
class Observer:
    """Looks at what one case left on the stage."""

    stage: Stage
    sync: Sync
    books: Books

    async def seen(self, job: JobRow | None, *, settle_s: float) -> Seen:
        """Everything that is judged; what is left of pods may take so long to go."""
        left = await self._left_after(job, settle_s)
        ids = await asyncio.to_thread(read_ids, self.sync.file)
        if job is None:
            return Seen(None, self.sync.records, ids=ids, left=left)
        return Seen(
            job.status,
            self.sync.records,
            tuple([await self._attempt(row) for row in job.attempts]),
            ids,
            await self.books.positions(),
            await self.books.committed(),
            left,
        )

    async def _attempt(self, row: AttemptRow) -> AttemptSeen:
        found = await Markers(open_objects(self.stage.settings), row.pod).read()
        told = msgspec.json.decode(found.body)["status"] if found.final else ""
        return AttemptSeen(row.status, found.marker, told)

    async def _left_after(self, job: JobRow | None, seconds: float) -> tuple[str, ...]:
        end = asyncio.get_running_loop().time() + seconds
        while left := await self.left(job):
            if asyncio.get_running_loop().time() > end:
                return left
            await asyncio.sleep(_POLL_S)
        return ()

    async def left(self, job: JobRow | None) -> tuple[str, ...]:
        """What of pods is there now, one line each."""
        places = await self.books.places(job.id) if job is not None else ()
        return (*await asyncio.to_thread(self._on_host), *await self._on_engine(), *places)

    def _on_host(self) -> Sequence[str]:
        """Processes, folders and pipes; names of processes alone, their arguments could hold anything."""
        pods = self.stage.folder.settings.pods_dir
        processes = [f"process {each.pid} of a pod" for each in pod_processes(pods)]
        folders = [f"{'pipe' if each.is_fifo() else 'file'} {each}" for each in sorted(pods.rglob("*"))]
        return (*processes, *folders)

    async def _on_engine(self) -> Sequence[str]:
        """Of an engine of our own everything counts, of the user's what carries our label."""
        engine = self.stage.engine_choice
        if engine is None or engine.address is None:
            return ()
        try:
            return await left_on(engine.address, self.stage.engine_labels)
        except EngineError as error:
            return (f"nobody knows what: {error}",)


def read_ids(file: Path) -> list[int]:
    """The ids of the records in the order of the file; a line without an end is not one yet."""
    written = file.read_bytes() if file.exists() else b""
    whole = [line for line in written.splitlines(keepends=True) if line.endswith(b"\n")]
    return [int(json.loads(line)["id"]) for line in whole]
