"""The one process that owns a folder's servers, from their start to their end."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Protocol

import msgspec
import structlog

from airbyte_workers.runtime.stack.errors import AlreadyRunning, StackError
from airbyte_workers.runtime.stack.home import Home, open_home, trim
from airbyte_workers.runtime.stack.idle import Idle
from airbyte_workers.runtime.stack.lock import Hold, LockFile
from airbyte_workers.runtime.stack.ports import FAMILIAR
from airbyte_workers.runtime.stack.processes import identify
from airbyte_workers.runtime.stack.servers import Servers, running_servers
from airbyte_workers.runtime.stack.state import Mode, Phase, Stack, StackState, write_state
from airbyte_workers.runtime.stack.stopping import EndLimits, StopRequest, ending_within, stop_signals
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import StorageError, open_objects

log = structlog.get_logger(__name__)

OWNER_PATIENCE_S = 2.0  # clients look at the lock for a moment each
ROUND_S = 0.1
TRIM_ROUNDS = 300


class Served(Protocol):
    """The Temporal workers of the stack."""

    async def active_jobs(self) -> int:
        """How many jobs have not ended."""


Serving = Callable[[Settings, StopRequest], AbstractAsyncContextManager[Served]]
"""Starts the Temporal workers, given settings that name both servers, and ends them as far as the request goes."""
OnReady = Callable[[Stack], object]


class Board:
    """stack.json during the life of its owner: says where the stack is, and at the end why it failed or nothing."""

    def __init__(self, home: Home, mode: Mode) -> None:
        owner = identify(os.getpid())
        assert owner is not None
        self.home = home
        self.state = StackState(owner, mode, Phase.STARTING)

    def tell(self, **changes: Any) -> None:
        """Publish a change."""
        self.state = msgspec.structs.replace(self.state, **changes)
        write_state(self.home, self.state)

    def kept(self, reason: str | None) -> None:
        """Publish why the stack goes on without clients."""
        if reason != self.state.kept_by:
            self.tell(kept_by=reason)

    def __enter__(self) -> Board:
        self.tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(StackError, OSError):  # a full disk or a deleted folder must not hide the reason
            if isinstance(error, Exception):
                self.tell(phase=Phase.FAILED, error=_reason(error), database_url="")
            else:
                self.home.state_file.unlink()


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, StackError) else f"{type(error).__name__}: {error}"


async def supervise(
    settings: Settings, serving: Serving, *, mode: Mode = Mode.BACKGROUND, on_ready: OnReady | None = None
) -> None:
    """Own the stack of this folder: until nobody needs it (background), or until SIGINT or SIGTERM."""
    home = open_home(settings.home)
    with LockFile(home.users_lock) as users, LockFile(home.stack_lock) as owner, stop_signals() as stop:
        if not await owner.wait(Hold.EXCLUSIVE, OWNER_PATIENCE_S):
            raise AlreadyRunning(f"a supervisor of {home.path} runs already")
        with Board(home, mode) as board:
            await _own(_Owned(settings, serving, board, users, owner, stop), on_ready)


class _Owned(msgspec.Struct, frozen=True):
    """What a supervisor works with."""

    settings: Settings
    serving: Serving
    board: Board
    users: LockFile
    owner: LockFile
    stop: StopRequest


async def _own(own: _Owned, on_ready: OnReady | None) -> None:
    settings, board = own.settings, own.board
    foreground = board.state.mode is Mode.FOREGROUND
    log.info("stack starting", home=str(board.home.path), mode=board.state.mode)
    await _require_storage(settings)
    preferred = FAMILIAR if foreground else None
    async with running_servers(board.home, preferred, settings.stack_start_timeout_s) as servers:
        _announce(board, servers)
        stack = Stack.of(board.home, board.state)
        workers = own.serving(stack.applied_to(settings), own.stop)
        async with ending_within(workers, EndLimits.of(settings), own.stop) as served:
            own.stop.started()
            board.tell(phase=Phase.READY)
            log.info("stack ready", temporal=stack.temporal_address, ui=stack.ui_address)
            if on_ready:
                on_ready(stack)
            idle = None if foreground else Idle(own.users, served.active_jobs, board.kept)
            await _watch(own, servers, idle)
            board.tell(phase=Phase.STOPPING)
            log.info("stack stopping")
    log.info("stack stopped")


def _announce(board: Board, servers: Servers) -> None:
    board.tell(
        ports=servers.ports,
        servers=servers.pids,
        temporal_address=servers.temporal.address,
        ui_address=servers.temporal.ui_address,
        database_url=servers.postgres.url,
        postgres_version=servers.postgres.version,
    )


async def _require_storage(settings: Settings) -> None:
    """No pod could report without it, and none would say why so early. Raises StackError."""
    if settings.storage_url is None:
        return  # it is in the home, which was looked at
    try:
        await open_objects(settings).check()
    except StorageError as error:
        raise StackError(str(error)) from None


async def _watch(own: _Owned, servers: Servers, idle: Idle | None) -> None:
    """Keep the servers alive until somebody says stop, nobody needs them, or their folder is gone."""
    rounds = 0
    while not await own.stop.within(ROUND_S):
        if own.owner.detached:
            raise StackError(f"{own.board.home.path} was deleted while its stack was running")
        if await servers.mend(own.settings.stack_start_timeout_s):
            own.board.tell(servers=servers.pids)
        if idle and await idle.confirmed():
            return
        rounds += 1
        if rounds % TRIM_ROUNDS == 0:
            for name in ("stack", "temporal", "postgres"):
                trim(own.board.home.log(name))
