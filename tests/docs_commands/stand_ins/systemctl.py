"""In the place of systemd, for the units that the pages show: start, stop and signal a service by its unit file.

Unlike systemd's, a start returns when the worker is at work, and the exit code says whether a service ended in order.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(os.environ["DOCS_ROOT"])
UNITS = ROOT / "etc" / "systemd" / "system"
STATE = ROOT / "systemd"
START_S = 60.0
READY = b"polling "


def unit(name: str) -> dict[str, str]:
    """What the service's file says; of `name@instance` the one for all instances."""
    template, _, instance = name.partition("@")
    file = UNITS / (f"{template}@.service" if instance else f"{template}.service")
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # as the documentation of ConfigParser has it
    parser.read_string(file.read_text())
    return {key: value.replace("%i", instance) for key, value in parser["Service"].items()}


def start(name: str) -> None:
    told = unit(name)
    lines = Path(told["EnvironmentFile"]).read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": os.environ["HOME"]} | dict(pairs)
    STATE.mkdir(exist_ok=True)
    log = STATE / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            shlex.split(told["ExecStart"]), env=environment, cwd="/", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    deadline = time.monotonic() + START_S
    while READY not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{name} does not start: {log.read_text()}")
        time.sleep(0.05)
    (STATE / name).write_text(str(process.pid))


def main_process(name: str) -> int | None:
    file = STATE / name
    pid = int(file.read_text()) if file.exists() else None
    return pid if pid is not None and Path(f"/proc/{pid}/cmdline").read_bytes() else None


def stop(name: str) -> None:
    try:
        pid = main_process(name)
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + float(unit(name).get("TimeoutStopSec", "90"))
        while main_process(name) is not None:
            if time.monotonic() > deadline:
                sys.exit(f"{name} does not stop: {(STATE / f'{name}.log').read_text()}")
            time.sleep(0.05)
    except (ProcessLookupError, FileNotFoundError):
        return
    finally:
        (STATE / name).unlink(missing_ok=True)


def main(words: list[str]) -> None:
    options = [word for word in words if word.startswith("--")]
    action, name = (word for word in words if not word.startswith("--"))
    if action in ("stop", "restart", "disable"):
        stop(name)
    if action in ("start", "restart", "enable"):
        start(name)
    if action == "kill":
        (wanted,) = (option.partition("=")[2] for option in options if option.startswith("--signal="))
        pid = main_process(name)
        if pid is None:
            sys.exit(f"{name} does not run")
        os.kill(pid, signal.Signals[wanted])


if __name__ == "__main__":
    main(sys.argv[1:])
