"""Moments of a sync at which a program stops until it is told to go on, so that a fault can be put exactly there.

Only the command `chaos` and tests ask for that: without AIRBYTE_WORKERS_FAILPOINTS nothing here does anything. Whoever
wants a moment creates `<folder>/<moment>.armed`. The first program that comes there renames it to `.hit`, with its
process id in it, and waits for `.go`.
"""

from __future__ import annotations

import asyncio
import os
import time
from enum import StrEnum
from pathlib import Path

from airbyte_workers.names import Role

_OF_SYNCS = ("replication-", Role.SOURCE, Role.DESTINATION, Role.ORCHESTRATOR)
_POLL_S = 0.005
LONGEST_S = 60.0
"""A program that nobody lets go on goes on by itself: whoever armed the moment may be gone."""


class Failpoint(StrEnum):
    """In the order of a sync; a value is also what the command line calls it."""

    POD_CREATED = "pod-created"
    FILES_WRITTEN = "files-written"
    FIFOS_MADE = "fifos-made"
    DESTINATION_STARTED = "destination-started"
    SOURCE_STARTED = "source-started"
    FIRST_BYTE = "first-byte"
    FIRST_RECORD_FORWARDED = "first-record-forwarded"
    BEFORE_FIRST_STATE = "before-first-state"
    STATE_READ = "state-read"
    STATE_FORWARDED = "state-forwarded"
    ECHO_READ = "echo-read"
    DURING_COMMIT = "during-commit"
    COMMITTED = "committed"
    SOURCE_EXITED = "source-exited"
    END_OF_INPUT = "end-of-input"
    DESTINATION_EXITED = "destination-exited"
    FINAL_MARKER = "final-marker"
    FINAL_MARKER_WRITTEN = "final-marker-written"
    TEARDOWN_BEGUN = "teardown-begun"
    TEARDOWN_HALF_DONE = "teardown-half-done"
    DURING_BACKOFF = "during-backoff"
    DURING_CANCEL = "during-cancel"


class _Failpoints:
    folder: Path | None = None


def use(folder: Path | None) -> None:
    """From now on moments of this process are looked for in this folder; None: none are."""
    _Failpoints.folder = folder


def armed() -> bool:
    """Whether anybody may be interested: for moments that take a look to be seen."""
    return _Failpoints.folder is not None


def reached(point: Failpoint, of: str) -> None:
    """Stop here, with everything that this thread does, if somebody asked for it.

    `of` is a pod, or the role of a container: only those of syncs stop, not those that ask a connector before.
    """
    if _Failpoints.folder is None or not _claimed(_Failpoints.folder, point, of):
        return
    for _ in range(int(LONGEST_S / _POLL_S)):
        if _may_go_on(_Failpoints.folder, point):
            return
        time.sleep(_POLL_S)  # noqa: TID251  # to stand still is what was asked for


async def passed(point: Failpoint, of: str) -> None:
    """As `reached`, but whatever else is on this event loop goes on."""
    folder = _Failpoints.folder
    if folder is None or not await asyncio.to_thread(_claimed, folder, point, of):
        return
    for _ in range(int(LONGEST_S / _POLL_S)):
        if await asyncio.to_thread(_may_go_on, folder, point):
            return
        await asyncio.sleep(_POLL_S)


def _claimed(folder: Path, point: Failpoint, of: str) -> bool:
    """One program alone, and once: of two, one finds the file gone."""
    if not of.startswith(_OF_SYNCS):
        return False
    hit = folder / f"{point}.hit"
    claim = folder / f"{point}.{os.getpid()}"
    try:
        (folder / f"{point}.armed").rename(claim)
    except FileNotFoundError:
        return False
    claim.write_text(f"{os.getpid()}\n")
    claim.rename(hit)
    return True


def _may_go_on(folder: Path, point: Failpoint) -> bool:
    return (folder / f"{point}.go").exists()
