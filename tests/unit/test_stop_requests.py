"""Signals to what runs for long: each asks for one step more, and what waits for an end waits as long as it should."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from airbyte_workers.runtime.stack import stopping
from airbyte_workers.runtime.stack.stopping import EndLimits, Stage, StopRequest, ending_within, stop_signals
from airbyte_workers.settings import Settings

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
LIMITS = EndLimits(workers=60, pods=60)
BRIEF = EndLimits(workers=0.02, pods=60)


@pytest.fixture
def every_signal_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "ONE_PRESS_S", 0.0)


def running() -> StopRequest:
    stop = StopRequest()
    stop.started()
    return stop


@pytest.mark.usefixtures("every_signal_counts")
@pytest.mark.parametrize(
    ("signals", "stage"),
    [
        ((), Stage.NOTHING),
        ((TERM,), Stage.HAND_OVER),
        ((TERM, TERM), Stage.PODS),
        ((INT, TERM), Stage.PODS),
        ((INT, INT, INT), Stage.LEAVE),
        ((INT, INT, INT, INT), Stage.LEAVE),
        ((HUP, HUP, HUP), Stage.HAND_OVER),
        ((HUP, INT), Stage.PODS),
        ((INT, INT, HUP), Stage.PODS),
    ],
)
async def test_each_signal_asks_for_one_step_more_but_a_closed_terminal(
    signals: tuple[signal.Signals, ...], stage: Stage
) -> None:
    stop, told = running(), list[Stage]()
    stop.tell(told.append)
    for number in signals:
        stop(number)
    assert stop.stage is stage
    assert told == list(Stage)[1 : stage + 1]


async def test_signals_that_come_together_are_one() -> None:
    """A launcher of programs that passes on what the terminal sent to us, too; a key that is held down."""
    stop = running()
    for _ in range(50):
        stop(INT)
        await asyncio.sleep(0.002)
    assert stop.stage is Stage.HAND_OVER


@pytest.mark.parametrize(("number", "by_hand"), [(INT, True), (TERM, False), (HUP, False)])
async def test_only_ctrl_c_lets_expect_another(number: signal.Signals, by_hand: bool) -> None:
    stop = running()
    stop(number)
    assert stop.by_hand is by_hand


async def test_a_start_that_is_broken_off_ends_quietly_and_ends_no_run() -> None:
    with stop_signals() as stop:
        os.kill(os.getpid(), TERM)
        await asyncio.Event().wait()
    assert stop.asked
    assert not stop.ends_a_run


async def test_a_run_is_not_broken_off() -> None:
    with stop_signals() as stop:
        stop.started()
        os.kill(os.getpid(), TERM)
        await stop.wait()
        await asyncio.sleep(0)
    assert stop.ends_a_run


@asynccontextmanager
async def ends_when(event: asyncio.Event) -> Iterator[None]:
    yield
    await event.wait()


@pytest.mark.usefixtures("every_signal_counts")
async def test_nobody_waits_for_an_end_after_the_third_signal() -> None:
    stop = running()
    async with asyncio.timeout(20), ending_within(ends_when(asyncio.Event()), LIMITS, stop):
        for _ in range(3):
            asyncio.get_running_loop().call_soon(stop, INT)
    assert stop.stage is Stage.LEAVE


@pytest.mark.usefixtures("every_signal_counts")
async def test_an_end_has_more_time_once_pods_shall_end_too() -> None:
    stop, over = running(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:

        async def end() -> bool:
            async with ending_within(ends_when(over), BRIEF, stop):
                stop(TERM)
                stop(TERM)
            return over.is_set()

        ending = tasks.create_task(end())
        await asyncio.sleep(5 * BRIEF.workers)
        assert not ending.done()
        over.set()
    assert ending.result()


async def test_an_end_that_takes_too_long_is_given_up_and_told() -> None:
    stop = running()
    with capture_logs() as logs:
        async with asyncio.timeout(20), ending_within(ends_when(asyncio.Event()), BRIEF, stop):
            stop(TERM)
    assert [each["event"] for each in logs] == ["the Temporal workers did not end in time"]


def test_an_end_may_take_as_long_as_its_steps() -> None:
    settings = Settings(
        worker_shutdown_timeout_s=100, second_signal_s=1000, removal_timeout_s=1, shutdown_grace_period_s=10_000
    )
    limits = EndLimits.of(settings)
    assert limits.workers > 1100
    assert limits.pods > 10_000
