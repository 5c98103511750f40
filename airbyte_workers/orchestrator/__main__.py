"""`python -m airbyte_workers.orchestrator replicate|sidecar --own DIR ...`: a pod's own program."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airbyte_workers import failpoints, programs
from airbyte_workers.models import AttemptSummary, ConnectorResult
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.desk import Desk, Given, bug, open_desk, own_redactor
from airbyte_workers.orchestrator.empty_source import EmptySource
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.orchestrator.journal import JournalFile
from airbyte_workers.orchestrator.leg import Leg, SourceLeg
from airbyte_workers.orchestrator.markers import Marker
from airbyte_workers.orchestrator.own_log import keys_of, logged, own_log
from airbyte_workers.orchestrator.replicate import Replication
from airbyte_workers.orchestrator.sidecar import Sidecar
from airbyte_workers.orchestrator.upkeep import Upkeep
from airbyte_workers.redaction import Redactor
from airbyte_workers.store.database import connected
from airbyte_workers.store.objects import StorageError
from airbyte_workers.store.states import Writer

_log = logging.getLogger(__name__)


def main() -> None:
    """Run the program this pod was given; it exits with 0 once its final marker is written."""
    sys.exit(logged(_main))


def _main() -> int:
    arguments = _arguments()
    told = (arguments.own / "input.json").read_bytes()
    if arguments.program == "replicate":
        replication = ReplicationInput.model_validate_json(told)
        redact = own_redactor(replication)
        return _run(_replicate(replication, redact, arguments), replication, redact)
    connector = ConnectorInput.model_validate_json(told)
    redact = own_redactor(connector)
    return _run(_sidecar(connector, redact, arguments), connector, redact)


def _run(program: Coroutine[Any, Any, int], given: Given, redact: Redactor) -> int:
    """Run it to its end; whatever is said of it meanwhile, a traceback too, goes to our stderr without secrets."""
    with own_log(redact, keys_of(given), given.read_settings().log_level):
        try:
            return asyncio.run(program)
        except StorageError as error:  # before it is ready: whoever launches the pod tells it on
            _log.error(error)  # the sentence is for people
            return 1
        except Exception:
            _log.exception("program failed")
            return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="airbyte_workers.orchestrator")
    parser.add_argument("program", choices=("replicate", "sidecar"))
    for name in ("own", "source", "destination", "main"):
        parser.add_argument(f"--{name}", type=Path)
    return parser.parse_args()


async def _replicate(given: ReplicationInput, redact: Redactor, arguments: argparse.Namespace) -> int:
    desk = open_desk(given, redact)
    failpoints.use(desk.settings.failpoints)
    with _source(given, arguments.source) as source, _leg(Role.DESTINATION, arguments.destination) as destination:
        replication = Replication(given, desk, source, destination)
        with _on_sigterm(replication.cancel):
            await desk.markers.write(Marker.INITIALIZING)
            summary = await _attempt(given, desk, replication, arguments.own)
    return await desk.finish(summary)


async def _attempt(given: ReplicationInput, desk: Desk, replication: Replication, own: Path) -> AttemptSummary:
    async with connected(given.database_url, size=2, timeout=desk.settings.database_timeout_s) as db:
        upkeep = Upkeep(given, desk, db, replication)
        writer = Writer(given.connection_id, given.job_id, given.attempt, given.fence)
        journal = JournalFile(own, writer, longest=desk.settings.journal_bytes)
        committer = Committer(db, journal, replication.ledger, upkeep.superseded)
        (own / "ready").touch()
        try:
            async with asyncio.TaskGroup() as tasks:
                rounds = tasks.create_task(upkeep.run())
                summary = await replication.run(committer)
                rounds.cancel()
        except* Exception as errors:
            _log.exception("orchestrator failed")
            failures = (bug("orchestrator", errors),)
            summary = AttemptSummary(status="failed", failures=failures, throughput=replication.throughput())
    return summary


async def _sidecar(given: ConnectorInput, redact: Redactor, arguments: argparse.Namespace) -> int:
    desk = open_desk(given, redact)
    with _leg(Role.MAIN, arguments.main) as leg:
        sidecar = Sidecar(given, desk, leg)
        with _on_sigterm(sidecar.cancel):
            await desk.markers.write(Marker.RUNNING)
            (arguments.own / "ready").touch()
            result = await _asked(sidecar, desk)
    return await desk.finish(result)


async def _asked(sidecar: Sidecar, desk: Desk) -> ConnectorResult:
    try:
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(desk.keep_log())
            result = await sidecar.run()
            keeping.cancel()
    except* Exception as errors:
        _log.exception("sidecar failed")
        result = ConnectorResult(status="failed", failures=(bug("sidecar", errors),))
    return result


@contextmanager
def _source(given: ReplicationInput, folder: Path | None) -> Iterator[SourceLeg]:
    """The source's leg, or what stands in for one where streams are cleared."""
    if given.cleared is None:
        assert folder is not None
        with _leg(Role.SOURCE, folder) as leg:
            yield leg
        return
    empty = EmptySource(given.cleared, whole=set(given.cleared.streams) == set(given.streams))
    try:
        yield empty
    finally:
        empty.close()


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
    programs.run(main)
