"""Being told to stop, more and more urgently, and stopping within a time limit."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Self, TypeVar

import structlog

from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.settings import Settings

log = structlog.get_logger(__name__)

T = TypeVar("T")

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ONE_PRESS_S = 0.3
"""Signals that follow each other so closely are one: what started us may pass on what the terminal sent us as well, and
a key that is held down repeats itself."""

WORKERS_MARGIN_S = 10.0


class Stage(IntEnum):
    """How much shall end; every further signal asks for one step more."""

    NOTHING = 0
    HAND_OVER = 1
    """The Temporal workers; pods go on."""
    PODS = 2
    """The pods as well, in order."""
    LEAVE = 3
    """This process, at once, whatever still runs."""


OnStage = Callable[[Stage], object]


class StopRequest:
    """Ctrl-C, SIGTERM or a closed terminal: breaks off a start, ends a run in good order; another one ends more of it.

    A closed terminal asks for a hand-over alone, however often: shells and the kernel may both tell of it.
    """

    def __init__(self) -> None:
        self.stage = Stage.NOTHING
        self.by_hand = False
        """The first signal came from a keyboard, or from somebody who does as if: there may be a second one soon."""
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.current_task()
        self._begun = False
        self._first_at = self._last_at = 0.0
        self._reached = {stage: asyncio.Event() for stage in Stage}
        self._listeners: list[OnStage] = []

    def __call__(self, number: int) -> None:
        now = self._loop.time()
        again, self._last_at = now - self._last_at >= ONE_PRESS_S, now
        if self.stage is Stage.NOTHING:
            self.by_hand, self._first_at = number == signal.SIGINT, now
        elif self.stage is Stage.LEAVE or number == signal.SIGHUP or not again:
            return
        self._reach(Stage(self.stage + 1))

    def _reach(self, stage: Stage) -> None:
        self.stage = stage
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        self._reached[stage].set()
        for listener in tuple(self._listeners):
            listener(stage)

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self.stage > Stage.NOTHING

    @property
    def ends_a_run(self) -> bool:
        """Whether somebody asked, and not so early that only a start was broken off."""
        return self.asked and self._begun

    @property
    def age_s(self) -> float:
        """Seconds since somebody asked first."""
        return self._loop.time() - self._first_at

    def started(self) -> None:
        """From now on a request is heard by `within`, and breaks nothing off."""
        self._starting = None
        self._begun = True

    async def wait(self) -> None:
        """Return once somebody asks."""
        await self._reached[Stage.HAND_OVER].wait()

    async def within(self, seconds: float, stage: Stage = Stage.HAND_OVER) -> bool:
        """Whether somebody asks for so much in the next seconds, or has done so."""
        try:
            async with asyncio.timeout(seconds):
                await self._reached[stage].wait()
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def limited(self, seconds: float, *, more_for_pods: float = 0) -> AsyncIterator[None]:
        """A block that has so many seconds, more once pods shall end, and none once nobody waits any longer.

        Raises TimeoutError then.
        """
        async with asyncio.timeout(seconds) as limit:

            def adapt(stage: Stage) -> None:
                until = limit.when()
                if until is None or limit.expired():
                    return
                if stage is Stage.PODS:
                    limit.reschedule(until + more_for_pods)
                elif stage is Stage.LEAVE:
                    limit.reschedule(self._loop.time())

            adapt(self.stage)
            self._listeners.append(adapt)
            try:
                yield
            finally:
                self._listeners.remove(adapt)

    def tell(self, listener: OnStage) -> None:
        """Call `listener` with every stage that is reached from now on, at once."""
        self._listeners.append(listener)


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn those signals into a request for the length of a block, which ends quietly when it is broken off."""
    loop, request = asyncio.get_running_loop(), StopRequest()
    task = asyncio.current_task()
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    for number in heard:
        loop.add_signal_handler(number, request, number)
    try:
        yield request
    except asyncio.CancelledError:
        if not request.asked or task is None or task.uncancel():
            raise
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


@dataclass(frozen=True)
class EndLimits:
    """How many seconds the end of the workers may take, and how many more once pods shall end with them."""

    workers: float
    pods: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        workers = settings.worker_shutdown_timeout_s + settings.second_signal_s + WORKERS_MARGIN_S
        kill = 2 * settings.removal_timeout_s  # then a look at what it left, which may take as long
        return cls(workers, orderly_end_s(settings) + kill)


@asynccontextmanager
async def ending_within(
    context: AbstractAsyncContextManager[T], limits: EndLimits, stop: StopRequest
) -> AsyncIterator[T]:
    """The same context, but its end may take only so long, and no longer than somebody waits for it; what it did not
    end is left to the caller."""
    async with AsyncExitStack() as exits:
        value = await exits.enter_async_context(context)
        try:
            yield value
        finally:
            try:
                async with stop.limited(limits.workers, more_for_pods=limits.pods):
                    await exits.aclose()
            except TimeoutError:
                if stop.stage is not Stage.LEAVE:
                    log.exception("the Temporal workers did not end in time", seconds=limits.workers)
