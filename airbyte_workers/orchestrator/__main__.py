"""`python -m airbyte_workers.orchestrator replicate|sidecar --own DIR ...`: a pod's own program."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.models import AttemptSummary, ConnectorResult, Failure, FailureOrigin, FailureType
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.orchestrator.joblog import LogWriter
from airbyte_workers.orchestrator.leg import Leg
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.orchestrator.replicate import Replication
from airbyte_workers.orchestrator.sidecar import Sidecar
from airbyte_workers.orchestrator.upkeep import Upkeep
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import connected
from airbyte_workers.store.objects import Objects, StorageError
from airbyte_workers.store.states import Writer

_MARKER_RETRY_S = 1.0


@dataclass(frozen=True)
class Desk:
    """What both programs of a pod write to."""

    settings: Settings
    markers: Markers
    log: LogWriter

    async def finish(self, result: AttemptSummary | ConnectorResult) -> int:
        """The last of the log, then the final marker: it is written until storage takes it, or the lease is over."""
        await self.log.flush()
        marker = Marker.SUCCESS if result.status == "succeeded" else Marker.FAILURE
        async with asyncio.timeout(self.settings.lease_seconds):
            while True:
                try:
                    await self.markers.write(marker, result.model_dump_json().encode())
                except StorageError as error:
                    print(error, file=sys.stderr, flush=True)  # noqa: T201  # the launcher keeps our stderr
                    await asyncio.sleep(_MARKER_RETRY_S)
                else:
                    return 0


def main() -> None:
    """Run the program this pod was given; it exits with 0 once its final marker is written."""
    arguments = _arguments()
    program = _replicate if arguments.program == "replicate" else _sidecar
    sys.exit(asyncio.run(program(arguments)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="airbyte_workers.orchestrator")
    parser.add_argument("program", choices=("replicate", "sidecar"))
    for name in ("own", "source", "destination", "main"):
        parser.add_argument(f"--{name}", type=Path)
    return parser.parse_args()


async def _replicate(arguments: argparse.Namespace) -> int:
    given = ReplicationInput.model_validate_json((arguments.own / "input.json").read_bytes())
    desk = _desk(given, given.read_settings())
    with _leg(Role.SOURCE, arguments.source) as source, _leg(Role.DESTINATION, arguments.destination) as destination:
        replication = Replication(given, desk.settings, source, destination, desk.log)
        with _on_sigterm(replication.cancel):
            await desk.markers.write(Marker.INITIALIZING)
            summary = await _attempt(given, desk, replication, arguments.own)
    return await desk.finish(summary)


async def _attempt(given: ReplicationInput, desk: Desk, replication: Replication, own: Path) -> AttemptSummary:
    settings = desk.settings
    async with connected(given.database_url, size=2, timeout=settings.database_timeout_s) as db:
        upkeep = Upkeep(given, settings, db, replication)
        writer = Writer(given.connection_id, given.job_id, given.attempt, given.fence)
        committer = Committer(db, writer, replication.ledger, desk.log, upkeep.superseded)
        (own / "ready").touch()
        try:
            async with asyncio.TaskGroup() as tasks:
                rounds = tasks.create_task(upkeep.run(desk.markers, desk.log))
                summary = await replication.run(committer)
                rounds.cancel()
        except* Exception as errors:
            traceback.print_exc()
            summary = AttemptSummary(status="failed", failures=(_bug(errors),))
    return summary


async def _sidecar(arguments: argparse.Namespace) -> int:
    given = ConnectorInput.model_validate_json((arguments.own / "input.json").read_bytes())
    desk = _desk(given, given.read_settings())
    with _leg(Role.MAIN, arguments.main) as leg:
        sidecar = Sidecar(given, desk.settings, leg, desk.log)
        with _on_sigterm(sidecar.cancel):
            await desk.markers.write(Marker.RUNNING)
            (arguments.own / "ready").touch()
            result = await sidecar.run()
    return await desk.finish(result)


def _desk(given: ReplicationInput | ConnectorInput, settings: Settings) -> Desk:
    objects = Objects(settings.storage, timeout=settings.storage_timeout_s)
    log = LogWriter(
        objects, given.log_prefix, max_bytes=settings.max_log_bytes, max_line_bytes=settings.max_log_line_bytes
    )
    return Desk(settings, Markers(objects, given.pod), log)


def _bug(errors: BaseExceptionGroup[Exception]) -> Failure:
    error = errors.exceptions[0]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return Failure(
        origin=FailureOrigin.PLATFORM,
        type=FailureType.SYSTEM_ERROR,
        message=f"the orchestrator failed: {type(error).__name__} (its own log has the details)",
    )


@contextmanager
def _leg(role: Role, folder: Path) -> Iterator[Leg]:
    leg = Leg(role, folder)
    try:
        yield leg
    finally:
        leg.close()


@contextmanager
def _on_sigterm(act: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, act)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


if __name__ == "__main__":
    main()
