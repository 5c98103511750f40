"""uv, which makes the connectors' environments: what it is asked, and what its answers mean."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from airbyte_workers.pods.images import Requirement, needs_docker
from airbyte_workers.pods.locks import to_its_end
from airbyte_workers.pods.pod import LaunchFailed

POLL_S = 0.05
SAID_CHARACTERS = 500
PASSING = re.compile(
    r"failed to fetch|error sending request|dns error|connection (?:refused|reset)|timed? ?out|tcp connect"
    r"|network was disabled|no space left|status (?:code )?(?:server error )?\(?(?:429|5\d\d)",
    re.IGNORECASE,
)
"""What may work later: the network, the package index, the disk."""


async def install(wanted: Requirement, folder: Path, lock: int) -> None:
    """Make an environment with the distribution in it, bytecode included (start-up time matters)."""
    await _uv(wanted, lock, "venv", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    await _uv(wanted, lock, "pip", "install", "--compile-bytecode", "--python", python, str(wanted))


async def newest(wanted: Requirement, lock: int) -> str:
    """The newest version that can be installed here: with its dependencies, on this Python.

    The very newest may be none: airbyte-source-file 0.6.0 asks for a smart-open that was never published.
    """
    options = ("--no-header", "--no-annotate", "--python", sys.executable)
    name = wanted.distribution
    said = await _uv(wanted, lock, "pip", "compile", *options, "-", stdin=name)
    found = re.search(rf"^{re.escape(name)}==(\S+)$", said, re.MULTILINE)
    if found is None:
        raise LaunchFailed(f"uv did not say which version of {name} is the newest: {said[-SAID_CHARACTERS:]}")
    return found[1]


async def _uv(wanted: Requirement, lock: int, *words: str, stdin: str = "") -> str:
    """What uv said; its failure is ours. It inherits the lock: when we are killed, nobody builds beside it."""
    log = await to_its_end(tempfile.TemporaryFile)
    with log:
        process = await to_its_end(_start, words, log, lock, stdin)
        try:
            await _ended(process)
        finally:
            await to_its_end(_end, process)
        said = await asyncio.to_thread(_read, log)
    if process.returncode:
        raise failure(wanted, said)
    return said


def failure(wanted: Requirement, said: str) -> LaunchFailed:
    """What uv's words mean for whoever asked for the image."""
    text = re.sub(r"://[^/@\s]+@", "://", " ".join(said.split()))
    if re.search(rf"{re.escape(wanted.distribution)} was not found in the package registry", text):
        return needs_docker(wanted.image)
    if re.search(rf"there (?:is no version|are no versions) of {re.escape(wanted.distribution)}\b", text):
        version = f"version {wanted.version}" if wanted.version else "version"
        return LaunchFailed(f"{wanted.image} has no {version} on the package index ({wanted.distribution})")
    passing = PASSING.search(text) is not None
    return LaunchFailed(f"installing {wanted} failed: {text[-SAID_CHARACTERS:]}", retryable=passing)


def _start(words: Sequence[str], log: IO[bytes], lock: int, stdin: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [_uv_program(), *words],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=_variables(),
        cwd=tempfile.gettempdir(),
        pass_fds=(lock,),
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin, suppress(BrokenPipeError):
        process.stdin.write(stdin.encode())
    return process


async def _ended(process: subprocess.Popen[bytes]) -> None:
    while True:
        if await asyncio.to_thread(process.poll) is not None:
            return
        await asyncio.sleep(POLL_S)


def _read(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _uv_program() -> str:
    """The uv installed beside us (extra `embedded`), else the one on PATH."""
    try:
        found = importlib.import_module("uv").find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if not found:
        raise LaunchFailed("connectors are installed with uv, which is missing here: pip install uv")
    return str(found)


def _variables() -> dict[str, str]:
    """uv is our own tool and keeps the host's environment (indexes, proxies), but for what names another target."""
    quiet = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    left_out = {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | quiet
