"""Temporal and PostgreSQL as an administrator runs them, without any Temporal worker; until SIGTERM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from airbyte_workers.runtime.stack.foreground import serve_foreground
from airbyte_workers.runtime.stack.stopping import StopRequest
from airbyte_workers.settings import Settings


class Nobody:
    """In the place of the workers."""

    async def active_jobs(self) -> int:
        return 0


@asynccontextmanager
async def serving(settings: Settings, _stop: StopRequest) -> AsyncIterator[Nobody]:
    yield Nobody()


asyncio.run(serve_foreground(Settings(), serving, on_ready=lambda _: os.write(1, b"ready\n")))
