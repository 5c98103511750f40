"""`airbyte-workers demo`: a real source into files on this machine, and a count that proves it."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from airbyte_workers.cli.environment import run, stack_settings
from airbyte_workers.cli.follow import Interrupted, follow
from airbyte_workers.cli.output import Exit, Problem, console, say, show
from airbyte_workers.cli.report import print_report
from airbyte_workers.client import AlreadySyncing, RunFailed, SyncCancelled, connect
from airbyte_workers.models import JobStatus, SyncInput, SyncReport
from airbyte_workers.names import CONNECTION_BUSY
from airbyte_workers.settings import Settings

FAKER = "airbyte/source-faker:7.2.1"
_STREAMS = ("users", "products", "purchases")


@click.command()
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Users to make up.")
@click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo_output"),
    show_default=True,
    help="Folder of the files.",
)
@click.pass_context
def demo(context: click.Context, count: int, path: Path) -> None:
    """Sync made-up data of airbyte-source-faker into files, and compare what was committed with what is there."""

    async def command(settings: Settings) -> Exit:
        folder = path.absolute()
        say(f"installing {FAKER} from the package index (the first time only), then syncing it into {folder}")
        report = await _sync(settings, _input(count, folder))
        print_report(report, console())
        if report.status is not JobStatus.SUCCEEDED:
            return Exit.FAILED
        return _compare(report, folder)

    context.exit(run(command))


def _input(count: int, folder: Path) -> SyncInput:
    return SyncInput.model_validate(
        {
            "connection": "demo",
            "source": {"image": FAKER, "config": {"count": count, "seed": 1}},
            "destination": {"command": ["destination-jsonl"], "config": {"path": str(folder)}},
            "streams": [
                {"name": name, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"} for name in _STREAMS
            ],
            "launcher": "process",
            "local_root": str(folder.parent),
        }
    )


async def _sync(settings: Settings, asked: SyncInput) -> SyncReport:
    async with stack_settings(settings) as where, connect(where) as client:
        try:
            return await follow(await client.start_sync(asked))
        except AlreadySyncing as error:
            raise Problem(str(error), type=CONNECTION_BUSY, code=Exit.USAGE) from None
        except SyncCancelled as error:
            raise Problem(str(error), type="Cancelled", code=Exit.CANCELLED) from None
        except Interrupted:
            raise Problem("interrupted", type="Interrupted", code=Exit.INTERRUPTED) from None
        except RunFailed as error:
            raise Problem(str(error), type=error.type or "Failed") from None


def _compare(report: SyncReport, folder: Path) -> Exit:
    """Count the lines of every file: the proof that a person can repeat."""
    table = Table("stream", box=None, pad_edge=False)
    for column in ("records committed", "lines in the file"):
        table.add_column(column, justify="right")
    table.add_column("file")
    equal = True
    for stream in report.streams:
        file = folder / f"{stream.name}.jsonl"
        lines = _count_lines(file)
        equal = equal and lines == stream.records_committed
        table.add_row(stream.name, f"{stream.records_committed:,}", f"{lines:,}", file.name)
    console().print(table)
    if not equal:
        raise Problem("the files do not hold what was committed: please report this", type="CountMismatch")
    show(f"every committed record is in its file in {folder}")
    return Exit.DONE


def _count_lines(file: Path) -> int:
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1024 * 1024), b""))
