"""The dead letters of an attempt as they are read: `orchestrator/dead_letters.py` writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from airbyte_workers.store.log_objects import attempt_folder, dead_letter_folder
from airbyte_workers.store.objects import Objects


async def read(objects: Objects, job_id: int, attempt: int) -> AsyncIterator[bytes]:
    """JSON lines in the order in which they came, an object after the other; `attempt` counts from 0.

    Raises StorageError.
    """
    for key in await objects.keys(dead_letter_folder(attempt_folder(job_id, attempt))):
        yield await objects.get(key) or b""
