"""Checks of the container engine: whether it can be used, and what it writes to disk of containers' output."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import DockerException

from airbyte_workers.doctor.findings import Finding, fault, ok, skipped, warning
from airbyte_workers.doctor.known_engines import judge_engine
from airbyte_workers.doctor.means import EngineView, Means
from airbyte_workers.names import LauncherChoice
from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.engine_calls import connection
from airbyte_workers.runtime.background import apart

NO_LOG = "none"
_NAMED = 3
_MOST = 50
"""Containers that are inspected."""
_ENGINE_LOGS = frozenset({"json-file"})


@dataclass(frozen=True)
class Socket:
    """Where an engine should be. `exists` and `may_use` are of a socket on this host, None elsewhere.

    `is_usual`: it is where everybody looks first.
    """

    address: str
    exists: bool | None = None
    may_use: bool | None = None
    is_usual: bool = False


@dataclass(frozen=True)
class Logged:
    """What becomes of the output of one container."""

    name: str
    driver: str
    has_limit: bool
    is_pods: bool


# --- whether it can be used ---


async def look_at_engine(means: Means) -> Sequence[Finding]:
    try:
        view = await means.engine.opened()
    except EngineError as error:
        return [judge_absence(str(error), await apart(_socket), means.settings.launcher)]
    return judge_engine(view.version, view.info, means.settings)


def _socket() -> Socket:
    try:
        address = str(connection().get("base_url") or DEFAULT_UNIX_SOCKET)
    except (DockerException, OSError, ValueError) as error:
        return Socket(f"nowhere ({error})")
    if not address.startswith(("unix:", "http+unix:")):
        return Socket(address)
    path = "/" + address.partition("://")[2].lstrip("/")
    with suppress(OSError):
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            return Socket(path, exists=True, may_use=os.access(path, os.R_OK | os.W_OK, effective_ids=True))
    return Socket(path, exists=False, is_usual=address == DEFAULT_UNIX_SOCKET)


def judge_absence(said: str, socket: Socket, launcher: LauncherChoice) -> Finding:
    """`said`: what kept us from it. Only the launcher `docker` cannot do without, and many hosts have none."""
    if launcher == "auto" and socket.exists is False and socket.is_usual:
        return skipped("there is none here: connectors run as local programs")
    if socket.may_use is False:
        seen = f"this user may not use {socket.address}"
        advice = f"add the user to the socket's group (whoever is in it is root on this host): stat {socket.address}"
    elif socket.exists is False:
        seen = f"there is no engine's socket {socket.address}"
        advice = "start the engine, or let DOCKER_HOST say where it is"
    else:
        seen = f"{said} ({socket.address})"
        advice = "start the engine, or let DOCKER_HOST say where it is; `docker info` must answer"
    if launcher == "docker":
        return fault(seen, advice)
    return warning(f"{seen}; connectors run as local programs", f"{advice}; or set LAUNCHER=process")


# --- what is written to disk of containers' output ---


async def look_at_logs(means: Means) -> Sequence[Finding]:
    view = await means.engine.through()
    stack = means.settings.stack_name
    listed = [each for each in await view.engine.list(()) if _is_pods(each, stack) or each.get("State") == "running"]
    pods_first = sorted(listed, key=lambda each: not _is_pods(each, stack))
    seen = [await view.engine.inspect(str(each["Id"])) for each in pods_first[:_MOST]]
    logged = [_logged(each, stack) for each in seen if each is not None]  # one that has gone meanwhile logs no more
    return judge_logs(str(view.info.get("LoggingDriver", "")), logged)


def _is_pods(listed: Mapping[str, Any], stack: str) -> bool:
    return (listed.get("Labels") or {}).get(STACK_LABEL) == stack


def _logged(seen: Mapping[str, Any], stack: str) -> Logged:
    told = (seen.get("HostConfig") or {}).get("LogConfig") or {}
    name = str(seen.get("Name", "")).lstrip("/")
    limited = "max-size" in (told.get("Config") or {})
    return Logged(name, str(told.get("Type", "")), limited, _is_pods(seen.get("Config") or {}, stack))


def judge_logs(default: str, containers: Sequence[Logged]) -> Sequence[Finding]:
    """Of pods nothing is logged, whatever the engine's default; others' logs may fill the disk that syncs need."""
    pods = [each.name for each in containers if each.is_pods and each.driver != NO_LOG]
    others = [
        each.name for each in containers if not each.is_pods and each.driver in _ENGINE_LOGS and not each.has_limit
    ]
    found = list[Finding]()
    if pods:
        found.append(
            fault(
                f"the engine logs the output of containers of pods: {_names(pods)}",
                "its log driver must be `none`, as we ask for: see what stands between (a plugin, a proxy)",
            )
        )
    if others:
        found.append(
            warning(
                f"logs without a limit, which may fill the disk: {_names(others)} ({default})",
                'give them one: "log-opts": {"max-size": "10m"} in the engine\'s daemon.json, then make them anew',
            )
        )
    return found or [ok(f"nothing of pods is logged; the engine's default is {default or 'unknown'}")]


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def root_of(view: EngineView) -> Path | None:
    """The engine's folder, where it is on this host."""
    told = view.info.get("DockerRootDir")
    if not told or view.info.get("Name") != os.uname().nodename:
        return None
    with suppress(PermissionError):  # older Pythons raise it: it is there, and not for us
        return Path(str(told)) if Path(str(told)).is_dir() else None
    return None
