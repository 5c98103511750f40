"""How a program of ours ends: with its own exit code, whatever the threads of libraries do meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


def run(main: Callable[[], object]) -> NoReturn:
    """Run a program, and end this process with its exit code.

    Python is not taken apart first: Temporal's and object storage's own threads run as long as the process, and one
    that calls into a Python that is half gone aborts all of it (SIGABRT in place of the exit code).
    """
    code = exit_code(main)
    unwritten = _flush()
    if unwritten:
        with suppress(OSError):
            os.write(2, f"error: cannot write the output: {unwritten}\n".encode())
    os._exit(code or int(bool(unwritten)))


def exit_code(main: Callable[[], object]) -> int:
    """Run a program to its end; what it does not catch is told as Python does, or `sys.excepthook`, and makes 1."""
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201  # as Python does
        return 1
    except BaseException as error:  # the last frame of a process: there is nobody else to tell
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _flush() -> str:
    """Why something that was printed could not be written, as on a full disk; nothing if all of it was."""
    why = ""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # closed before we began
            continue
        try:
            stream.flush()
        except BrokenPipeError:  # whoever read it has seen enough
            continue
        except OSError as error:
            why = str(error.strerror)
    return why
