"""Using the stack: find the one that runs, or start it, and leave it as it should be left."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

import airbyte_workers
from airbyte_workers.runtime.stack.errors import StackError, tail
from airbyte_workers.runtime.stack.home import Home, open_home
from airbyte_workers.runtime.stack.leftovers import end_leftovers
from airbyte_workers.runtime.stack.lock import Hold, LockFile, is_owned
from airbyte_workers.runtime.stack.processes import Identity, identify, until
from airbyte_workers.runtime.stack.state import Mode, Phase, Stack, StackState, read_state
from airbyte_workers.settings import Settings

log = structlog.get_logger(__name__)

SUPERVISOR = (sys.executable, "-m", "airbyte_workers.runtime.stack")
POLL_S = 0.03
TRIES = 2
KEEP_ALIVE_ROUND_S = 1.0
SPAWN_TIMEOUT_S = 60
MIN_FREE_BYTES = 100 * 1024 * 1024


@asynccontextmanager
async def connected_stack(settings: Settings, *, program: Sequence[str] = SUPERVISOR) -> AsyncIterator[Stack]:
    """The stack of `settings.home`, started if nobody did; it runs at least to the end of the block.

    If nobody and no job needs it afterwards, it has stopped when the block is over.
    """
    home = open_home(settings.home)
    with LockFile(home.users_lock) as users:
        if not await users.wait(Hold.SHARED, settings.stack_stop_timeout_s):
            raise StackError(_stuck(home, settings.stack_stop_timeout_s))
        search = _Search(home, settings, program)
        try:
            async with asyncio.timeout(settings.stack_start_timeout_s):
                state = await search.found()
        except TimeoutError as err:
            raise StackError(search.took_too_long()) from err
        try:
            async with _kept_alive(home, settings, program):
                yield Stack.of(home, state)
        finally:
            await _leave(home, users, settings.stack_stop_timeout_s)


@asynccontextmanager
async def stack_settings(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with every address filled in; the embedded stack runs for as long as the block."""
    if not settings.is_embedded:
        yield settings
        return
    async with connected_stack(settings) as stack:
        yield stack.applied_to(settings)


@asynccontextmanager
async def _kept_alive(home: Home, settings: Settings, program: Sequence[str]) -> AsyncIterator[None]:
    """Whoever uses the stack brings back a supervisor that was killed: its servers and pods go on meanwhile."""
    leaving = asyncio.Event()
    keeping = asyncio.create_task(_keep_alive(home, settings, program, leaving))  # no group: that wraps errors
    try:
        yield
    finally:
        leaving.set()  # one that is being started is waited for: only then can it be seen off
        await asyncio.wait([keeping])


async def _keep_alive(home: Home, settings: Settings, program: Sequence[str], leaving: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE_ROUND_S):
                await leaving.wait()
        if leaving.is_set():
            return
        state = read_state(home)
        if (state and state.owner.alive) or is_owned(home.stack_lock):
            continue
        log.warning("the embedded stack lost its supervisor, starting another one", home=str(home.path))
        try:
            async with asyncio.timeout(settings.stack_start_timeout_s):
                await _Search(home, settings, program).found()
        except (StackError, TimeoutError, OSError) as err:
            log.error("the embedded stack did not come back", reason=str(err))  # noqa: TRY400 - a sentence for people
            return


def _stuck(home: Home, seconds: float) -> str:
    state = read_state(home)
    who = f"process {state.owner.pid}" if state else "its supervisor"
    return f"the stack of {home.path} has been stopping for {seconds:g} s; {who} hangs, see {home.log('stack')}"


class _Search:
    """Looks for a stack that is ready, and starts one where there is none."""

    def __init__(self, home: Home, settings: Settings, program: Sequence[str]) -> None:
        self._home = home
        self._settings = settings
        self._program = program
        self._log = home.log("stack")
        self._log_start = 0
        self._child: int | None = None
        self._tries = TRIES

    async def found(self) -> StackState:
        """The first state of a supervisor that is alive and ready."""
        while True:
            state = read_state(self._home)
            if state and state.owner.alive:
                if state.phase is Phase.READY:
                    return state
            elif not is_owned(self._home.stack_lock):
                await self._ensure_child(state)
            await asyncio.sleep(POLL_S)

    async def _ensure_child(self, state: StackState | None) -> None:
        if self._child is not None:
            if identify(self._child):
                return
            if state and state.error and state.owner.pid == self._child:
                raise StackError(f"the embedded stack did not start: {state.error}\nThe whole log: {self._log}")
            if not self._tries:
                raise StackError(f"the embedded stack did not start. {self._log} ends with:\n{self._said()}")
        self._tries -= 1
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        self._child = await asyncio.to_thread(start_supervisor, self._home, self._settings, self._program)

    def _said(self) -> str:
        return tail(self._log, self._log_start)

    def took_too_long(self) -> str:
        """Why there was no stack in time."""
        seconds, state = self._settings.stack_start_timeout_s, read_state(self._home)
        if is_owned(self._home.stack_lock) and not (state and state.owner.alive):
            return (
                f"{self._home.path} is in use by a supervisor that cannot be seen from here (another container?). "
                "Stop it, or set AIRBYTE_WORKERS_HOME to another folder."
            )
        return f"the embedded stack was not ready within {seconds:g} s. {self._log} ends with:\n{self._said()}"


def start_supervisor(home: Home, settings: Settings, program: Sequence[str] = SUPERVISOR) -> int:
    """Start a supervisor that is nobody's child and outlives this terminal; returns its pid."""
    settings = settings.model_copy(update={"home": home.path, "local_root": settings.local_root.absolute()})
    _require_space(home)
    root = Path(airbyte_workers.__file__).parents[1]
    try:
        descriptor = os.open(home.log("stack"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            done = subprocess.run(
                [*program, "--detach"], input=settings.model_dump_json().encode(), stdout=subprocess.PIPE, stderr=file,
                cwd=root, start_new_session=True, check=True, timeout=SPAWN_TIMEOUT_S,
            )  # fmt: skip
        return int(done.stdout.split()[-1])  # a .pth file of the user may have printed, too
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as err:
        raise StackError(
            f"the supervisor of the embedded stack cannot be started: {err}\n{tail(home.log('stack'))}"
        ) from err


def _require_space(home: Home) -> None:
    free = shutil.disk_usage(home.path).free
    if free < MIN_FREE_BYTES:
        raise StackError(
            f"only {free >> 20} MiB are free in {home.path}; the embedded stack needs {MIN_FREE_BYTES >> 20}. "
            "Make room, or set AIRBYTE_WORKERS_HOME to a folder on another disk."
        )


async def _leave(home: Home, users: LockFile, seconds: float) -> None:
    """Give up our use of the stack; as the last user, wait until it is gone or something else keeps it."""
    if not users.take(Hold.EXCLUSIVE) and users.take(Hold.SHARED):
        users.drop()
        return  # others use it
    users.drop()
    if users.detached:
        return  # the folder was deleted; a supervisor that sees that ends by itself
    state = read_state(home)
    if state and state.owner.alive:
        await _see_off(home, state, seconds)
        return
    with LockFile(home.stack_lock) as owner:  # it was killed while we used it: its servers are ours to end
        if owner.take(Hold.EXCLUSIVE):
            await end_leftovers(home)
            home.state_file.unlink(missing_ok=True)


async def _see_off(home: Home, state: StackState, seconds: float) -> None:
    if state.mode is Mode.FOREGROUND:
        return
    if not await until(lambda: not state.owner.alive or _kept(home, state.owner), seconds):
        log.warning("the embedded stack is still stopping", pid=state.owner.pid, log=str(home.log("stack")))


def _kept(home: Home, owner: Identity) -> bool:
    state = read_state(home)
    return state is not None and state.owner == owner and state.kept_by is not None
