"""The folder of the command: who may use it, what is where, and the end of what a killed command left in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from airbyte_workers.chaos.engine import OwnEngine, emptied
from airbyte_workers.names import FORK_SERVER_MODULE, POD_VARIABLE
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import Home
from airbyte_workers.runtime.stack.leftovers import end_leftovers
from airbyte_workers.runtime.stack.lock import Hold, LockFile
from airbyte_workers.runtime.stack.processes import end, is_gone
from airbyte_workers.runtime.stack.server import Server
from airbyte_workers.settings import Settings

LOCK = "chaos.lock"
"""In every folder of this command, and in no other."""
_LOCK_S = 2.0
_END_S = 10.0
_LOOKS, _LOOK_S = 2, 0.1
_HOME_VARIABLE = "AIRBYTE_WORKERS_HOME"


@dataclass(frozen=True)
class Folder:
    """What is where below it."""

    path: Path

    @property
    def home(self) -> Path:
        """The stack's own AIRBYTE_WORKERS_HOME."""
        return self.path / "home"

    @property
    def failpoints(self) -> Path:
        return self.path / "moments"

    @property
    def engine(self) -> OwnEngine:
        return OwnEngine(self.path / "engine")

    @property
    def settings(self) -> Settings:
        """Of what lies there, whatever the environment says; whoever starts the servers adds their addresses."""
        return Settings.model_construct(home=self.home)

    def keep_home(self, name: str) -> Path:
        """Put the stack's home aside, with its logs and rows; the next stage begins with a new one."""
        kept = self.path / f"after-{name}"
        self.home.rename(kept)
        return kept

    def case(self, name: str) -> Path:
        """Where one case keeps its records; connectors in containers are users of their own."""
        folder = self.path / "cases" / name
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
        return folder


@asynccontextmanager
async def taken(path: Path) -> AsyncIterator[Folder]:
    """The folder for this command alone, emptied: what an earlier one left running is ended. Raises StackError."""
    folder = Folder(path.expanduser().absolute())
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"the folder {folder.path} cannot be made: {error.strerror}; --folder names another"
        ) from error
    _check_ours(folder.path)
    with LockFile(folder.path / LOCK) as lock:
        if not await lock.wait(Hold.EXCLUSIVE, _LOCK_S):
            raise StackError(f"another chaos command uses {folder.path}; --folder names another")
        await cleared(folder)
        for each in (folder.failpoints, folder.path / "cases"):
            each.mkdir(mode=0o755)
        yield folder


def _check_ours(path: Path) -> None:
    """What is emptied is empty already, or was made by this command. Raises StackError."""
    if any(path.iterdir()) and not (path / LOCK).is_file():
        raise StackError(
            f"{path} has other things in it, and would be emptied; --folder must name a new or an empty one"
        )


async def removed(folder: Folder) -> None:
    """The folder is gone, with everything that works below it."""
    await cleared(folder)
    await asyncio.to_thread(shutil.rmtree, folder.path, ignore_errors=True)


async def cleared(folder: Folder) -> None:
    """End everything that works below the folder, then remove all but its lock."""
    await end_workers(folder)
    await end_pods(folder)
    await end_leftovers(Home(folder.home))
    await _end_engine(folder.engine)
    await asyncio.to_thread(_remove, folder.path)


def _remove(path: Path) -> None:
    for each in path.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        elif each.name != LOCK:
            each.unlink(missing_ok=True)


async def end_workers(folder: Folder) -> None:
    """End Temporal workers of this stack, which have its folder as their home, with whatever they have started."""
    await end(await asyncio.to_thread(lambda: list(_workers(folder))), [(signal.SIGKILL, _END_S)])


async def end_pods(folder: Folder) -> None:
    """End what of pods runs on this host, until two looks in a row find nothing: some may just be starting."""
    quiet = 0
    while quiet < _LOOKS:
        found = await asyncio.to_thread(pod_processes, folder.settings.pods_dir)
        quiet = 0 if found else quiet + 1
        await end(found, [(signal.SIGKILL, _END_S)])
        await asyncio.sleep(_LOOK_S)


def pod_processes(pods: Path) -> list[psutil.Process]:
    """Every process that says, or shows by its directory, that it belongs to a pod of this folder."""
    return [each for each in _living() if _is_of_pod(each, pods)]


def _is_of_pod(process: psutil.Process, pods: Path) -> bool:
    with suppress(psutil.Error, OSError):
        if Path(process.environ().get(POD_VARIABLE, "/")).is_relative_to(pods):
            return True
        return FORK_SERVER_MODULE in process.cmdline() and Path(process.cwd()).is_relative_to(pods)
    return False


def _workers(folder: Folder) -> Iterator[psutil.Process]:
    for process in _living():
        with suppress(psutil.Error, OSError):
            if "worker" in process.cmdline() and process.environ().get(_HOME_VARIABLE) == str(folder.home):
                yield from (process, *process.children(recursive=True))


def _living() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        if process.pid != os.getpid() and not is_gone(process):
            yield process


async def _end_engine(engine: OwnEngine) -> None:
    """An engine that was killed with containers ends them when it starts again: nothing of them may go on."""
    if not engine.folder.exists():
        return
    await engine.clear()
    if engine.problem() is None and engine.has_containers:
        server = Server(engine)
        async with asyncio.timeout(60):
            await server.start()
            await emptied(engine.address, ())
        await server.stop()
    await asyncio.to_thread(engine.delete)
