"""`airbyte-workers demo`: a real source into files on this machine, and a count that proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from airbyte_workers.cli.demo_images import DemoImages, NoContainers, demo_images, pods_left
from airbyte_workers.cli.environment import run
from airbyte_workers.cli.examples import FAKER
from airbyte_workers.cli.follow import Interrupted, follow, left
from airbyte_workers.cli.output import Exit, Problem, console, say, show
from airbyte_workers.cli.report import print_report
from airbyte_workers.client import Client
from airbyte_workers.models import JobStatus, SyncInput, SyncReport
from airbyte_workers.names import SYNC_FAILED
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.settings import Settings

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
    print_report(report, console())
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


def _count_lines(file: Path) -> int:
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1024 * 1024), b""))
