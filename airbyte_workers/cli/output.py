"""What commands print: results to stdout, the rest to stderr; errors as one sentence, or as JSON if asked for."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import Any, Literal, NoReturn

import click

from airbyte_workers.names import INVALID_INPUT

Shape = Literal["text", "json"]


class Exit(IntEnum):
    """Exit codes (decisions.md, "Results and ends")."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    INTERRUPTED = 130


class Problem(Exception):
    """A command cannot do what it was asked to; the message is for the person who asked."""

    def __init__(self, message: str, *, type: str = "Failed", code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.type = type
        self.code = code


def bad_input(message: str) -> Problem:
    """What was typed cannot be used."""
    return Problem(message, type=INVALID_INPUT, code=Exit.USAGE)


def say(text: str) -> None:
    """A line for a person that follows; never part of a result."""
    click.echo(text, err=True)


def show(text: str) -> None:
    """A line of a result."""
    click.echo(text)


def show_json(value: Any) -> None:
    """A result as one JSON object."""
    click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False))


def end_with(problem: Problem, shape: Shape) -> NoReturn:
    """Tell what went wrong and leave with its exit code."""
    if shape == "json":
        show_json({"error": {"type": problem.type, "message": str(problem)}})
    else:
        say(f"error: {problem}")
    sys.exit(problem.code)


def amount(size: float) -> str:
    """Bytes as people read them: powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
