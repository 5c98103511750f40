"""Connectors as programs of this host: found on PATH, or installed in a Python environment of their own."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airbyte_workers.pods import installer
from airbyte_workers.pods.host import search_path
from airbyte_workers.pods.images import Requirement, requirement
from airbyte_workers.pods.locks import exclusive, to_its_end
from airbyte_workers.pods.pod import LaunchFailed, Program
from airbyte_workers.settings import Settings

DAY_S = 24 * 3600
OFFLINE_S = 600
"""How long an installed `latest` is used without asking again when the package index could not be asked."""


@dataclass(frozen=True)
class Executable:
    """The words a connector is started with, and the folders its own PATH begins with."""

    words: tuple[str, ...]
    folders: tuple[Path, ...] = ()


class Ready(msgspec.Struct, frozen=True):
    """`ready.json`, the last thing that is written into an environment."""

    script: str


class Newest(msgspec.Struct, frozen=True):
    """What `latest` stands for, and when to ask again."""

    version: str
    ask_again_at: float


class Environments:
    """The connector environments below one folder; safe with any number of processes at once."""

    def __init__(self, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self._root = (settings.home / "connectors").absolute()
        self._timeout_s = settings.install_timeout_s
        self._now = now

    async def executable(self, program: Program) -> Executable:
        """What starts the connector; installs it if need be. Raises LaunchFailed."""
        if program.image is None:
            return await asyncio.to_thread(_on_this_host, program.command)
        wanted = requirement(program.image)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await (self._version(wanted) if wanted.version else self._latest(wanted))
        except TimeoutError:
            raise LaunchFailed(f"installing {wanted} took longer than {self._timeout_s:g} s", retryable=True) from None
        except OSError as error:
            raise LaunchFailed(f"installing {wanted} failed: {error}", retryable=True) from error

    async def _version(self, wanted: Requirement) -> Executable:
        name = f"{wanted.distribution}-{wanted.version}-py{sys.version_info.major}.{sys.version_info.minor}"
        folder = self._root / name
        if found := await asyncio.to_thread(_installed, folder):
            return found
        async with exclusive(self._root / f".{name}.lock") as lock:
            if found := await asyncio.to_thread(_installed, folder):
                return found
            await to_its_end(shutil.rmtree, folder, ignore_errors=True)
            try:
                await installer.install(wanted, folder, lock)
                return await to_its_end(_finish, folder, wanted)
            except BaseException:
                await to_its_end(shutil.rmtree, folder, ignore_errors=True)
                raise

    async def _latest(self, wanted: Requirement) -> Executable:
        note = self._root / f".{wanted.distribution}-latest.json"
        async with exclusive(self._root / f".{wanted.distribution}-latest.lock") as lock:
            known = await asyncio.to_thread(_read_newest, note)
            if known and self._now() < known.ask_again_at:
                return await self._version(_pinned(wanted, known.version))
            try:
                version, ask_again_at = await installer.newest(wanted, lock), self._now() + DAY_S
                found = await self._version(_pinned(wanted, version))
            except LaunchFailed:
                if known is None:
                    raise
                version, ask_again_at = known.version, self._now() + OFFLINE_S
                found = await self._version(_pinned(wanted, version))
            await to_its_end(_write, note, Newest(version, ask_again_at))
            return found


def _on_this_host(command: tuple[str, ...]) -> Executable:
    if not command:
        raise LaunchFailed("the connector has neither an image nor a command")
    word, *rest = command
    path = shutil.which(word, path=search_path())
    if path is None:
        where = "is not a program that can be started" if os.sep in word else "is not a program on PATH"
        raise LaunchFailed(f"{word} {where}")
    return Executable((str(Path(path).absolute()), *rest))


def _pinned(wanted: Requirement, version: str) -> Requirement:
    return Requirement(wanted.image, wanted.distribution, version, wanted.script)


def _installed(folder: Path) -> Executable | None:
    """The environment's program, unless it is half-made or its interpreter has gone. To ask is to use it."""
    try:
        ready = msgspec.json.decode((folder / "ready.json").read_bytes(), type=Ready)
        _note_use(folder / "ready.json")
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    script = folder / "bin" / ready.script
    usable = os.access(script, os.X_OK) and os.access(folder / "bin" / "python", os.X_OK)
    return Executable((str(script),), (script.parent,)) if usable else None


def _note_use(ready: Path) -> None:
    """Raises FileNotFoundError; a cache that others look after may be one that we can only read."""
    try:
        os.utime(ready)
    except FileNotFoundError:
        raise
    except OSError:
        return


def _finish(folder: Path, wanted: Requirement) -> Executable:
    ready = Ready(_console_script(folder, wanted))
    _write(folder / "ready.json", ready)
    found = _installed(folder)
    if found is None:
        raise LaunchFailed(f"{wanted} has a console script {ready.script} that cannot be started")
    return found


def _console_script(folder: Path, wanted: Requirement) -> str:
    """The script named like the image, else like the distribution, else the only one."""
    packages = [str(each) for each in folder.glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(name=wanted.distribution, path=packages)
    scripts = [entry.name for each in found for entry in each.entry_points if entry.group == "console_scripts"]
    for name in (wanted.script, wanted.distribution):
        for script in scripts:
            if _plain(script) == _plain(name):
                return script
    if len(scripts) != 1:
        raise LaunchFailed(f"{wanted} has {len(scripts)} console scripts; none is named {wanted.script}")
    return scripts[0]


def _plain(name: str) -> str:
    return re.sub(r"[._-]+", "-", name).lower()


def _read_newest(path: Path) -> Newest | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Newest)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write(path: Path, content: msgspec.Struct) -> None:
    partial = path.with_name(f"{path.name}.tmp")
    partial.write_bytes(msgspec.json.encode(content))
    partial.replace(path)
