"""The folder of the embedded stack: what is where, and whether this program may use it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from airbyte_workers.runtime.stack.errors import StackError

LAYOUT = 1
"""Grows when a newer version can no longer use an older version's folder."""
MAX_LOG_BYTES = 20 * 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below AIRBYTE_WORKERS_HOME that belong to the embedded stack."""

    path: Path

    @property
    def stack_lock(self) -> Path:
        """Held exclusively by the supervisor for as long as it lives."""
        return self.path / "stack.lock"

    @property
    def users_lock(self) -> Path:
        """Held shared by every client, exclusively by a supervisor that stops."""
        return self.path / "users.lock"

    @property
    def state_file(self) -> Path:
        return self.path / "stack.json"

    @property
    def ports_file(self) -> Path:
        return self.path / "ports.json"

    @property
    def version_file(self) -> Path:
        return self.path / "version.json"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def cluster(self) -> Path:
        return self.postgres / "data"

    @property
    def new_cluster(self) -> Path:
        """Where a cluster is made before it gets its name."""
        return self.postgres / "data.new"

    @property
    def temporal_file(self) -> Path:
        return self.path / "temporal" / "temporal.db"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"


class Versions(msgspec.Struct, frozen=True):
    """What version.json holds: who can read this folder."""

    layout: int
    postgres: int | None = None


def open_home(path: Path) -> Home:
    """The folder, made on first use, readable for its owner alone, with a version we know."""
    home = Home(path.expanduser().absolute())
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = Home(home.path.resolve())
        for folder in (home.postgres, home.temporal_file.parent, home.log("stack").parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(home.path, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13))
    except OSError as err:
        raise StackError(
            f"the folder of the embedded stack, {home.path}, cannot be used: {err.strerror}. "
            "Make it writable, or set AIRBYTE_WORKERS_HOME to a folder that is."
        ) from err
    _check_layout(home)
    return home


def _check_layout(home: Home) -> None:
    known = read_versions(home)
    if known is not None and known.layout != LAYOUT:
        raise StackError(
            f"{home.path} was made by another version of airbyte-workers (layout {known.layout}, this one needs "
            f"{LAYOUT}). Use that version again, or set AIRBYTE_WORKERS_HOME to a new folder, or move {home.path} "
            "away: its connections, their states and the job history go with it."
        )


def read_versions(home: Home) -> Versions | None:
    """version.json; none in a new folder, an error when it cannot be understood."""
    try:
        return msgspec.json.decode(home.version_file.read_bytes(), type=Versions)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as err:
        raise StackError(
            f"{home.version_file} cannot be read ({err}). If this folder was last used by this version of "
            f"airbyte-workers, delete that one file; nothing is lost by it. Otherwise move {home.path} away."
        ) from err


def read_json(path: Path, shape: type[T]) -> T | None:
    """A small file of ours; none when it is missing or damaged, since each of them can be made again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except (OSError, msgspec.DecodeError):
        return None


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once and for good: readers see the old or the new one, only its owner sees any."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as err:
        draft.unlink(missing_ok=True)
        raise StackError(f"{path} cannot be written: {err.strerror}. Is the disk full?") from err


def rotate(log: Path) -> None:
    """Keep the last log under another name; the next one starts empty."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))


def trim(log: Path) -> None:
    """Bound a log that is being appended to: copy what is there aside, go on at the start."""
    try:
        if log.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
    except OSError:
        return  # a full disk must not stop the stack; the next round tries again
