"""What checks look through: the settings, the embedded stack if one runs, and connections that several share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg
from temporalio.client import Client

from airbyte_workers.doctor.findings import Skip
from airbyte_workers.pods.engine import Engine, EngineError
from airbyte_workers.runtime import temporal
from airbyte_workers.runtime.background import apart
from airbyte_workers.runtime.database import reached
from airbyte_workers.runtime.stack import Stack
from airbyte_workers.runtime.stack.home import Home
from airbyte_workers.runtime.stack.state import Phase, StackState, read_state
from airbyte_workers.settings import Settings

T = TypeVar("T")
SESSIONS = 5
"""Checks that ask PostgreSQL something at once."""
_NO_STACK = "no embedded stack runs; the next command that needs one starts it"
_PART_OF_LIMIT = 0.8
"""A connection gives up before the check that waits for it does: only then is it known why."""


class Door(Generic[T]):
    """A connection that is opened once, for every check that goes through it."""

    def __init__(self, exits: AsyncExitStack, what: str, opening: AbstractAsyncContextManager[T]) -> None:
        self._what = what
        self._opening = asyncio.create_task(exits.enter_async_context(opening))
        exits.push_async_callback(self._given_up)

    async def opened(self) -> T:
        """For the check that says why it cannot be. Raises what the opening raises, or Skip."""
        return await asyncio.shield(self._opening)

    async def through(self) -> T:
        """For those that only need it. Raises Skip."""
        try:
            return await self.opened()
        except Skip:
            raise
        except Exception:  # whatever it is, the check of the server itself tells it
            raise Skip(f"{self._what} cannot be used, see above") from None

    async def _given_up(self) -> None:
        self._opening.cancel()
        await asyncio.wait([self._opening])
        if not self._opening.cancelled():
            self._opening.exception()  # whoever wanted to know it has asked


@dataclass(frozen=True)
class EngineView:
    """An engine that answers, with what it says of itself; `info` is empty where that is not for us."""

    engine: Engine
    version: Mapping[str, Any]
    info: Mapping[str, Any]


@dataclass(frozen=True)
class Means:
    """For one round of looks. `settings` have the addresses of the embedded stack, if it is used and runs; `stack` is
    what its last supervisor said."""

    settings: Settings
    home: Home
    stack: StackState | None
    embedded: bool
    temporal: Door[Client]
    database: Door[asyncpg.Pool]
    engine: Door[EngineView]

    @property
    def limit_s(self) -> float:
        """For what a look waits by itself: a little less than is waited for the look."""
        return _limit_s(self.settings)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Means]:
    """Everything is being opened, and nothing waited for. No stack is started, no folder made."""
    embedded = settings.is_embedded
    given = settings
    try:
        async with asyncio.timeout(given.doctor_timeout_s):
            home, stack, settings = await apart(lambda: _located(given))
    except TimeoutError:  # its disk hangs: the check of the stack says so
        home, stack = Home(given.home), None
    exits = AsyncExitStack()
    try:
        yield Means(
            settings,
            home,
            stack,
            embedded,
            Door(exits, "Temporal", _temporal(settings)),
            Door(exits, "PostgreSQL", _database(settings)),
            Door(exits, "the Docker engine", _engine(settings)),
        )
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.doctor_timeout_s):
                await exits.aclose()


def _located(settings: Settings) -> tuple[Home, StackState | None, Settings]:
    """Where the embedded stack is, what it says if it is used, and the settings with its addresses if it runs."""
    home = Home(settings.home.expanduser().resolve())
    stack = read_state(home) if settings.is_embedded else None
    if stack is not None and stack.phase is Phase.READY and stack.owner.alive:
        settings = Stack.of(home, stack).applied_to(settings)
    return home, stack, settings


def _limit_s(settings: Settings) -> float:
    return settings.doctor_timeout_s * _PART_OF_LIMIT


@asynccontextmanager
async def _temporal(settings: Settings) -> AsyncIterator[Client]:
    if settings.is_embedded:
        raise Skip(_NO_STACK)
    async with temporal.connected(settings, timeout=_limit_s(settings)) as client:
        yield client


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    if settings.is_embedded:
        raise Skip(_NO_STACK)
    patient = settings.model_copy(update={"database_timeout_s": _limit_s(settings)})
    async with reached(patient, size=SESSIONS) as pool:
        yield pool


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[EngineView]:
    if settings.launcher == "process":
        raise Skip("LAUNCHER is process: no engine is used")
    async with aclosing(Engine(timeout_s=_limit_s(settings), calls=4, pulls=1)) as engine:
        version = await engine.ask("answer", lambda client: client.version())
        yield EngineView(engine, version, await _info(engine))


async def _info(engine: Engine) -> Mapping[str, Any]:
    """A proxy of the socket lets through what Temporal workers ask, and this they do not."""
    try:
        told: Mapping[str, Any] = await engine.ask("tell of itself", lambda client: client.info())
    except EngineError as error:
        if error.away:
            raise
        return {}
    return told
