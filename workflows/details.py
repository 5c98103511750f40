"""The details panel of a run: what is going on and why, as Markdown; what connectors said stands in code blocks."""

from __future__ import annotations

from datetime import datetime

from airbyte_workers.jobs.progress_words import acknowledged, before_data, how_far, waiting_for
from airbyte_workers.models import Progress, RunPhase
from airbyte_workers.names import JobKind

_STREAMS = 20  # named; a source may have thousands


def details_of(phase: RunPhase, now: str = "") -> str:
    """The panel's text; `now`: what there is to add at this moment (`live`, `stuck`)."""
    job = f", job {phase.job_id}" if phase.job_id is not None else ""
    lines = [f"**{phase.kind.capitalize()} of {phase.subject}**{job}"]
    attempt = f"attempt {phase.attempt}: " if phase.attempt else ""
    lines.append(f"{attempt}{phase.phase}" + (f": {phase.detail}" if phase.detail else ""))
    if phase.next_attempt_at is not None:
        lines.append(f"next attempt at {phase.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC")
    if now:
        lines.append(now)
    lines.extend(f"{failure.origin}, {failure.type}:\n\n{_code_block(failure.message)}" for failure in phase.failures)
    if phase.launcher:
        lines.append(f"launcher: {phase.launcher}")
    if phase.choice:
        lines.append("streams:")
        lines.append("\n".join(f"- {each}" for each in phase.choice[:_STREAMS]))
    if len(phase.choice) > _STREAMS:
        lines.append(f"and {len(phase.choice) - _STREAMS:,} more")
    return "\n\n".join(lines)


def live(progress: Progress, kind: JobKind, at: datetime) -> str:
    """How far the pod is now: what the workflow itself does not know, because its history would grow with it."""
    if (kept := before_data(progress, kind)) is not None:
        return kept
    lines = [
        f"{how_far(progress)} emitted, {progress.records_committed:,} committed",
        f"{progress.records_per_second:,.0f} records/s, {progress.bytes_per_second / 1e6:.1f} MB/s",
        acknowledged(progress),
    ]
    if progress.waiting_for:
        lines.append(waiting_for(progress))
    listed = "\n".join(f"- {line}" for line in lines)
    return f"{progress.phase} (at {at:%H:%M:%S} UTC):\n\n{listed}"


def stuck(why: str) -> str:
    """Why nothing moves; a part of it may be what a connector said."""
    return f"nothing moves:\n\n{_code_block(why)}"


def _code_block(text: str) -> str:
    """The text in a fence that nothing inside of it can close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
