"""METRICS_ADDRESS: what it may be, what is to be read there, and what is said when it cannot be used."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from airbyte_workers.cli.problems import problem_of
from airbyte_workers.runtime.temporal import MetricsUnusable, _runtime
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


def test_a_port_in_use_is_one_sentence(port: socket.socket) -> None:
    port.listen()
    address = f"127.0.0.1:{port.getsockname()[1]}"
    with pytest.raises(MetricsUnusable) as caught:
        _runtime(True, address)
    told = problem_of(caught.value)
    assert told is not None
    assert str(told) == f"cannot show metrics at {address} (METRICS_ADDRESS): Address already in use (os error 98)"


def test_figures_are_read_where_they_are_asked_for(port: socket.socket) -> None:
    address = f"127.0.0.1:{port.getsockname()[1]}"
    port.close()
    assert _runtime(True, address) is _runtime(True, address)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert answer.status == 200
