"""The connection to Temporal."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    OpenTelemetryConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.runtime.plugin import AirbytePlugin
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry.figures import BUCKETS

_log = structlog.get_logger(__name__)
_EXIT_PAUSE_S = 0.05


class TemporalUnreachable(Exception):
    """Nobody answers at Temporal's address; or somebody `answers`, and has no such namespace."""

    def __init__(self, message: str, *, answers: bool = False) -> None:
        super().__init__(message)
        self.answers = answers


@asynccontextmanager
async def connected(settings: Settings, *, timeout: float = 10, serves: bool = False) -> AsyncIterator[Client]:
    """A client for one program. One that `serves`, a Temporal worker, has the warnings of the SDK's core in its own
    log, and shows its figures at METRICS_ADDRESS, or sends them to OTEL_EXPORTER_OTLP_ENDPOINT.

    It pauses on the way out so that the SDK's threads let go of the interpreter: leaving at once aborts it in a third
    of all cases (temporal-python.md A2). Raises TemporalUnreachable.
    """
    try:
        yield await _connect(settings, timeout, _runtime(serves, _metrics(settings) if serves else None))
    finally:
        await asyncio.sleep(_EXIT_PAUSE_S)


def meter_of(client: Client) -> MetricMeter:
    """Where figures of ours go, beside those of the SDK's core; to nobody where the process shows none."""
    runtime = client.service_client.config.runtime
    return runtime.metric_meter if runtime is not None else MetricMeter.noop


@dataclass(frozen=True)
class _Metrics:
    """Where the figures of the process go: the core has one way out, so who is scraped sends none."""

    address: str | None = None
    endpoint: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    interval_s: float = 0
    service: str = ""


def _metrics(settings: Settings) -> _Metrics | None:
    if settings.metrics_address is not None:
        return _Metrics(address=settings.metrics_address)
    if settings.otlp_endpoint is None:
        return None
    headers = tuple(settings.otlp_headers_by_name.items())
    return _Metrics(None, settings.otlp_endpoint, headers, settings.otlp_metrics_interval_s, settings.otel_service_name)


@cache
def _runtime(core_logs: bool, shown: _Metrics | None) -> Runtime:
    """Left alone, the SDK's core writes its warnings to stdout, which belongs to results.

    Figures that cannot be shown stop no sync: the next release beside this one has the same METRICS_ADDRESS.
    """
    forwarding = LogForwardingConfig(
        logging.getLogger("temporalio.core"), prepend_target_on_message=False, append_log_fields_to_message=False
    )
    logs = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding) if core_logs else None
    metrics = _way_out(shown) if shown is not None else None
    tags = {"service_name": shown.service} if shown is not None and shown.service else {}
    telemetry = TelemetryConfig(logging=logs, metrics=metrics, global_tags=tags, attach_service_name=False)
    try:
        return Runtime(telemetry=telemetry)
    except (RuntimeError, ValueError) as error:
        if shown is None:
            raise
        why = str(error).rpartition(": ")[2]
        setting = "METRICS_ADDRESS" if shown.address is not None else "OTEL_EXPORTER_OTLP_ENDPOINT"
        address = shown.address or shown.endpoint
        _log.warning(f"metrics cannot be shown at {setting}: going on without", address=address, why=why)
        return _runtime(core_logs, None)


def _way_out(shown: _Metrics) -> PrometheusConfig | OpenTelemetryConfig:
    """Names and units as Prometheus's own rules have them: `_total`, `_seconds`."""
    if shown.address is not None:
        return PrometheusConfig(
            bind_address=shown.address,
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides=BUCKETS,
        )
    return OpenTelemetryConfig(
        url=f"{shown.endpoint}/v1/metrics",
        headers=dict(shown.headers),
        metric_periodicity=timedelta(seconds=shown.interval_s),
        durations_as_seconds=True,
        http=True,
        histogram_bucket_overrides=BUCKETS,
    )


async def _connect(settings: Settings, timeout: float, runtime: Runtime) -> Client:
    config = _config(settings)
    address = config["target_host"]
    try:
        async with asyncio.timeout(timeout):
            client = await Client.connect(**config, plugins=[AirbytePlugin()], runtime=runtime)
            await _require_namespace(client, address)
            return client
    except (RuntimeError, RPCError, TimeoutError) as error:
        raise TemporalUnreachable(f"cannot reach Temporal at {address} (TEMPORAL_ADDRESS): {_plain(error)}") from None


def _config(settings: Settings) -> ClientConnectConfig:
    """What the variables of the `temporal` program and its config file say."""
    env = {name: value for name, value in os.environ.items() if name.startswith("TEMPORAL_")}
    if settings.temporal_address is not None:
        env["TEMPORAL_ADDRESS"] = settings.temporal_address
    env["TEMPORAL_NAMESPACE"] = settings.temporal_namespace
    try:
        config = ClientConfig.load_client_connect_config(override_env_vars=env)
    except (RuntimeError, ValueError, OSError) as error:
        raise TemporalUnreachable(f"what TEMPORAL_* say of the connection cannot be used: {error}") from None
    if "target_host" not in config:
        raise TemporalUnreachable("set TEMPORAL_ADDRESS: DATABASE_URL alone does not say where Temporal is")
    if "://" in config["target_host"]:
        raise TemporalUnreachable(f"TEMPORAL_ADDRESS is host:port, such as localhost:7233; not {config['target_host']}")
    return config


async def _require_namespace(client: Client, address: str) -> None:
    """Told here, where it is one sentence; whatever else the question fails of is for others to meet."""
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise TemporalUnreachable(
                f"there is no namespace {client.namespace} (TEMPORAL_NAMESPACE) in Temporal at {address}", answers=True
            ) from None


def _plain(error: Exception) -> str:
    """What a person can use of it: the SDK quotes its innermost errors in their own notation."""
    said = str(error)
    if "InvalidMessage(InvalidContentType)" in said:
        return "it does not speak TLS, which TEMPORAL_* ask for"
    quoted = re.findall(r'(?:message|error): "([^"]+)"', said)
    return quoted[-1] if quoted else said or "no answer in time"
