"""Environments of connectors that nothing has used for long: an installed one says when by the time of its ready.json.

Safe beside launches: it goes under the lock of whoever installs it, by one rename, with a last look at its time. A
launch that chose it in that very moment fails to start, is tried again, and then installs it anew.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from airbyte_workers.pods.locks import exclusive, to_its_end
from airbyte_workers.settings import Settings

_LOCK_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Unused:
    """An environment that was removed, or would be."""

    name: str
    bytes: int


async def remove_unused(settings: Settings, now: datetime, *, dry: bool) -> AsyncIterator[Unused]:
    """Remove what nothing used for the setting's days, or only tell. A sync that still runs was started more lately."""
    if not settings.connector_environment_days:
        return
    days = max(settings.connector_environment_days, settings.sync_job_max_timeout_days + 1)
    before = (now - timedelta(days=days)).timestamp()
    root = (settings.home / "connectors").absolute()
    for folder in await asyncio.to_thread(_folders, root):
        if await asyncio.to_thread(_used_at, folder) >= before:
            continue
        size = await asyncio.to_thread(folder_bytes, folder)
        if dry or await _remove(folder, before):
            yield Unused(folder.name, size)


async def _remove(folder: Path, before: float) -> bool:
    """Whether it is gone; it stays if somebody installs or uses it now."""
    try:
        async with asyncio.timeout(_LOCK_PATIENCE_S) as patience, exclusive(folder.with_name(f".{folder.name}.lock")):
            patience.reschedule(None)
            return await to_its_end(_take_away, folder, before)
    except TimeoutError:
        return False


def _take_away(folder: Path, before: float) -> bool:
    gone = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    if _used_at(gone) >= before:
        gone.rename(folder)
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _folders(root: Path) -> list[Path]:
    """Installed environments, and what installations that were killed have left."""
    if not root.is_dir():
        return []
    return sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))


def _used_at(folder: Path) -> float:
    """When it was used last, seconds since 1970; of one that is half-made: when that began."""
    try:
        return (folder / "ready.json").stat().st_mtime
    except OSError:
        return folder.stat().st_mtime


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; of hard links to an installer's cache, more than their removal frees."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += Path(place, name).lstat().st_size
            except OSError:
                continue
    return size
