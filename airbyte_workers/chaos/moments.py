"""The other side of `failpoints.py`: ask for a moment, see that it has come, let its program go on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.failpoints import Failpoint


@dataclass(frozen=True)
class Moment:
    """One moment that somebody wants, as files in a folder that all programs of the stack look into."""

    folder: Path
    point: Failpoint

    def arm(self) -> None:
        """From now on the first program that comes there stops."""
        self.clear()
        self._file("armed").touch()

    @property
    def is_hit(self) -> bool:
        """Whether a program stands there, or stood there."""
        return self._file("hit").exists()

    def let_go(self) -> None:
        """Whoever stands there goes on."""
        self._file("go").touch()

    def clear(self) -> None:
        """Nobody wants it any more."""
        for name in ("armed", "hit", "go"):
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{self.point}.{name}"
