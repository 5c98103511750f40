"""How a command runs that goes on for ever: what it has to say is its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.output import Exit, Problem, say
from airbyte_workers.cli.problems import problem_of
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry import logs

Tell = Callable[[str], object]
"""Says something to whoever follows the command."""
_log = structlog.get_logger(__name__)


def run_logging(command: Callable[[Settings, Tell], Awaitable[Exit]]) -> Exit:
    """Run a command to its exit code. Where its log is for programs, every line of its stderr is one of the log."""

    async def logged(settings: Settings) -> Exit:
        logs.configure(settings)
        if settings.log_format == "pretty":
            return await command(settings, say)
        try:
            return await command(settings, _log.info)
        except Exception as error:
            told = error if isinstance(error, Problem) else problem_of(error)
            if told is None:
                raise
            _log.error(str(told), type=told.type)  # the sentence is for people
            return told.code

    return run(logged)
