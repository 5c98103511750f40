"""What a pod's own program has logged, in the log of the Temporal worker that watches it: its own file goes with it."""

from __future__ import annotations

import logging

import structlog

from airbyte_workers.pods.pod import Launcher, LauncherAway
from airbyte_workers.telemetry import shape

_log = structlog.get_logger(__name__)


async def repeat(launcher: Launcher, pod: str) -> None:
    """Log it here, with the time and the name that each line has; what cannot be read now is lost."""
    try:
        log = await launcher.own_log(pod)
    except LauncherAway as error:
        _log.warning("log of the pod's program cannot be read", pod=pod, error=str(error))
        return
    for line in filter(str.strip, log.decode(errors="replace").splitlines()):
        _repeat(line, pod)


def _repeat(line: str, pod: str) -> None:
    """What was written past Python, as by a library that gives up, has no shape."""
    told = {"pod": pod, **(shape.read(line) or {"event": line, "logger": "stderr", "level": "warning"})}
    level = logging.getLevelNamesMapping().get(str(told.pop("level", "")).upper(), logging.WARNING)
    _log.log(level, told.pop("event"), **told)
