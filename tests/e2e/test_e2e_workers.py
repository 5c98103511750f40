"""Temporal workers started by themselves: one that stops leaves its pods alone, the other goes on watching them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from e2e_addressed import addressed, working
from e2e_support import Place, Running, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
RECORDS = 8000
"""A fifth of a second for each hundred: longer than a worker takes to start on a busy machine."""


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    """Workers are for the test to start."""
    with addressed(alone) as place:
        yield place


def content(place: Place, name: str) -> dict[str, Any]:
    return place.described(name, records=RECORDS, state_every=100, delay_ms=200)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_ends_is_no_attempt(shared: Place, how: signal.Signals) -> None:
    with ExitStack() as workers:
        first = workers.enter_context(shared.started("worker"))
        first.until_said("polling ")
        with shared.started("sync", "-f", str(shared.write(content(shared, "handover"))), "-o", "json") as sync:
            until(lambda: len(shared.lines("stream_0")) >= 100, "the first records")
            second = workers.enter_context(working(shared))
            first.process.send_signal(how)
            ended = first.ended(20)
            assert ended.code == (0 if how is signal.SIGTERM else -signal.SIGKILL), ended.err
            pod = [process.pid for process in shared.pod_processes()]
            assert pod, "the pod went with its worker"
            done = sync.ended()
        assert "polling" in second.err
        assert done.code == 0, done.err
        assert (len(done.report["attempts"]), done.report["records_committed"]) == (1, RECORDS)
        assert shared.ids("stream_0") == list(range(RECORDS))
        assert shared.pods_left() == []


def test_workers_that_share_the_work(shared: Place) -> None:
    """One has the books, the other the pods."""
    pods = [word for queue in ("spec", "discover", "sync", "watch") for word in ("--only", queue)]
    with working(shared, "--only", "workflows"), working(shared, *pods) as other:
        assert "polling airbyte-spec, airbyte-discover, airbyte-sync, airbyte-watch" in other.err
        quick = content(shared, "divided") | {"source": shared.source(records=10)}
        ended = shared.sync(quick)
        assert (ended.code, ended.report["records_committed"]) == (0, 10)


def test_commands_are_refused_where_they_are_not_allowed(shared: Place) -> None:
    strict = replace(shared, variables={k: v for k, v in shared.variables.items() if k != "ALLOW_LOCAL_COMMANDS"})
    with working(strict):
        ended = strict.sync(content(strict, "strict"))
    assert ended.code == 2
    assert ended.report["error"]["type"] == "InvalidInput"
    assert "source.command: commands may not run on this stack" in ended.report["error"]["message"]


def test_before_the_first_worker_there_is_nobody_to_seal_configs_to(shared: Place) -> None:
    shared.run("db", "migrate")
    ended = shared.sync(content(shared, "nobody"))
    assert (ended.code, ended.report["error"]["type"]) == (1, "DatabaseUnusable")
    assert "no Temporal worker has used this database yet: start one first" in ended.report["error"]["message"]


def test_without_any_worker_a_sync_can_be_left(shared: Place) -> None:
    """Nobody answers: Ctrl-C cancels the run that nobody took up; a third leaves."""
    with working(shared):
        pass
    with shared.started("sync", "-f", str(shared.write(content(shared, "nobody"))), "-o", "json") as sync:
        until(lambda: handles(sync, signal.SIGTERM), "the foreground's own handlers")
        sync.until_said("no Temporal worker has taken it up yet")
        for answer in ("cancelling the job", "ending the job's pods at once"):
            sync.interrupt()
            sync.until_said(answer)
        sync.interrupt()
        ended = sync.ended()
    assert ended.code == 130
    assert "left" in ended.report["error"]["message"]


def handles(command: Running, number: signal.Signals) -> bool:
    """Whether the process has a handler for this signal, as the kernel sees it."""
    status = Path(f"/proc/{command.process.pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(caught & 1 << (number - 1))


def test_a_worker_needs_addresses(alone: Place) -> None:
    ended = alone.run("worker")
    assert (ended.code, "DATABASE_URL and TEMPORAL_ADDRESS" in ended.error) == (2, True)
