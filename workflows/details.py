"""The details panel of a run: what is going on and why, as Markdown; what connectors said stands in code blocks."""

from __future__ import annotations

from airbyte_workers.models import RunPhase


def details_of(phase: RunPhase) -> str:
    """The panel's text."""
    job = f", job {phase.job_id}" if phase.job_id is not None else ""
    lines = [f"**{phase.kind.capitalize()} of {phase.subject}**{job}"]
    if phase.launcher:
        lines.append(f"launcher: {phase.launcher}")
    attempt = f"attempt {phase.attempt}: " if phase.attempt else ""
    lines.append(f"{attempt}{phase.phase}" + (f": {phase.detail}" if phase.detail else ""))
    if phase.next_attempt_at is not None:
        lines.append(f"next attempt at {phase.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC")
    if phase.choice:
        lines.append("\n".join(f"- {each}" for each in phase.choice))
    lines.extend(f"{failure.origin}, {failure.type}:\n\n{_code_block(failure.message)}" for failure in phase.failures)
    return "\n\n".join(lines)


def _code_block(text: str) -> str:
    """The text in a fence that nothing inside of it can close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
