"""Object storage as a folder that can be taken away: every use of it fails until it is back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_workers.runtime.stack.errors import StackError

_TRIES = 100


@dataclass
class Storage:
    """One folder. Somebody may make it anew in the moment in which it goes: what is put there then comes back, too."""

    path: Path
    _aside: list[Path] = field(default_factory=list)

    @property
    def is_there(self) -> bool:
        return not self._aside and not self.path.is_file()

    def take_away(self) -> None:
        """A plain file stands in its place, so that nobody can make the folder anew. Raises StackError."""
        for _ in range(_TRIES):
            aside = self.path.with_name(f"{self.path.name}.away-{len(self._aside)}")
            if self.path.is_dir():
                self.path.rename(aside)
                self._aside.append(aside)
            try:
                self.path.open("x").close()
            except FileExistsError:
                continue
            return
        raise StackError(f"{self.path} is made anew again and again; it cannot be taken away")

    def bring_back(self) -> None:
        """Everything is where it was."""
        if self.is_there:
            return
        self.path.unlink()
        for each in self._aside:
            try:
                each.rename(self.path)
            except OSError:  # there is something again
                shutil.copytree(each, self.path, dirs_exist_ok=True)
                shutil.rmtree(each)
        self._aside.clear()
