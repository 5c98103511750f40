"""`airbyte-workers chaos`: a fault at an exact moment of a sync, and the proof that nothing was lost."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from airbyte_workers.chaos.cases import LAUNCHERS, POINTS, Case, Expected, Victim, all_cases, decide
from airbyte_workers.chaos.folder import Folder, removed, taken
from airbyte_workers.chaos.runs import AWAY_S, Outcome
from airbyte_workers.chaos.selection import Wanted, applicable, sample
from airbyte_workers.chaos.series import Series
from airbyte_workers.chaos.stage import NO_PROFILE
from airbyte_workers.chaos.surroundings import EngineChoice, divided, look
from airbyte_workers.cli.environment import run
from airbyte_workers.cli.interrupts import every_signal_heard
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Problem, Shape, bad_input, say, show, show_json
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import CONTAINER_LAUNCHERS, LauncherName
from airbyte_workers.pods.image_building import ImageBuildFailed
from airbyte_workers.quantities import duration
from airbyte_workers.settings import Settings

_SEEDS = 2**32
_WIDTHS = (15, 22, 7, 9)


@dataclass(frozen=True)
class _Asked:
    """What was typed."""

    wanted: Wanted
    output: Shape
    seed: int
    everything: bool
    sample: int | None
    folder: Path | None
    away: float


@click.command()
@click.option(
    "--victim",
    "victims",
    multiple=True,
    type=click.Choice([each.value for each in Victim]),
    help="Whom to strike; may be repeated.",
)
@click.option(
    "--point",
    "points",
    multiple=True,
    type=click.Choice([each.value for each in POINTS]),
    help="At which moment; may be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Every case that applies: takes a good while.")
@click.option("--sample", type=click.IntRange(1), help="Only so many of the cases, drawn by --seed.")
@click.option("--seed", type=click.IntRange(0), help="Draws the same sample again. Left out: a new one, which is told.")
@click.option("--launcher", type=click.Choice(LAUNCHERS), help="Cases of this launcher alone; left out: of both.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the stack of the cases lives; it is emptied first. Left out: chaos in AIRBYTE_WORKERS_HOME.",
)
@click.option(
    "--away",
    type=click.FloatRange(min=AWAY_S, max=600),
    default=AWAY_S,
    show_default=True,
    help="How long servers, storage, the engine or the Temporal worker stay away, s. From 3 on the sync outlasts it.",
)
@click.option("--table", is_flag=True, help="Only show the cases, what must come of each, and why.")
@OUTPUT
@click.pass_context
def chaos(context: click.Context, /, output: Shape, *, table: bool, **typed: Any) -> None:
    """Strike a program at an exact moment of a real sync, and prove that nothing was lost.

    The stack is one of its own, in a folder of its own; yours is not touched. It ends with 0 only if every case went as
    the table says.
    """
    asked = _asked(output, **typed)

    async def command(settings: Settings) -> Exit:
        if table:
            return _show_table(asked)
        _check(asked)
        with every_signal_heard():
            return await _play(settings, asked)

    context.exit(run(command, output))


def _asked(
    output: Shape, *, victims: Sequence[str], points: Sequence[str], launcher: LauncherName | None, **others: Any
) -> _Asked:
    launchers = (launcher,) if launcher is not None else ()
    wanted = Wanted([Victim(each) for each in victims], [Failpoint(each) for each in points], launchers)
    seed = others.pop("seed")
    return _Asked(wanted, output, secrets.randbelow(_SEEDS) if seed is None else seed, **others)


def _check(asked: _Asked) -> None:
    named = bool(asked.wanted.victims or asked.wanted.points or asked.sample)
    if not (asked.everything or named):
        raise bad_input("say which cases: --all, --sample N, --victim or --point; --table shows them")
    if asked.everything and named:
        raise bad_input("--all is every case: leave out --victim, --point and --sample, or --all")


# --- playing ---


async def _play(settings: Settings, asked: _Asked) -> Exit:
    began = time.monotonic()
    _forget_other_temporals()
    cases = applicable(asked.wanted)
    if not cases:
        raise bad_input("no such case applies; why stands in the table: airbyte-workers chaos --table")
    async with taken(asked.folder or settings.home / "chaos") as folder:
        cases, engine = await _playable(folder, cases)
        if asked.sample is not None:
            cases = sample(cases, asked.sample, asked.seed)
        say(f"{_number(len(cases), 'case')}, seed {asked.seed}, in {folder.path}")
        used = engine if any(case.launcher in CONTAINER_LAUNCHERS for case in cases) else None
        outcomes = await _outcomes(folder, used, cases, asked)
        violated = sum(bool(each.violations) for each in outcomes)
        if not violated:
            await removed(folder)
    _summary(asked, outcomes, time.monotonic() - began)
    return Exit.FAILED if violated else Exit.DONE


async def _playable(folder: Folder, cases: Sequence[Case]) -> tuple[list[Case], EngineChoice]:
    """Those that this host can play; what is left out is told. Raises Problem where nothing is left."""
    host = await look(folder)
    playable, left_out = divided(cases, host)
    for why, count in left_out.items():
        say(f"not played here, {_number(count, 'case')}: {why}")
    if not playable:
        raise Problem("none of the cases applies here")
    return playable, host.engine


async def _outcomes(folder: Folder, engine: EngineChoice | None, cases: list[Case], asked: _Asked) -> list[Outcome]:
    """Every outcome; who breaks the series off leaves nothing behind, unless there is a violation to be looked into."""
    violated = False

    def tell(outcome: Outcome) -> None:
        nonlocal violated
        violated |= bool(outcome.violations)
        _told(outcome, asked.output)

    try:
        return await Series(folder, engine, asked.away, tell, say).play(cases)
    except ImageBuildFailed as error:
        raise Problem(str(error)) from None
    except asyncio.CancelledError:
        if not violated:
            await removed(folder)
        raise


def _forget_other_temporals() -> None:
    """What this process was told of another Temporal (TLS, keys) must not be tried on ours."""
    for name in [each for each in os.environ if each.startswith("TEMPORAL_")]:
        del os.environ[name]
    os.environ.update(NO_PROFILE)


# --- telling ---


def _told(outcome: Outcome, shape: Shape) -> None:
    """A line for each case as it ends; JSON comes at the end, so here it is said aside."""
    tell = show if shape == "text" else say
    tell(_line(outcome))
    for violation in outcome.violations:
        tell(f"    VIOLATION: {violation}")


def _line(outcome: Outcome) -> str:
    fields = (outcome.victim, outcome.point, outcome.launcher, outcome.status or "-")
    words = "  ".join(field.ljust(width) for field, width in zip(fields, _WIDTHS, strict=True))
    attempts = _number(outcome.attempts, "attempt").ljust(10)
    hit = "hit    " if outcome.hit else "NOT HIT"
    return f"{words}  {hit}  {attempts}  {outcome.seconds:5.1f} s  {outcome.struck}".rstrip()


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _summary(asked: _Asked, outcomes: Sequence[Outcome], seconds: float) -> None:
    violated = [each for each in outcomes if each.violations]
    if asked.output == "json":
        cases = [msgspec.to_builtins(each) for each in outcomes]
        show_json({"seed": asked.seed, "seconds": round(seconds, 1), "violated": len(violated), "cases": cases})
        return
    show(f"{_number(len(outcomes), 'case')} in {duration(seconds)}, {len(violated)} violated (seed {asked.seed})")
    for each in violated:
        show(f"again: airbyte-workers chaos --victim {each.victim} --point {each.point} --launcher {each.launcher}")


def _show_table(asked: _Asked) -> Exit:
    cases = [(case, decide(case)) for case in all_cases() if asked.wanted.matches(case)]
    if asked.output == "json":
        show_json([{**vars(case), "applies": isinstance(end, Expected), **vars(end)} for case, end in cases])
        return Exit.DONE
    for case, end in cases:
        what = f"{end.status}, {end.attempts} attempt(s)" if isinstance(end, Expected) else "does not apply"
        names = f"{case.victim:<{_WIDTHS[0]}}  {case.point:<{_WIDTHS[1]}}  {case.launcher:<{_WIDTHS[2]}}"
        show(f"{names}  {what:<23}  {end.why}")
    return Exit.DONE
