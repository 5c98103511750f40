"""The engine's calls against a socket of our own: errors come at once and as sentences, a silent engine has a limit."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from airbyte_workers.pods.engine import Engine, EngineError, is_conflict

LIMIT_S = 20.0
"""Far more than any of these calls takes: one that only ends at its limit is seen."""


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers every question but that for its version with one status and one body."""

    daemon_threads = True
    status, body = 200, b"{}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        if self.path.endswith("/version"):
            self._answer(200, json.dumps({"Version": "28.5", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}).encode())
        else:
            self._answer(server.status, server.body)

    do_POST = do_DELETE = do_GET

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with Server("engine.sock", Handler) as server:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(timeout_s=LIMIT_S, calls=2, pulls=2)
    yield engine
    await engine.aclose()


async def at_once(call: Any) -> EngineError:
    """The error of a call, which must not have waited for its limit."""
    async with asyncio.timeout(LIMIT_S / 2):
        with pytest.raises(EngineError) as caught:
            await call
    return caught.value


def refusal(server: Server, status: int, message: str = "no such thing") -> None:
    server.status, server.body = status, json.dumps({"message": message}).encode()


async def test_an_engine_that_answers_has_a_version(server: Server, engine: Engine) -> None:
    assert await engine.version() == "28.5"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the package's own, of a socket that did not connect
async def test_no_engine_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    away, passing, said = await seen_of_no_engine()
    gc.collect()
    assert away
    assert passing
    assert said.startswith("the Docker engine did not answer: ")


async def seen_of_no_engine() -> tuple[bool, bool, str]:
    """What is known of the error, but not the error: it would keep its socket for a later test."""
    engine = Engine(timeout_s=LIMIT_S, calls=2, pulls=2)
    error = await at_once(engine.version())
    await engine.aclose()
    return error.away, error.passing, str(error)


@pytest.mark.parametrize(
    ("status", "passing", "conflict"),
    [(400, False, False), (403, False, False), (409, False, True), (500, True, False)],
)
async def test_a_refusal_is_told_at_once_in_the_engines_words(
    server: Server, engine: Engine, status: int, passing: bool, conflict: bool
) -> None:
    refusal(server, status, "the name\n is taken")
    error = await at_once(engine.create("pod", {}))
    assert str(error) == "the Docker engine could not create container pod: the name is taken"
    assert (error.status, error.away, error.passing) == (status, False, passing)
    assert is_conflict(error) == conflict


async def test_what_is_not_there_is_no_error_where_that_is_the_question(server: Server, engine: Engine) -> None:
    refusal(server, 404)
    async with asyncio.timeout(LIMIT_S / 2):
        assert await engine.inspect("gone") is None
        assert await engine.image("gone") is None
        assert await engine.get("gone", "/etc/passwd") is None
        await engine.remove("gone")
        await engine.signal("gone", "SIGTERM")
        await engine.remove_volume("gone")
    assert (await at_once(engine.start("gone", "pod-source"))).status == 404


async def test_a_container_that_is_just_going_needs_no_removal(server: Server, engine: Engine) -> None:
    refusal(server, 409, "removal of container is already in progress")
    async with asyncio.timeout(LIMIT_S / 2):
        await engine.remove("going")
        await engine.signal("going", "SIGKILL")


async def test_many_errors_in_a_row_take_no_place_from_later_calls(server: Server, engine: Engine) -> None:
    refusal(server, 500)
    for error in await asyncio.gather(*(at_once(engine.start(f"{number}", "pod-source")) for number in range(20))):
        assert error.status == 500
    async with asyncio.timeout(LIMIT_S / 2):
        assert await engine.version() == "28.5"


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """An engine that takes calls and never answers; the call hangs up."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("silent.sock")
        listening.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/silent.sock")
        taken: list[socket.socket] = []

        def hang_up() -> None:
            listening.settimeout(0.05)
            with suppress(TimeoutError):
                while True:
                    taken.append(listening.accept()[0])
            for each in taken:
                each.close()

        yield hang_up
        hang_up()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_silent_engine_is_given_up_at_the_limit(silent: Callable[[], None]) -> None:
    engine = Engine(timeout_s=0.2, calls=2, pulls=2)
    with pytest.raises(EngineError, match=r"the Docker engine did not answer"):
        await engine.version()
    silent()
    await engine.aclose()
    _join_calls()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_question_is_given_up_when_its_asker_goes_and_a_change_is_waited_for(
    silent: Callable[[], None],
) -> None:
    """Whoever asked which launcher to take must not wait for the engine's whole limit."""
    engine = Engine(timeout_s=1.0, calls=4, pulls=2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await engine.version()
    asked = loop.time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await engine.start("container", "pod-source")
    assert asked - began < 0.9 < loop.time() - asked
    silent()
    await engine.aclose()
    _join_calls()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_container_that_comes_after_we_gave_it_up_goes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []

    class Late(Handler):
        def do_POST(self) -> None:
            time.sleep(0.5)
            self._answer(201, b'{"Id": "late"}')

        def do_DELETE(self) -> None:
            seen.append(self.path)
            self._answer(204, b"")

    with Server("late.sock", Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/late.sock")
        engine = Engine(timeout_s=0.2, calls=2, pulls=2)
        with pytest.raises(EngineError, match="did not create container pod-source within"):
            await engine.create("pod-source", {})
        await asyncio.to_thread(_join_calls)
        await engine.aclose()
        server.shutdown()
    assert any("/containers/late" in path for path in seen)


def _join_calls() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("docker: "):
            thread.join(LIMIT_S)
    gc.collect()
