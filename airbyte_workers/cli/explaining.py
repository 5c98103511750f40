"""`airbyte-workers jobs explain`: one page about a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import click
from temporalio.service import RPCError

from airbyte_workers.cli.cancelling import cut_off
from airbyte_workers.cli.environment import run
from airbyte_workers.cli.explanation import Explanation, Known, explain
from airbyte_workers.cli.options import JOB, OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input, show, show_json
from airbyte_workers.cli.report import evidence_line
from airbyte_workers.cli.screens import moving_line
from airbyte_workers.client import Client, TemporalUnreachable
from airbyte_workers.runs import Run, RunProgress
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import history, job_facts
from airbyte_workers.store.job_facts import JobFacts


@click.command("explain")
@JOB
@OUTPUT
@click.pass_context
def explain_job(context: click.Context, job_id: int, output: Shape) -> None:
    """Explain a job on one page: what happened, the decisive evidence, what to change, how to go on."""

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            try:
                job = await job_facts.facts(db, job_id)
            except LookupError as error:
                raise bad_input(str(error)) from None
            now = "" if job.has_ended else await _now(where, job)
            known = Known(job, await history.report(db, job_id), await history.events(db, job_id), now)
        page = explain(known)
        if output == "json":
            show_json(page.model_dump(mode="json"))
        else:
            for line in lines(page):
                show(line)
        return Exit.DONE

    context.exit(run(command, output))


# --- what it does now ---


async def _now(where: Settings, job: JobFacts) -> str:
    """What a job that has not ended is doing or waiting for; the database alone does not know."""
    try:
        async with Client.connect(where) as client:
            return await _doing(client.run_of(job), where)
    except (TemporalUnreachable, RPCError) as error:
        return f"what it does now is not known, Temporal does not answer: {error}"


async def _doing(started: Run[Any], settings: Settings) -> str:
    if not await started.is_running():
        return f"nothing: {cut_off(settings)}"
    return doing(await started.look(), datetime.now(UTC))


def doing(seen: RunProgress, now: datetime) -> str:
    """What one look at a run says, in words."""
    if seen.phase is None:
        return "no Temporal worker answers: does one run? (airbyte-workers worker)"
    phase = seen.phase
    if phase.phase == "waiting":
        at = f" (at {phase.next_attempt_at.astimezone():%H:%M:%S})" if phase.next_attempt_at is not None else ""
        return f"{phase.detail}{at}"
    attempt = f"attempt {phase.attempt}: " if phase.attempt else ""
    trouble = f"; {seen.trouble}" if seen.trouble else ""
    return f"{attempt}{moving_line(phase, seen.figures, now)}{trouble}"


# --- the page ---


def lines(page: Explanation) -> Iterator[str]:
    """The page as text."""
    yield page.summary
    if page.waits_for:
        yield from _part("Now", [page.waits_for])
    happened = [f"{moment.at.astimezone():%H:%M:%S}  {moment.text}" for moment in page.happened]
    yield from _part(f"What happened ({page.happened[0].at.astimezone():%Y-%m-%d})" if happened else "", happened)
    yield from _part("Why", page.decisive)
    if page.evidence:
        yield from _part(f"Evidence of attempt {page.evidence_of_attempt}", map(evidence_line, page.evidence))
    yield from _part("What to do", page.change)
    yield from _part("How to go on", [f"{step.command}    {step.when}" for step in page.go_on])
    yield from _part("Log", [page.log])


def _part(title: str, body: Iterable[str]) -> Iterator[str]:
    rows = [f"  {row}" for row in body]
    if rows:
        yield from ("", title, *rows)
