"""A sync in the foreground: what a person sees while it runs, and what Ctrl-C does."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

from airbyte_workers.cli.output import Exit, Problem, amount, duration, say
from airbyte_workers.models import Progress, RunPhase
from airbyte_workers.names import JobKind
from airbyte_workers.runs import Run

T = TypeVar("T")
_LOOK_EVERY_S = 0.5
_PLAIN_EVERY_S = 5.0
_ALONE_S = 8.0
_LAST_LOOK_S = 2.0


class Interrupted(Exception):
    """Somebody pressed Ctrl-C a third time: the command leaves, the cancelled job goes on ending."""


def left() -> Problem:
    """What is told of a run that nobody waits for any more."""
    return Problem("left; the cancelled job goes on ending", type="Interrupted", code=Exit.INTERRUPTED)


async def follow(run: Run[Any], ending: Callable[[], Awaitable[T]]) -> T:
    """What `ending` of the run gives, its progress shown meanwhile. Raises what that raises, and Interrupted."""
    async with _watched(run), _cancelled_by_ctrl_c(run) as interrupted:
        result = asyncio.ensure_future(ending())
        leaving = asyncio.ensure_future(interrupted.wait())
        await asyncio.wait((result, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
    if not result.done():  # raised out here: a task group would wrap what is raised inside of it
        result.cancel()
        raise Interrupted
    return result.result()


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _cancelled_by_ctrl_c(run: Run[Any]) -> AsyncIterator[asyncio.Event]:
    """First: cancel the job. Second: end its pods at once. Third: leave (the event is set)."""
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    presses, cancelling = 0, list[asyncio.Task[None]]()
    by = f"{_user()}@{socket.gethostname()}"
    async with asyncio.TaskGroup() as tasks:

        def press() -> None:
            nonlocal presses
            presses += 1
            if presses == 1:
                say(f"cancelling the job: {run.ending} (Ctrl-C again: at once)")
            elif presses == 2:
                say("ending the job's pods at once (Ctrl-C again: leave without waiting)")
            else:
                leave.set()
                return
            cancelling.append(tasks.create_task(_cancel(run, by, now=presses == 2)))

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, press)
        try:
            yield leave
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            for task in cancelling if leave.is_set() else ():
                task.cancel()


async def _cancel(run: Run[Any], by: str, *, now: bool) -> None:
    try:
        await run.cancel(by=by, reason="Ctrl-C in the foreground", now=now)
    except Exception as error:  # a person waits: whatever went wrong is told
        say(f"the cancel did not get through ({type(error).__name__}: {error}); press Ctrl-C again")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


# --- progress ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _watched(run: Run[Any]) -> AsyncIterator[None]:
    """Show progress on stderr: one moving line on a terminal, plain lines elsewhere."""
    screen = _Terminal() if sys.stderr.isatty() else _Plain()
    with screen:
        watching = asyncio.create_task(_watch(run, screen))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await _look_once_more(run, screen)


async def _look_once_more(run: Run[Any], screen: _Plain) -> None:
    """A run may end between two looks: what a person must know of it is told all the same."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LAST_LOOK_S):
            if (phase := await run.phase()) is not None:
                screen.update(phase, None)


async def _watch(run: Run[Any], screen: _Plain) -> None:
    alone_since = asyncio.get_running_loop().time()
    while True:
        with contextlib.suppress(Exception):  # a look that fails is made up for by the next; the result is what counts
            seen = await run.look()
            if seen.phase is not None:
                screen.update(seen.phase, seen.figures)
                alone_since = asyncio.get_running_loop().time()
            if seen.figures is None:
                screen.warn(seen.trouble)
        if asyncio.get_running_loop().time() - alone_since > _ALONE_S:
            screen.tell_alone()
        await asyncio.sleep(_LOOK_EVERY_S)


class _Plain:
    """A line for every change of phase, and one every few seconds."""

    def __init__(self) -> None:
        self._told: RunPhase | None = None
        self._told_at = 0.0
        self._warned = ""
        self._told_alone = False

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None

    def tell_alone(self) -> None:
        """Tell, once, that nobody does the work."""
        if self._told is None and not self._told_alone:
            say("no Temporal worker has taken it up yet: does one run? (airbyte-workers worker)")
        self._told_alone = True

    def warn(self, trouble: str | None) -> None:
        """Tell why something is tried again; the same reason once."""
        if trouble is not None and trouble != self._warned:
            say(trouble)
        self._warned = trouble or self._warned

    def update(self, phase: RunPhase, progress: Progress | None) -> None:
        now = asyncio.get_running_loop().time()
        told, self._told = self._told, phase
        for line in _news(told, phase):
            say(line)
        if progress is None or ("running" not in (phase.phase, progress.phase) and progress.phase != "queued"):
            return
        if now - self._told_at >= _PLAIN_EVERY_S:
            self._told_at = now
            say(_figures(progress, phase.kind))


class _Terminal(_Plain):
    """The same news above one line that moves."""

    def __init__(self) -> None:
        super().__init__()
        self._live = Live(Text(""), console=Console(stderr=True), transient=True, refresh_per_second=4)

    def __enter__(self) -> None:
        self._live.__enter__()

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def update(self, phase: RunPhase, progress: Progress | None) -> None:
        for line in _news(self._told, phase):
            self._live.console.print(Text(line))
        self._told = phase
        moving = _figures(progress, phase.kind) if progress is not None else phase.phase
        self._live.update(Text(moving, no_wrap=True, overflow="ellipsis"))


def _news(told: RunPhase | None, phase: RunPhase) -> list[str]:
    """What changed since the last look, in lines for a person."""
    lines = []
    if phase.launcher and (told is None or not told.launcher):
        lines.append(f"launcher: {phase.launcher}")
    if phase.job_id is not None and (told is None or told.job_id is None):
        lines.append(f"job {phase.job_id}: {phase.kind} of {phase.subject}")
    if phase.choice and (told is None or not told.choice):
        lines.extend(f"  {each}" for each in phase.choice)
    if told is not None and (told.phase, told.attempt, told.detail) == (phase.phase, phase.attempt, phase.detail):
        return lines
    if phase.attempt > 1 and phase.failures and (told is None or _unseen_end(told, phase)):
        lines.append(f"attempt {phase.attempt - 1} failed: {_first(phase)}; attempt {phase.attempt} follows at once")
    if phase.phase == "waiting":
        lines.append(f"attempt {phase.attempt} failed: {_first(phase)}; {phase.detail} (Ctrl-C to stop)")
    elif phase.phase == "running":
        who = f"attempt {phase.attempt}" if phase.attempt else f"the {phase.kind}"
        lines.append(f"{who} is running ({phase.detail})")
    elif phase.phase == "asking":
        lines.append(f"asking: {phase.detail}")
    elif phase.phase == "cancelling":
        lines.append(f"stopping ({phase.detail})")
    return lines


def _unseen_end(told: RunPhase, phase: RunPhase) -> bool:
    """Whether an attempt failed between two looks: the next one follows at once when it had progress."""
    return told.attempt < phase.attempt and told.phase != "waiting"


def _first(phase: RunPhase) -> str:
    return f"{phase.failures[0].origin}: {phase.failures[0].message}" if phase.failures else "for an unknown reason"


def _figures(progress: Progress, kind: JobKind) -> str:
    if progress.phase == "queued":
        limit = {JobKind.DISCOVER: "DISCOVERY"}.get(kind, kind.upper())
        return f"queued: as many pods run on this host as may (MAX_{limit}_WORKERS), waiting for a place"
    if progress.phase == "launching":
        return "launching: installing or pulling what is missing, starting the pod"
    age = progress.last_acknowledgement_age_s
    acknowledged = f"last ack {duration(age)} ago" if age is not None else "no ack yet"
    return (
        f"{progress.phase}: {progress.records_emitted:,} records, {progress.bytes_per_second / 1e6:.1f} MB/s, "
        f"{acknowledged}, {progress.records_committed:,} committed, {progress.records_per_second:,.0f}/s, "
        f"{amount(progress.bytes_emitted)}"
    )
