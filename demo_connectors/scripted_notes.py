"""What scripted connectors have in common: a script of letters, and a file in which they note every command."""

import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_connectors.configuration import Kind
from demo_connectors.connector import EXIT_TERMINATED, hang
from demo_connectors.messages import ConfigError, now_ms

CRASH_EXIT_CODE = 1


def script_of(letters: str) -> Kind:
    """A script: one letter for each time the command is run; the last one goes on."""

    def accepts(value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(f"[{letters}]+", value) is not None

    return Kind(f"letters out of {letters}", {"type": "string", "pattern": f"^[{letters}]+$"}, accepts)


CHECKS = script_of("SFXW")
CHECKS_HELP = "What each check does: succeeds (S), fails (F), crashes (X), or waits for its SIGTERM (W)"


@dataclass(frozen=True)
class Notes:
    """One JSON object a line, in a file that several connectors may share; `by` is who writes."""

    path: Path
    by: str

    def write(self, event: str, **facts: Any) -> None:
        line = {"by": self.by, "event": event, "at_ms": now_ms(), **facts}
        with self.path.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")

    def count(self, event: str) -> int:
        """How often this was noted before."""
        noted = [json.loads(line) for line in self.path.read_bytes().splitlines()] if self.path.exists() else []
        return sum((each["by"], each["event"]) == (self.by, event) for each in noted)

    def begin(self, command: str, script: str, **facts: Any) -> "Turn":
        """Note that a command runs; what the script says it does."""
        before = self.count(command)
        letter = script[min(before, len(script) - 1)]
        self._note_sigterm()
        self.write(command, number=before + 1, letter=letter, **facts)
        return Turn(before + 1, letter)

    def _note_sigterm(self) -> None:
        def end(*_: object) -> None:
            self.write("SIGTERM")
            os._exit(EXIT_TERMINATED)

        signal.signal(signal.SIGTERM, end)


@dataclass(frozen=True)
class Turn:
    """One run of a command: the how many-th, and what the script says of it."""

    number: int
    letter: str


def check(notes: Notes, script: str) -> None:
    """Answer a check as the script says."""
    turn = notes.begin("check", script)
    sentence = f"as scripted: check {turn.number} of the {notes.by} fails"
    endings: Mapping[str, Any] = {"F": lambda: _fail(sentence), "X": lambda: os._exit(CRASH_EXIT_CODE), "W": hang}
    if turn.letter in endings:
        endings[turn.letter]()


def _fail(sentence: str) -> None:
    raise ConfigError(sentence)
