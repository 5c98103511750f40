"""What a person sees of a job that is followed: news in lines, and on a terminal one line that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from airbyte_workers.cli.output import amount, say
from airbyte_workers.jobs.progress_words import acknowledged, before_data, how_far, waiting_for
from airbyte_workers.models import Progress, RunPhase
from airbyte_workers.names import JobKind
from airbyte_workers.quantities import duration

_PLAIN_EVERY_S = 5.0


class Plain:
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
        if self._told is None and not self._told_alone and not self._warned:
            say(
                "no Temporal worker has taken it up yet: does one run? (airbyte-workers worker; where workers have"
                " versions, is one of them current? airbyte-workers versions list)"
            )
        self._told_alone = True

    def warn(self, trouble: str | None) -> None:
        """Tell why something is tried again; the same reason once."""
        if trouble is not None and trouble != self._warned:
            say(trouble)
        self._warned = trouble or self._warned

    def update(self, phase: RunPhase, progress: Progress | None) -> None:
        now = asyncio.get_running_loop().time()
        told, self._told = self._told, phase
        for line in news(told, phase):
            say(line)
        if progress is None or ("running" not in (phase.phase, progress.phase) and progress.phase != "queued"):
            return
        if now - self._told_at >= _PLAIN_EVERY_S:
            self._told_at = now
            say(figures(progress, phase.kind))


class Terminal(Plain):
    """The same news above one line that moves."""

    def __init__(self) -> None:
        super().__init__()
        self._live = Live(Text(""), console=Console(stderr=True), transient=True, refresh_per_second=4)

    def __enter__(self) -> None:
        self._live.__enter__()

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def update(self, phase: RunPhase, progress: Progress | None) -> None:
        for line in news(self._told, phase):
            self._live.console.print(Text(line))
        self._told = phase
        line = moving_line(phase, progress, datetime.now(UTC))
        self._live.update(Text(line, no_wrap=True, overflow="ellipsis"))


# --- what is said -----------------------------------------------------------------------------------------------------


def news(told: RunPhase | None, phase: RunPhase) -> list[str]:
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
    return [*lines, *_unseen_end(told, phase), *_step(phase)]


def _unseen_end(told: RunPhase | None, phase: RunPhase) -> Iterator[str]:
    """An attempt that ended between two looks: what it was followed by is still known."""
    before = phase.attempt - 1
    if not before or not phase.failures or phase.phase == "waiting":
        return
    if told is None:
        yield f"attempt {before} failed: {_first(phase)}"
    elif told.attempt < phase.attempt and told.phase != "waiting":
        yield f"attempt {before} failed: {_first(phase)}; {phase.follows}"


def _step(phase: RunPhase) -> Iterator[str]:
    """What the run does now, where a person would want to know."""
    if phase.phase == "waiting":
        stop = " (Ctrl-C to stop)" if phase.next_attempt_at is not None else ""
        yield f"attempt {phase.attempt} failed: {_first(phase)}; {phase.detail}{stop}"
    elif phase.phase == "starting" and phase.detail:
        yield f"attempt {phase.attempt}: {phase.detail}"
    elif phase.phase == "running":
        who = f"attempt {phase.attempt}" if phase.attempt else f"the {phase.kind}"
        yield f"{who} is running ({phase.detail})"
    elif phase.phase == "asking":
        yield f"asking: {phase.detail}"
    elif phase.phase == "cancelling":
        yield f"stopping ({phase.detail})"


def _first(phase: RunPhase) -> str:
    return f"{phase.failures[0].origin}: {phase.failures[0].message}" if phase.failures else "for an unknown reason"


def moving_line(phase: RunPhase, progress: Progress | None, now: datetime) -> str:
    """The line that moves: live figures, how long a wait still takes, or where the run is."""
    if phase.phase == "waiting" and phase.next_attempt_at is not None:
        left = max(0, round((phase.next_attempt_at - now).total_seconds()))
        return f"attempt {phase.attempt + 1} starts in {duration(left)}"
    if progress is not None:
        return figures(progress, phase.kind)
    return f"{phase.phase}: {phase.detail}" if phase.detail else phase.phase


def figures(progress: Progress, kind: JobKind) -> str:
    """How far a pod is, or what keeps it from starting."""
    if (kept := before_data(progress, kind)) is not None:
        return kept
    waiting = f", {waiting_for(progress)}" if progress.waiting_for else ""
    return (
        f"{progress.phase}: {how_far(progress)}, {progress.bytes_per_second / 1e6:.1f} MB/s{waiting}, "
        f"{acknowledged(progress)}, {progress.records_committed:,} committed, {progress.records_per_second:,.0f}/s, "
        f"{amount(progress.bytes_emitted)}"
    )
