"""How a command runs: with the settings of the environment, to its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from airbyte_workers.cli.output import Exit, Problem, Shape, end_with
from airbyte_workers.settings import Settings


def run(command: Callable[[Settings], Awaitable[Exit]], shape: Shape = "text") -> Exit:
    """Run a command to its exit code; whatever a person can mend is told in one sentence."""
    try:
        return asyncio.run(_run(command))
    except Problem as problem:
        end_with(problem, shape)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        end_with(Problem("interrupted", type="Interrupted", code=Exit.INTERRUPTED), shape)
    except Exception as error:
        from airbyte_workers.cli.problems import problem_of  # noqa: PLC0415  # knows every library that can fail

        told = problem_of(error)
        if told is None:
            raise
        end_with(told, shape)


async def _run(command: Callable[[Settings], Awaitable[Exit]]) -> Exit:
    from airbyte_workers.inputs import read_settings  # noqa: PLC0415  # half a second that `--help` saves
    from airbyte_workers.telemetry import logs  # noqa: PLC0415  # knows the settings, too

    settings = read_settings()
    logs.configure(settings, "WARNING")  # the long-running commands say more
    return await command(settings)
