"""Hold the relay against its reference for as many lines as are asked for; exit code 1 when they disagree."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from tests.fuzz.fuzzing import LINES_OF_A_RUN, Found, Plan, in_processes

MIB = 2**20


@click.command()
@click.option("--lines", default=10_000_000, show_default=True, help="How many lines in all.")
@click.option("--seed", default=0, show_default=True, help="The first run's; a found one's repeats it.")
@click.option("--processes", default=2, show_default=True, help="How many at once.")
@click.option("--run-lines", default=LINES_OF_A_RUN, show_default=True, help="Lines of a run, each with its own seed.")
@click.option("--folder", default="fuzz-findings", show_default=True, type=click.Path(path_type=Path))
@click.pass_context
def main(context: click.Context, lines: int, seed: int, processes: int, run_lines: int, folder: Path) -> None:
    """Seeds count up from --seed, one for every run."""
    share = -(-lines // processes)
    plans = [Plan(seed + n, processes, share, run_lines) for n in range(processes)]
    started, found, memory_at_start = time.monotonic(), 0, 0
    for progress in in_processes(plans, every_s=10):
        done, memory = sum(each.lines for each in progress), sum(each.resident for each in progress)
        memory_at_start = memory_at_start or memory
        for each in (each for one in progress for each in one.found):
            found += 1
            tell(each, run_lines, folder)
        rate = done / (time.monotonic() - started)
        click.echo(f"{done:,} of {lines:,} lines, {rate:,.0f} a second, {memory / MIB:,.0f} MiB, {found} differences")
    click.echo(f"memory: {memory_at_start / MIB:,.0f} MiB at the start, {memory / MIB:,.0f} MiB at the end")
    context.exit(1 if found else 0)


def tell(found: Found, run_lines: int, folder: Path) -> None:
    """Say what was found, and keep the few lines that it takes."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"seed-{found.seed}.lines"
    file.write_bytes(b"".join(found.input))
    again = f"python -m tests.fuzz --seed {found.seed} --lines 1 --run-lines {run_lines} --processes 1"
    click.echo(f"seed {found.seed}: {found.difference}\n  lines: {file}\n  again: {again}", err=True)
    (folder / f"seed-{found.seed}.json").write_text(json.dumps({"what": str(found.difference), "again": again}))


if __name__ == "__main__":
    main()
