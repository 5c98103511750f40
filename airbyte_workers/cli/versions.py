"""`airbyte-workers versions`: which version of the Temporal workers gets new jobs, and which still has some to end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

import click
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input, say, show, show_json
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.runtime import deployments, temporal
from airbyte_workers.runtime.deployments import Version
from airbyte_workers.settings import Settings

_COLUMNS = (
    Column("version", least=12),
    Column("status"),
    Column("open runs", right=True),
    Column("workers", right=True),
)


@click.group()
def versions() -> None:
    """Show the versions of the Temporal workers of WORKER_DEPLOYMENT_NAME; choose the one that gets new jobs."""


@versions.command("list")
@OUTPUT
@click.pass_context
def list_versions(context: click.Context, output: Shape) -> None:
    """List the versions, the newest first; one that has open runs still needs its workers."""

    async def command(settings: Settings) -> Exit:
        async with _deployment(settings, None) as (client, version):
            found = await deployments.versions(client, version.deployment_name)
        if output == "json":
            show_json([asdict(each) for each in found])
            return Exit.DONE
        rows = [(each.build_id, each.status, str(each.open_runs), str(each.workers)) for each in found]
        for line in table(_COLUMNS, rows, terminal_width()):
            show(line)
        for hint in hints(version.deployment_name, found):
            say(hint)
        return Exit.DONE

    context.exit(run(command, output))


@versions.command("make-current")
@click.argument("build_id", metavar="[VERSION]", required=False)
@click.option("--wait", default=10.0, show_default=True, help="How long a worker of it may take to appear, s.")
@click.pass_context
def make_current(context: click.Context, build_id: str | None, wait: float) -> None:
    """Let new jobs go to VERSION, by default the one that a worker started here would be; running ones stay."""

    async def command(settings: Settings) -> Exit:
        async with _deployment(settings, build_id) as (client, version):
            await deployments.make_current(client, version, wait)
        show(f"new jobs go to version {version.build_id} of {version.deployment_name}")
        return Exit.DONE

    context.exit(run(command))


@asynccontextmanager
async def _deployment(
    settings: Settings, build_id: str | None
) -> AsyncIterator[tuple[Client, WorkerDeploymentVersion]]:
    """The deployment's Temporal, and the version that is meant. Raises Problem."""
    if settings.is_embedded:
        raise bad_input("the embedded stack has no versions; set TEMPORAL_ADDRESS and WORKER_DEPLOYMENT_NAME")
    version = deployments.version_of(settings, build_id)
    if version is None:
        raise bad_input("the Temporal workers have no versions: WORKER_DEPLOYMENT_NAME is not set")
    async with temporal.connected(settings) as client:
        yield client, version


def hints(name: str, found: Sequence[Version]) -> Iterator[str]:
    """What a person must do for jobs to go on."""
    current = next((each.build_id for each in found if each.status == "current"), None)
    if current is None:
        yield "no version is current, so none takes up a job: airbyte-workers versions make-current VERSION"
    for each in found:
        if each.open_runs and not each.workers:
            yield (
                f"version {each.build_id} has open runs and no worker: start one, or move them with"
                f' temporal workflow update-options --query "{deployments.runs_of(name, each.build_id)}"'
                f" --versioning-override-behavior pinned --versioning-override-deployment-name {name}"
                f" --versioning-override-build-id {current or 'VERSION'}"
            )
