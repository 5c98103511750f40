"""What a pod's orchestrator could not commit, committed before the pod is removed."""

from __future__ import annotations

import asyncpg
import structlog

from airbyte_workers.pods.pod import Launcher
from airbyte_workers.store import journals
from airbyte_workers.store.journals import Taker
from airbyte_workers.store.states import StaleFence

_log = structlog.get_logger(__name__)


class Harvest:
    """Takes what journals have, for whoever removes their pods."""

    def __init__(self, db: asyncpg.Pool) -> None:
        self._db = db

    async def of_own(self, launcher: Launcher, pod: str) -> None:
        """For the attempt that the pod belongs to; its orchestrator has ended.

        Raises LauncherAway, and what a database raises.
        """
        writer = await journals.writer_of(self._db, pod)
        if writer is not None:
            await self._take(launcher, pod, Taker(writer.fence))

    async def of_older(self, launcher: Launcher, pod: str, taker: Taker) -> None:
        """For a newer attempt, which has the fence; the pod is ended first. Raises RemovalFailed too."""
        await launcher.kill(pod)
        await self._take(launcher, pod, taker)

    async def _take(self, launcher: Launcher, pod: str, taker: Taker) -> None:
        content = await launcher.journal(pod)
        if content is None:
            return
        journal = journals.read(content)
        if journal is None or journal.writer != await journals.writer_of(self._db, pod):
            _log.error("journal is not one of this pod, and is dropped", pod=pod)
            return
        try:
            await journals.commit(self._db, journal, taker)
        except StaleFence as error:
            _log.warning("journal comes too late: what it has is read again", pod=pod, reason=str(error))
        else:
            _log.info("journal committed", pod=pod, entries=len(journal.entries))
