"""One Python environment for each peer, made once: what one of them needs beside it would not fit another, or us."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_INSTALL_S = 900
_ADDRESS = re.compile(r"\S*://\S+")


class PeerUnavailableError(Exception):
    """A peer cannot be installed here; the others can be measured without it."""


@dataclass(frozen=True)
class Environment:
    """A package at one version, with all it asks for, on the Python that runs us."""

    package: str
    version: str

    def prepared(self, folder: Path) -> Path:
        """The environment below a folder; one that was not finished is made anew.

        PeerUnavailableError when that fails, mostly because no package index can be reached.
        """
        place = folder / f"{self.package}-{self.version}-python{sys.version_info[0]}.{sys.version_info[1]}"
        finished = place / "finished"
        if not finished.exists():
            shutil.rmtree(place, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            self._make(place)
            finished.touch()
        return place

    def _make(self, place: Path) -> None:
        self._uv("venv", "--quiet", "--python", sys.executable, str(place))
        # With bytecode, for else every start would compile some thousand modules where PYTHONDONTWRITEBYTECODE is set.
        into = ("--python", str(place / "bin" / "python"), "--compile-bytecode")
        self._uv("pip", "install", "--quiet", *into, f"{self.package}=={self.version}")

    def _uv(self, *arguments: str) -> None:
        try:
            done = subprocess.run([_uv(), *arguments], capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as err:
            raise PeerUnavailableError(f"{self._failed}: {err}") from err
        if done.returncode != 0:
            raise PeerUnavailableError(f"{self._failed}: {in_short(done.stderr)}")

    @property
    def _failed(self) -> str:
        return f"{self.package} {self.version} could not be installed, so it is not measured"


def default_folder() -> Path:
    """Where environments stay from one benchmark to the next: they take about 1 GB."""
    if home := os.environ.get("AIRBYTE_WORKERS_HOME"):
        return Path(home).expanduser().absolute() / "benchmark-peers"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "airbyte-workers" / "benchmark-peers"


def in_short(stderr: str) -> str:
    """What a program said last, on one line and without addresses: these belong to the machine, not in a report."""
    return _ADDRESS.sub("<address>", " ".join(stderr.split()))[-600:] or "it said nothing"


def _uv() -> str:
    """The uv of the project, else the machine's."""
    ours = Path(sys.executable).with_name("uv")
    return str(ours) if ours.exists() else "uv"
