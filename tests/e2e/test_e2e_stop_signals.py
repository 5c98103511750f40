"""More than one signal to what runs Temporal workers: one leaves pods alone, two end them in order, three wait for
nothing. How a sync goes on after one SIGTERM to a worker is in test_e2e_workers.py."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from e2e_addressed import addressed, working
from e2e_support import Place, Running, make_images, misbehaving, processes_of, until

from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.runtime.stack.stopping import ONE_PRESS_S

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
RECORDS = 4000
PATIENT = {"AIRBYTE_WORKERS_SECOND_SIGNAL_S": "60"}
"""For a test that a slow machine may hold up between two signals."""
SPEC = json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"type": "object"}}})


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    """Servers; workers are for the test to start."""
    with addressed(alone) as place:
        yield place


def content(place: Place, name: str, **changes: Any) -> dict[str, Any]:
    return place.described(name, records=RECORDS, state_every=100, delay_ms=200) | changes


def until_records(place: Place, sync: Running) -> None:
    """Some have arrived, and some of these are committed."""
    until(lambda: len(place.lines("stream_0")) >= 300 or sync.process.poll() is not None, "records")
    assert sync.process.poll() is None, sync.err


def once_more(command: Running, number: signal.Signals = signal.SIGTERM) -> None:
    """Another signal that is not taken for the same press of a key."""
    time.sleep(2 * ONE_PRESS_S)
    command.process.send_signal(number)


def nothing_runs(place: Place) -> bool:
    return place.pod_processes() == []


def running_containers(place: Place) -> list[str]:
    label = f"label={STACK_LABEL}={place.stack_name}"
    seen = subprocess.run(["docker", "ps", "-q", "--filter", label], capture_output=True, check=True, timeout=60)
    return seen.stdout.decode().split()


def marker_of_the_only_pod(place: Place) -> tuple[str, dict[str, Any]]:
    """What the pod itself said of its end."""
    (folder,) = (place.home / "storage" / "state").glob("replication-*")
    finals = [folder / name for name in ("SUCCESS", "FAILURE") if (folder / name).exists()]
    return (finals[0].name, json.loads(finals[0].read_text())) if finals else ("", {})


def assert_went_on(place: Place, report: dict[str, Any], committed: int) -> None:
    """The pod's end was the end of an attempt; the next one began at the committed state, each record is there once."""
    first, second = report["attempts"]
    assert (first["status"], second["status"], report["status"]) == ("failed", "succeeded", "succeeded")
    assert first["failures"][0]["type"] == "orchestrator_lost"
    assert first["records_committed"] == committed > 0
    assert second["records_committed"] == RECORDS - committed
    assert place.ids("stream_0") == list(range(RECORDS))
    assert place.pods_left() == []


# --- worker -----------------------------------------------------------------------------------------------------------


def test_a_second_signal_to_a_worker_ends_its_pods_and_the_next_worker_goes_on(shared: Place) -> None:
    with shared.started("worker", **PATIENT) as worker:
        worker.until_said("polling ")
        with shared.started("sync", "-f", str(shared.write(content(shared, "twice"))), "-o", "json") as sync:
            until_records(shared, sync)
            worker.interrupt()
            worker.until_said("stopping: 1 pod goes on, for the next Temporal worker to take up (Ctrl-C within 60 s")
            assert not nothing_runs(shared)
            once_more(worker)
            ended = worker.ended()
            assert nothing_runs(shared)
            assert (ended.code, "stopping 1 pod in order" in ended.err) == (0, True), ended.err
            assert ended.err.splitlines()[-1] == "no pod runs any more: 1 ended in order"
            marker, summary = marker_of_the_only_pod(shared)
            assert (marker, summary["status"]) == ("FAILURE", "cancelled")
            committed = sum(stream["records_committed"] for stream in summary["streams"])
            assert len(shared.lines("stream_0")) >= committed >= 300, "what the destination had was not committed"
            with working(shared):
                done = sync.ended(120)
    assert done.code == 0, done.err
    assert_went_on(shared, done.report, committed)


def test_a_destination_that_ignores_sigterm_is_killed_in_the_end(shared: Place) -> None:
    stubborn = misbehaving("write-ignores-sigterm")
    with shared.started("worker", **PATIENT) as worker:
        worker.until_said("polling ")
        described = content(shared, "stubborn", destination=stubborn)
        with shared.started("sync", "-f", str(shared.write(described)), "--retries", "0", "-o", "json") as sync:
            until(lambda: list((shared.home / "storage").glob("state/*/RUNNING")), "the pod")
            worker.interrupt()
            worker.until_said("stopping: 1 pod goes on")
            once_more(worker, signal.SIGINT)
            assert worker.ended().code == 0
            assert nothing_runs(shared)
            with working(shared):
                assert sync.ended().code == 1


def test_an_orchestrator_that_hears_nothing_is_killed_with_its_connectors(shared: Place) -> None:
    """What the pod could not say itself the next worker finds out."""
    hurried = PATIENT | {"AIRBYTE_WORKERS_REMOVAL_TIMEOUT_S": "5"}
    with shared.started("worker", **hurried) as worker:
        worker.until_said("polling ")
        with shared.started("sync", "-f", str(shared.write(content(shared, "deaf"))), "-o", "json") as sync:
            until_records(shared, sync)
            shared.pod_program("orchestrator").suspend()
            worker.interrupt()
            worker.until_said("stopping: 1 pod goes on")
            once_more(worker)
            ended = worker.ended()
            assert (ended.code, "no pod runs any more: 1 ended by force" in ended.err) == (0, True), ended.err
            assert nothing_runs(shared)
            assert marker_of_the_only_pod(shared)[0] == ""
            with working(shared):
                done = sync.ended(120)
    assert done.code == 0, done.err
    assert_went_on(shared, done.report, done.report["attempts"][0]["records_committed"])


def test_a_third_signal_waits_for_no_pod_and_names_it(shared: Place) -> None:
    with shared.started("worker", **PATIENT, AIRBYTE_WORKERS_REMOVAL_TIMEOUT_S="3600") as worker:
        worker.until_said("polling ")
        with shared.started("sync", "-f", str(shared.write(content(shared, "thrice"))), "-o", "json") as sync:
            until_records(shared, sync)
            orchestrator = shared.pod_program("orchestrator")
            orchestrator.suspend()
            worker.interrupt()
            worker.until_said("stopping: 1 pod goes on")
            once_more(worker)
            worker.until_said("stopping 1 pod in order")
            once_more(worker)
            ended = worker.ended()
            assert ended.code == 0
            assert "leaving at once; may still run: replication-job-1-attempt-0" in ended.err
            assert not nothing_runs(shared)
            orchestrator.resume()
            with working(shared):
                done = sync.ended(120)
    assert done.code == 0, done.err
    assert shared.ids("stream_0") == list(range(RECORDS))
    assert shared.pods_left() == []


def test_the_pod_of_a_check_ends_as_well(shared: Place) -> None:
    with shared.started("worker", **PATIENT) as worker:
        worker.until_said("polling ")
        silent = shared.work / "silent"
        silent.write_text(f"#!/bin/sh\n[ $1 = check ] && exec sleep 600\necho '{SPEC}'\n")
        silent.chmod(0o755)
        with shared.started("check", "--command", str(silent), "-o", "json") as check:
            check.until_said("the check is running")
            until(shared.pod_processes, "the pod")
            worker.interrupt()
            worker.until_said("stopping: 1 pod goes on")
            once_more(worker)
            ended = worker.ended()
            assert (ended.code, "no pod runs any more: 1 ended in order" in ended.err) == (0, True), ended.err
            assert nothing_runs(shared)
            with working(shared):
                done = check.ended()
    assert (done.code, "told to end, but not by us" in done.report["error"]["message"]) == (1, True), done.report
    assert shared.pods_left() == []


@pytest.mark.docker
def test_containers_end_as_well(alone: Place) -> None:
    make_images()
    alone.work.chmod(0o1777)
    contained = {"source": alone.source("docker", records=RECORDS, state_every=100, delay_ms=200)}
    contained |= {"destination": alone.jsonl("docker"), "local_root": str(alone.work)}
    with addressed(alone) as shared, shared.started("worker", **PATIENT) as worker:
        worker.until_said("polling ")
        described = content(shared, f"contained-{shared.stack_name}", **contained)
        with shared.started("sync", "-f", str(shared.write(described)), "-o", "json") as sync:
            until_records(shared, sync)
            worker.interrupt()
            worker.until_said("stopping: 1 pod goes on")
            once_more(worker)
            ended = worker.ended()
            assert (ended.code, "no pod runs any more: 1 ended in order" in ended.err) == (0, True), ended.err
            assert len(shared.containers()) >= 2
            assert running_containers(shared) == []
            assert nothing_runs(shared)
            with working(shared):
                done = sync.ended(120)
        assert done.code == 0, done.err
        assert_went_on(shared, done.report, done.report["attempts"][0]["records_committed"])


# --- local ------------------------------------------------------------------------------------------------------------


def test_two_ctrl_c_end_local_with_its_pods_and_the_next_local_goes_on(alone: Place) -> None:
    with alone.on_terminal("local", **PATIENT) as local:
        local.until_said("ready; Ctrl-C stops it")
        asked = alone.run("sync", "-f", str(alone.write(content(alone, "terminal"))), "--detach", "-o", "json")
        job = asked.report["job_id"]
        until(lambda: len(alone.lines("stream_0")) >= 300, "records")
        local.type("\x03")
        local.until_said("stopping: 1 pod goes on without the stack")
        time.sleep(2 * ONE_PRESS_S)
        local.type("\x03")
        ended = local.ended()
    assert (ended.code, "no pod runs any more: 1 ended in order" in ended.out) == (0, True), ended.out
    assert processes_of(alone.home) == []
    marker, summary = marker_of_the_only_pod(alone)
    assert (marker, summary["status"]) == ("FAILURE", "cancelled")
    with alone.local():
        until(lambda: alone.job(job)["status"] == "succeeded", "the job's end")
        assert_went_on(alone, alone.job(job), sum(each["records_committed"] for each in summary["streams"]))


def test_the_supervisor_in_the_background_hears_two_signals_as_well(alone: Place) -> None:
    alone.run("sync", "-f", str(alone.write(content(alone, "background"))), "--detach", **PATIENT)
    until(lambda: len(alone.lines("stream_0")) >= 300, "records")
    supervisor = psutil.Process(alone.stack()["owner"]["pid"])
    supervisor.send_signal(signal.SIGINT)
    time.sleep(2 * ONE_PRESS_S)
    supervisor.send_signal(signal.SIGTERM)
    until(lambda: not processes_of(alone.home), "the end of everything")
    marker, summary = marker_of_the_only_pod(alone)
    assert (marker, summary["status"]) == ("FAILURE", "cancelled")
    with alone.local():
        until(lambda: alone.jobs()[0]["status"] == "succeeded", "the job's end")
        committed = sum(each["records_committed"] for each in summary["streams"])
        assert_went_on(alone, alone.job(alone.jobs()[0]["job_id"]), committed)


@pytest.mark.parametrize(
    ("how", "window"),
    [
        pytest.param(signal.SIGTERM, "3600", id="SIGTERM is not kept waiting"),
        pytest.param(signal.SIGINT, "2", id="Ctrl-C is given a moment for another"),
    ],
)
def test_one_signal_to_local_leaves_its_pods(alone: Place, how: signal.Signals, window: str) -> None:
    with alone.started("local", AIRBYTE_WORKERS_SECOND_SIGNAL_S=window) as local:
        local.until_said("ready; Ctrl-C stops it")
        asked = alone.run("sync", "-f", str(alone.write(content(alone, "once"))), "--detach", "-o", "json")
        until(lambda: len(alone.lines("stream_0")) >= 300, "records")
        local.process.send_signal(how)
        ended = local.ended()
    assert (ended.code, "stopped: 1 pod goes on without the stack" in ended.err) == (0, True), ended.err
    assert not nothing_runs(alone)
    with alone.local():
        until(lambda: alone.job(asked.report["job_id"])["status"] == "succeeded", "the job's end")
        assert len(alone.job(asked.report["job_id"])["attempts"]) == 1
    assert alone.ids("stream_0") == list(range(RECORDS))
