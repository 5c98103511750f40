"""Ending the servers of an owner that was killed. They are known by the files they work on, not by numbers.

Only the holder of the stack's lock may do this, and everybody is really gone when it returns: two Temporal servers
on one file corrupt it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from airbyte_workers.runtime.stack.home import Home
from airbyte_workers.runtime.stack.processes import end, is_gone

PATIENCE_S = 15.0


async def end_leftovers(home: Home) -> list[int]:
    """End all of them, Temporal first; returns who they were."""
    return [*await end_temporals(home), *await end_clusters(home)]


def find_leftovers(home: Home) -> list[int]:
    """Who they are, Temporal first; of a PostgreSQL the server alone, not its children. Blocks."""
    clusters = _clusters(home)
    known = {process.pid for process in clusters}
    servers = [*_temporals(home), *(process for process in clusters if process.ppid() not in known)]
    return [process.pid for process in servers]


async def end_temporals(home: Home) -> list[int]:
    """End the Temporal servers on this folder's file."""
    found = await asyncio.to_thread(_temporals, home)
    await end(found, [(signal.SIGTERM, PATIENCE_S), (signal.SIGKILL, PATIENCE_S)])
    return [process.pid for process in found]


async def end_clusters(home: Home) -> list[int]:
    """End the PostgreSQL servers in this folder's cluster, and an initdb that makes one."""
    found = await asyncio.to_thread(_clusters, home)
    known = {process.pid for process in found}
    for process in found:
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in known:  # the server; its children end with it
                process.send_signal(signal.SIGINT)
    await end(found, [(signal.SIGCONT, PATIENCE_S), (signal.SIGKILL, PATIENCE_S)])
    return sorted(known)


def _temporals(home: Home) -> list[psutil.Process]:
    database = str(home.temporal_file)
    return _find(lambda info: "start-dev" in info["cmdline"] and database in info["cmdline"])


def _clusters(home: Home) -> list[psutil.Process]:
    folders = (str(home.cluster), str(home.new_cluster))
    names = ("postgres", "initdb")
    return _find(lambda info: info["name"] in names and info["cwd"] in folders)


def _find(wanted: Callable[[dict[str, Any]], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name", "cmdline", "cwd"]):
        info = {**process.info, "cmdline": process.info["cmdline"] or ()}
        if wanted(info) and not is_gone(process):
            found.append(process)
    return found
