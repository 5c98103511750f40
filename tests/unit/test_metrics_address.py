"""METRICS_ADDRESS: what it may be, what is to be read there, and what becomes of a process that cannot use it."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from airbyte_workers.runtime.temporal import _metrics, _runtime
from airbyte_workers.settings import Settings


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "0.0.0.0:1", "[::]:65535"])
def test_an_address_and_a_port_will_do(address: str) -> None:
    assert Settings(metrics_address=address).metrics_address == address


@pytest.mark.parametrize("address", ["9000", ":9000", "localhost:9000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536"])
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"METRICS_ADDRESS|metrics_address"):
        Settings(metrics_address=address)


def test_a_port_in_use_is_said_and_stops_nobody(port: socket.socket) -> None:
    """Two releases run side by side with one environment while old jobs end."""
    port.listen()
    address = f"127.0.0.1:{port.getsockname()[1]}"
    with capture_logs() as logs:
        assert _runtime(True, _metrics(Settings(metrics_address=address))) is _runtime(True, None)
    assert [(each["log_level"], each["address"], each["why"]) for each in logs] == [
        ("warning", address, "Address already in use (os error 98)")
    ]
    assert "METRICS_ADDRESS" in logs[0]["event"]


def test_figures_are_read_where_they_are_asked_for(port: socket.socket) -> None:
    address = f"127.0.0.1:{port.getsockname()[1]}"
    port.close()
    shown = _metrics(Settings(metrics_address=address))
    assert _runtime(True, shown) is _runtime(True, shown)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert answer.status == 200
