"""Checks of where figures and traces go: METRICS_ADDRESS, and an OpenTelemetry collector."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from http import HTTPStatus

import requests

from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import apart

OURS = b"temporal_"
"""What the names of the figures begin with that a Temporal worker shows."""
_FIGURES_READ = 1024 * 1024
_TAKEN = HTTPStatus.OK // 100
_UNKNOWN_USER = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_NOT_EMPTY = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing listens here: it is asked what does


async def look_at_metrics(means: Means) -> Sequence[Finding]:
    address = means.settings.metrics_address
    if address is None:
        raise Skip("METRICS_ADDRESS is not set")
    host, _, port = address.rpartition(":")
    place = host.strip("[]"), int(port)
    refused = await apart(lambda: _refused(place))
    shown = b"" if refused is None else await apart(lambda: _figures(place, means.limit_s))
    return [judge_metrics(address, refused, shown)]


def _refused(place: tuple[str, int]) -> int | None:
    """The error number with which nobody can listen there; None: somebody could."""
    family = socket.AF_INET6 if ipaddress.ip_address(place[0]).version == 6 else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen()
        except OSError as error:
            return error.errno
    return None


def _figures(place: tuple[str, int], limit_s: float) -> bytes:
    """What is shown there at /metrics; nothing where it is not for us."""
    connection = http.client.HTTPConnection(_ANY.get(place[0], place[0]), place[1], timeout=limit_s)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read(_FIGURES_READ)
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


def judge_metrics(address: str, refused: int | None, shown: bytes) -> Finding:
    """`refused`: the error number; `shown`: what somebody else's server has at /metrics."""
    if refused is None:
        return ok(f"{address} is free for the next Temporal worker")
    if refused == errno.EADDRINUSE and OURS in shown:
        return ok(f"a Temporal worker shows its figures at {address}")
    if refused == errno.EADDRINUSE:
        seen = f"{address} is in use by another program: Temporal workers go on without showing figures"
        return fault(seen, "let METRICS_ADDRESS name a free port, one for each Temporal worker process")
    seen = f"nobody can listen at {address}: {os.strerror(refused)}"
    return fault(seen, "let METRICS_ADDRESS name an address of this host, such as 127.0.0.1:9000")


# --- a collector ---


async def look_at_collector(means: Means) -> Sequence[Finding]:
    endpoint = means.settings.otlp_endpoint
    if endpoint is None:
        raise Skip("OTEL_EXPORTER_OTLP_ENDPOINT is not set")
    headers = {**means.settings.otlp_headers_by_name, "Content-Type": "application/x-protobuf"}
    return [judge_collector(endpoint, await apart(lambda: _answer(endpoint, headers, means.limit_s)))]


def _answer(endpoint: str, headers: Mapping[str, str], limit_s: float) -> int | None:
    """The status with which the collector takes no traces at all; None: nobody answers."""
    try:
        with requests.post(f"{endpoint}/v1/traces", data=b"", headers=headers, timeout=limit_s) as answer:
            return answer.status_code
    except requests.RequestException:  # its text may repeat what the headers hold
        return None


def judge_collector(endpoint: str, status: int | None) -> Finding:
    """`status`: the answer's, None where there was none."""
    if status is None:
        seen = f"no collector answers at {endpoint}: traces are lost"
        return fault(seen, "start it, or let OTEL_EXPORTER_OTLP_ENDPOINT name one that takes OTLP over HTTP")
    refused = f"{endpoint} answers, but refuses an empty request ({status})"
    if status in _UNKNOWN_USER:
        return warning(
            refused, "see OTEL_EXPORTER_OTLP_HEADERS, or OTEL_EXPORTER_OTLP_HEADERS_FILE: who may send there"
        )
    if status in _NOT_EMPTY:
        return warning(refused, "some do that, and take traces: look there for those of the next job")
    if status // 100 != _TAKEN:
        advice = "OTEL_EXPORTER_OTLP_ENDPOINT is http://host:4318, without /v1/traces"
        return fault(f"what answers at {endpoint} takes no traces ({status})", advice)
    return ok(f"{endpoint} takes traces")
