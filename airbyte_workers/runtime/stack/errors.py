"""What can go wrong with the embedded stack, in sentences that say what to do."""

from __future__ import annotations

from pathlib import Path

from airbyte_workers.telemetry import shape

TAIL_LINES = 15


class StackError(Exception):
    """The embedded stack cannot do what was asked; the text says why and what to do."""


class AlreadyRunning(StackError):
    """Another supervisor owns this folder."""


def tail(log: Path, start: int = 0) -> str:
    """The last lines of a log from byte `start` on, indented, for the end of an error."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(min(start, size), size - 16 * 1024))
            lines = list(shape.spoken(file.read().decode(errors="replace")))
    except OSError as err:
        return f"  ({log} cannot be read: {err.strerror})"
    return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:]) or "  (empty)"
