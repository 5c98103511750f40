"""The journal of a pod: what is acknowledged and cannot be committed, durable on the disk of the pod's host.

It is written only while PostgreSQL is away, and then as a whole: what waits is merged as it grows, so that it has one
state a key. Whoever reads it finds the old content or the new one.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from airbyte_workers.names import JOURNAL
from airbyte_workers.store.journals import Entry, Journal
from airbyte_workers.store.states import Writer


class JournalFile:
    """The journal in an orchestrator's own folder."""

    def __init__(self, folder: Path, writer: Writer, *, longest: int) -> None:
        """`longest`: bytes that it may have."""
        self.writer = writer
        self._longest = longest
        self._path = folder / JOURNAL
        self._exists = False

    async def keep(self, entries: Sequence[Entry]) -> None:
        """Make these what the journal has. Raises OSError: they are too much, or the disk is full."""
        await asyncio.to_thread(self._write, Journal(writer=self.writer, entries=tuple(entries)))
        self._exists = True

    async def clear(self) -> None:
        """Everything is committed."""
        if self._exists:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
            self._exists = False

    def _write(self, journal: Journal) -> None:
        content = journal.model_dump_json().encode()
        if len(content) > self._longest:
            raise OSError(errno.EFBIG, "more than JOURNAL_BYTES")
        partial = self._path.with_name(f"{JOURNAL}.tmp")
        with open(partial, "wb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        _sync_folder(self._path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    """Only then does the new name outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
