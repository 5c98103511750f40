"""The connection to Temporal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from airbyte_workers.runtime.plugin import AirbytePlugin
from airbyte_workers.settings import Settings

_EXIT_PAUSE_S = 0.05


class TemporalUnreachable(Exception):
    """Nobody answers at Temporal's address."""


@asynccontextmanager
async def connected(settings: Settings, *, timeout: float = 10) -> AsyncIterator[Client]:
    """A client for one program; pauses on the way out so that the SDK's threads let go of the interpreter.

    Leaving at once aborts it in a third of all cases (temporal-python.md A2). Raises TemporalUnreachable.
    """
    try:
        yield await _connect(settings, timeout)
    finally:
        await asyncio.sleep(_EXIT_PAUSE_S)


async def _connect(settings: Settings, timeout: float) -> Client:
    env = {name: value for name, value in os.environ.items() if name.startswith("TEMPORAL_")}
    if settings.temporal_address is not None:
        env["TEMPORAL_ADDRESS"] = settings.temporal_address
    env["TEMPORAL_NAMESPACE"] = settings.temporal_namespace
    config = ClientConfig.load_client_connect_config(override_env_vars=env)
    try:
        async with asyncio.timeout(timeout):
            return await Client.connect(**config, plugins=[AirbytePlugin()])
    except (RuntimeError, RPCError, TimeoutError) as error:
        said = str(error) or "no answer in time"
        raise TemporalUnreachable(f"cannot reach Temporal at {config.get('target_host')}: {said}") from None
