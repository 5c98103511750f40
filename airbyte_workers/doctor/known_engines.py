"""What is known of container engines by their version: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_workers.doctor.findings import Finding, fault, ok, warning
from airbyte_workers.settings import Settings

Number = tuple[int, int, int]
OLDEST: Number = (20, 10, 0)
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Known:
    """A fault of the versions from `since` to before `until`; `only`: where the engine runs in this way."""

    since: Number
    until: Number
    seen: str
    stops_syncs: bool
    only: str = ""


KNOWN = (
    Known(
        (20, 10, 0),
        (20, 10, 4),
        "as another user than root it leaves out the FIFOs that a pod needs (moby#41803)",
        stops_syncs=True,
        only="rootless",
    ),
    Known(
        (24, 0, 3),
        (24, 0, 4),
        "it does not start again while containers of pods run (moby#45898)",
        stops_syncs=True,
        only="live restore",
    ),
    Known(
        (24, 0, 0),
        (25, 0, 0),
        "it may lose what a container writes to stdout where the reader is slow (moby#45689); syncs do not pass "
        "through it and lose nothing, but `docker run` and `docker logs` may",
        stops_syncs=False,
    ),
)
"""Newer ones of the same line may have mended it: their number says so in `until`."""


def judge_engine(version: Mapping[str, Any], info: Mapping[str, Any], settings: Settings) -> Sequence[Finding]:
    """`version` and `info` as the engine's API answers."""
    told = str(version.get("Version", "unknown"))
    if any("podman" in str(each.get("Name", "")).lower() for each in version.get("Components") or ()):
        advice = "use a Docker engine: with Podman's, files do not get into volumes"
        return [_unusable(f"Podman {told} answers", advice, settings)]
    number = _number(told)
    if number is not None and number < OLDEST:
        return [_unusable(f"engine {told} is too old", "upgrade it to 20.10 or newer", settings)]
    found = [_known(each, told) for each in KNOWN if number is not None and _applies(each, number, info)]
    found += _limits(info, settings)
    return found or [ok(f"engine {told}")]


def _unusable(seen: str, advice: str, settings: Settings) -> Finding:
    """Only the launcher `docker` cannot do without."""
    if settings.launcher == "docker":
        return fault(seen, advice)
    return warning(seen, f"{advice}; or set LAUNCHER=process")


def _number(told: str) -> Number | None:
    match = _VERSION.match(told)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def _applies(known: Known, number: Number, info: Mapping[str, Any]) -> bool:
    ways = {
        "": True,
        "live restore": bool(info.get("LiveRestoreEnabled")),
        "rootless": any("name=rootless" in str(each) for each in info.get("SecurityOptions") or ()),
    }
    return known.since <= number < known.until and ways[known.only]


def _known(known: Known, told: str) -> Finding:
    advice = f"upgrade the engine to {'.'.join(map(str, known.until))} or newer"
    judge = fault if known.stops_syncs else warning
    return judge(f"engine {told}: {known.seen}", advice)


def _limits(info: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """A limit that the engine does not take over refuses the launch of a pod."""
    found = []
    if settings.container_pids_limit and info.get("PidsLimit") is False:
        advice = "let it use cgroup v2, or set AIRBYTE_WORKERS_CONTAINER_PIDS_LIMIT=0"
        found.append(_unusable("the engine cannot limit the number of processes of a container", advice, settings))
    if settings.job_main_container_memory_limit and info.get("MemoryLimit") is False:
        advice = "let it use cgroup v2, or unset JOB_MAIN_CONTAINER_MEMORY_LIMIT"
        found.append(_unusable("the engine cannot limit the memory of a container", advice, settings))
    return found
