"""Pods' own programs that start at once: forks of a process that has loaded them (`orchestrator/fork_server.py`)."""

from __future__ import annotations

import select
import subprocess
import sys
import threading
from contextlib import suppress

import msgspec
import structlog

from airbyte_workers.names import FORK_SERVER_MODULE, POD_VARIABLE
from airbyte_workers.pods.host import allowed_variables, search_path
from airbyte_workers.pods.process_starting import Start
from airbyte_workers.pods.processes import Identity, identify_child

FORK_SERVER = (sys.executable, "-m", FORK_SERVER_MODULE)
_END_S = 5.0
_log = structlog.get_logger(__name__)


class ForkServer:
    """Runs from the first program on until `close`, in a session of its own; programs do not end with it."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._one_at_a_time = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._closed = False

    def fork(self, start: Start, label: str) -> Identity:
        """The process that keeps the pod's program. Blocks. Raises OSError, and then a process may yet be there."""
        order = {"folder": str(start.folder), "words": start.words, "variables": _variables(start, label)}
        with self._one_at_a_time:
            said = self._answer(msgspec.json.encode(order) + b"\n")
            if not said.isdecimal():
                raise OSError(f"the program could not be started: {said or 'the fork server does not answer'}")
            return identify_child(int(said))  # before the next order, at which the server lets go of numbers

    def close(self) -> None:
        """End the server. Blocks."""
        with self._one_at_a_time:
            self._closed = True
            self._end()

    def _answer(self, order: bytes) -> str:
        server = self._running()
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            server.stdin.write(order)
            server.stdin.flush()
            answers = _says_something(server.stdout.fileno(), self._timeout_s)
            said = server.stdout.readline().decode(errors="replace").strip() if answers else ""
        except BaseException:
            self._end(kill=True)
            raise
        if not said:
            self._end(kill=True)
        return said

    def _running(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise OSError("this launcher is closed")
        if self._server is not None and self._server.poll() is not None:
            _log.warning("fork server ended", exit_code=self._server.returncode)
            self._end()
        if self._server is None:
            self._server = subprocess.Popen(
                FORK_SERVER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=allowed_variables() | {"PATH": search_path()},
                cwd="/",
                start_new_session=True,
            )
        return self._server

    def _end(self, *, kill: bool = False) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        if kill:
            server.kill()
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            server.wait(_END_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _says_something(pipe: int, within_s: float) -> bool:
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    return bool(waiting.poll(within_s * 1000))


def _variables(start: Start, label: str) -> dict[str, str]:
    return {**start.variables, POD_VARIABLE: label}
