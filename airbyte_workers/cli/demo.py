"""`airbyte-workers demo`: a real source into files on this machine, and a count that proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from airbyte_workers.cli.demo_images import DemoImages, NoContainers, demo_images, pods_left
from airbyte_workers.cli.environment import run
from airbyte_workers.cli.examples import FAKER
from airbyte_workers.cli.follow import Interrupted, follow, left
from airbyte_workers.cli.output import Exit, Problem, say, show
from airbyte_workers.cli.report import report_lines
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.client import Client
from airbyte_workers.models import JobStatus, SyncInput, SyncReport
from airbyte_workers.names import SYNC_FAILED
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.settings import Settings

_STREAMS = ("users", "products", "purchases")
_COLUMNS = (
    Column("stream"),
    Column("records committed", right=True),
    Column("lines in the file", right=True),
    Column("file"),
)


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
    """Sync made-up data of airbyte-source-faker into files, and compare what was committed with what is there.

    First as local programs, then, when a Docker engine answers, once more in containers.
    """

    async def command(settings: Settings) -> Exit:
        folder = path.absolute()
        say(f"installing {FAKER} from the package index (the first time only), then syncing it into {folder}")
        async with Client.connect(settings) as client:
            _compare(await _sync(client, _as_processes(count, folder)), folder)
            return await _demo_in_containers(client.settings, client, count, folder / "in_containers")

    context.exit(run(command))


async def _demo_in_containers(where: Settings, client: Client, count: int, folder: Path) -> Exit:
    """The same sync once more, where that is possible; where it is not, that is told and no failure."""
    try:
        images = await demo_images(where, FAKER)
    except NoContainers as reason:
        show(f"the same sync in containers was left out: {reason}")
        return Exit.DONE
    say(f"the same sync in containers of {images.source} and {images.destination} (Docker engine {images.engine})")
    report = await _sync(client, _in_containers(count, folder, images))
    _compare(report, folder)
    try:
        left = await pods_left(where, report.job_id)
    except EngineError as error:
        raise Problem(f"whether pods are left on the engine is not known: {error}") from None
    if left:
        raise Problem(f"pods are left on the engine: {', '.join(left)}: please report this", type="LeftBehind")
    show(f"this was in containers, on Docker engine {images.engine}: 0 of them are left, the images are kept")
    return Exit.DONE


def _as_processes(count: int, folder: Path) -> SyncInput:
    return _input(
        connection="demo",
        source={"image": FAKER, "config": {"count": count, "seed": 1}},
        destination={"command": ["destination-jsonl"], "config": {"path": str(folder)}},
        launcher="process",
        local_root=str(folder.parent),
    )


def _in_containers(count: int, folder: Path, images: DemoImages) -> SyncInput:
    return _input(
        connection="demo-in-containers",
        source={"image": images.source, "config": {"count": count, "seed": 1}},
        destination={"image": images.destination, "config": {"path": "/local"}},
        launcher="docker",
        local_root=str(folder),
    )


def _input(**asked: Any) -> SyncInput:
    streams = [{"name": name, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"} for name in _STREAMS]
    return SyncInput.model_validate({**asked, "streams": streams})


async def _sync(client: Client, asked: SyncInput) -> SyncReport:
    """The report of the sync, which has been printed. Raises Problem."""
    report = await _followed(client, asked)
    show("\n".join(report_lines(report, terminal_width())))
    if report.status is not JobStatus.SUCCEEDED:
        raise Problem("the sync did not succeed", type=SYNC_FAILED)
    return report


async def _followed(client: Client, asked: SyncInput) -> SyncReport:
    started = await client.start_sync(asked)
    try:
        return await follow(started, started.report)
    except Interrupted:
        raise left() from None


def _compare(report: SyncReport, folder: Path) -> None:
    """Count the lines of every file: the proof that a person can repeat. Raises Problem."""
    counts = [(each.name, each.records_committed, _count_lines(_file(folder, each.name))) for each in report.streams]
    rows = [(name, f"{committed:,}", f"{lines:,}", _file(folder, name).name) for name, committed, lines in counts]
    show("\n".join(table(_COLUMNS, rows, terminal_width())))
    if any(committed != lines for _, committed, lines in counts):
        raise Problem("the files do not hold what was committed: please report this", type="CountMismatch")
    show(f"every committed record is in its file in {folder}")


def _file(folder: Path, stream: str) -> Path:
    return folder / f"{stream}.jsonl"


def _count_lines(file: Path) -> int:
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1024 * 1024), b""))
