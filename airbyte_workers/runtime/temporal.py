"""The connection to Temporal."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from airbyte_workers.runtime.plugin import AirbytePlugin
from airbyte_workers.settings import Settings

_EXIT_PAUSE_S = 0.05


class TemporalUnreachable(Exception):
    """Nobody answers at Temporal's address."""


@asynccontextmanager
async def connected(settings: Settings, *, timeout: float = 10, core_logs: bool = False) -> AsyncIterator[Client]:
    """A client for one program; `core_logs`: what the SDK's core warns of goes to our own log.

    It pauses on the way out so that the SDK's threads let go of the interpreter: leaving at once aborts it in a third
    of all cases (temporal-python.md A2). Raises TemporalUnreachable.
    """
    try:
        yield await _connect(settings, timeout, _runtime(core_logs))
    finally:
        await asyncio.sleep(_EXIT_PAUSE_S)


@cache
def _runtime(core_logs: bool) -> Runtime:
    """Left alone, the SDK's core writes its warnings to stdout, which belongs to results."""
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"))
    logs = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding) if core_logs else None
    return Runtime(telemetry=TelemetryConfig(logging=logs))


async def _connect(settings: Settings, timeout: float, runtime: Runtime) -> Client:
    env = {name: value for name, value in os.environ.items() if name.startswith("TEMPORAL_")}
    if settings.temporal_address is not None:
        env["TEMPORAL_ADDRESS"] = settings.temporal_address
    env["TEMPORAL_NAMESPACE"] = settings.temporal_namespace
    config = ClientConfig.load_client_connect_config(override_env_vars=env)
    try:
        async with asyncio.timeout(timeout):
            return await Client.connect(**config, plugins=[AirbytePlugin()], runtime=runtime)
    except (RuntimeError, RPCError, TimeoutError) as error:
        where = f"cannot reach Temporal at {config.get('target_host')} (TEMPORAL_ADDRESS)"
        raise TemporalUnreachable(f"{where}: {_plain(error)}") from None


def _plain(error: Exception) -> str:
    """What a person can use of it: the SDK quotes its innermost errors in their own notation."""
    said = str(error)
    quoted = re.findall(r'message: "([^"]+)"', said)
    return quoted[-1] if quoted else said or "no answer in time"
