"""How a supervisor's process begins: from a client's request to the event loop."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading

import structlog

from airbyte_workers.runtime.stack.errors import AlreadyRunning, StackError
from airbyte_workers.runtime.stack.supervisor import Serving, supervise
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry import logs

log = structlog.get_logger(__name__)


def read_request() -> Settings:
    """The settings of the client that wants a stack, from standard input; alone, those of the environment."""
    content = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    return Settings.model_validate_json(content) if content else Settings()


def detach() -> None:
    """Become nobody's child: the client learns our pid, and everything we say goes to the log (our stderr)."""
    if pid := os.fork():
        os.write(1, f"\n{pid}\n".encode())
        os._exit(0)
    os.setsid()
    os.dup2(2, 1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)


def run_supervisor(serving: Serving, *, preload: str | None = None) -> int:
    """Be the background supervisor that a client asked for; the exit code says how it ended."""
    settings = read_request()
    if "--detach" in sys.argv:
        detach()
    logs.configure(settings)
    if preload:  # what `serving` will import takes as long as the servers take to start
        threading.Thread(target=importlib.import_module, args=(preload,), daemon=True).start()
    try:
        os.chdir(settings.home)
        asyncio.run(supervise(settings, serving))
    except AlreadyRunning as other:
        log.info("nothing to do", reason=str(other))
    except (StackError, OSError) as err:
        log.error("stack failed", reason=str(err))  # noqa: TRY400 - the sentence is for people
        return 1
    return 0
