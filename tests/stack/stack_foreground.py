"""`airbyte-workers local` with a stand-in for the Temporal workers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog
from stack_standin import serving

from airbyte_workers.runtime.stack.foreground import serve_foreground
from airbyte_workers.settings import Settings


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
settings = Settings(home=Path(sys.argv[1]), stack_start_timeout_s=60)
asyncio.run(serve_foreground(settings, serving, on_ready=lambda stack: say(f"ready {stack.pid}")))
say("stopped")
