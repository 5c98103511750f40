"""Runs that end behind our back: rows are repaired, pods go, connections stay usable; what lives is left alone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from e2e_addressed import addressed, working
from e2e_support import TEMPORAL, Place, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
OFTEN = {"AIRBYTE_WORKERS_RECONCILE_INTERVAL_S": "1"}


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    """Servers alone; workers are for the test to start, and they look often."""
    often = replace(alone, variables=alone.variables | OFTEN)
    with addressed(often) as place:
        yield place


def content(place: Place, name: str, records: int = 10_000_000, delay_ms: int = 100) -> dict[str, Any]:
    out = place.jsonl(path=str(place.work / "out" / name))
    return place.described(name, records=records, state_every=100, delay_ms=delay_ms) | {"destination": out}


def ids(place: Place, name: str) -> list[int]:
    """The records that the connection's destination has."""
    return place.ids(f"{name}/stream_0")


def begun(place: Place, name: str, **source: int) -> int:
    """A sync that nobody follows, and that has written its first records; its job's number."""
    left = place.run("sync", "-f", str(place.write(content(place, name, **source))), "--detach", "-o", "json")
    assert left.code == 0, left.err
    writes(place, name)
    return int(left.report["job_id"])


def writes(place: Place, name: str) -> None:
    until(lambda: len(ids(place, name)) > 300, "the first records")


def temporal(place: Place, *words: str) -> str:
    """`temporal workflow ...` as an administrator types it."""
    address = str(place.variables.get("TEMPORAL_ADDRESS") or place.stack()["temporal_address"])
    done = subprocess.run(
        [TEMPORAL, "workflow", *words, "--address", address],
        cwd=place.work,
        env=place.environment | {"HOME": str(place.work)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        input="y\n",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def ended(place: Place, job_id: int, seconds: float = 60) -> dict[str, Any]:
    """The job once its row has ended and nothing of its pods is left."""

    def over() -> bool:
        return place.job(job_id)["status"] in ("failed", "cancelled", "succeeded") and not place.pods_left(job_id)

    until(over, f"the end of job {job_id}", seconds)
    return place.job(job_id)


def assert_usable(place: Place, name: str, committed: int) -> None:
    """The next sync goes on where the last one's commits end: no record is lost, none is doubled."""
    again = place.sync(content(place, name, records=committed + 50, delay_ms=0))
    assert (again.code, again.report["records_committed"]) == (0, 50), again.err
    assert ids(place, name) == list(range(committed + 50))


def reconciled(place: Place, job_id: int) -> list[str]:
    """What the reconciler says that it did, in order."""
    return [each["event"] for each in place.job(job_id)["events"] if each["by"] == "reconciler"]


@pytest.fixture
def patient(alone: Place) -> Iterator[Place]:
    """A stack with the reconciler's own settings."""
    with alone.local():
        yield alone


def test_a_run_that_is_terminated_in_mid_sync_is_repaired_within_a_minute(patient: Place) -> None:
    """Whoever syncs the connection again does not have to wait so long."""
    job_id = begun(patient, "terminated")
    temporal(patient, "terminate", "--workflow-id", "sync/terminated", "--reason", "too slow")
    report = ended(patient, job_id, 60)
    assert (report["status"], report["ended_by"]) == ("failed", "reconciler")
    (failure,) = report["failures"]
    assert (failure["origin"], failure["type"]) == ("airbyte_platform", "transient_error")
    assert failure["message"].startswith("the job's run was terminated by temporal-cli:")
    assert failure["message"].endswith(": too slow")
    page = patient.run("jobs", "explain", str(job_id)).out
    assert "failed by reconciler: the job's run was terminated by temporal-cli:" in page
    assert "its pod was ended with its run: what the evidence lacks follows from that" in page
    assert "Sync again: it goes on from what is committed" in page
    assert_usable(patient, "terminated", report["records_committed"])

    job_id = begun(patient, "at-once")
    temporal(patient, "terminate", "--workflow-id", "sync/at-once")
    again = patient.sync(content(patient, "at-once", records=100, delay_ms=0))
    assert again.code == 0, again.err
    report = ended(patient, job_id)
    assert report["status"] == "failed"
    assert ids(patient, "at-once") == list(range(report["records_committed"]))


def test_runs_that_are_reset(shared: Place) -> None:
    """One goes on with its pod, which notices nothing; one begins its job anew, with the configs of its first run."""
    with working(shared):
        job_id = begun(shared, "reset", records=6000, delay_ms=250)
        orchestrator = shared.pod_program("orchestrator").pid
        temporal(shared, "reset", "--workflow-id", "sync/reset", "--type", "LastWorkflowTask", "--reason", "again")
        until(lambda: reconciled(shared, job_id) == ["run replaced"], "the row's new run")
        assert shared.pod_program("orchestrator").pid == orchestrator
        report = ended(shared, job_id)
        assert (report["status"], len(report["attempts"]), report["records_committed"]) == ("succeeded", 1, 6000)
        assert ids(shared, "reset") == list(range(6000))

        job_id = begun(shared, "anew", records=6000, delay_ms=250)
        temporal(shared, "reset", "--workflow-id", "sync/anew", "--type", "FirstWorkflowTask", "--reason", "again")
        report = ended(shared, job_id)
        assert report["status"] == "failed"
        assert "was reset to before it opened this job" in report["failures"][0]["message"]
        (second, _) = shared.jobs("--connection", "anew")
        anew = ended(shared, second["job_id"])
        assert (anew["status"], anew["records_committed"] + report["records_committed"]) == ("succeeded", 6000)
        assert sorted(set(ids(shared, "anew"))) == list(range(6000))


def test_a_run_that_is_deleted_and_one_whose_job_the_database_has_lost(shared: Place) -> None:
    with working(shared):
        job_id = begun(shared, "deleted")
        temporal(shared, "delete", "--workflow-id", "sync/deleted")
        report = ended(shared, job_id)
        assert (report["status"], report["ended_by"]) == ("failed", "reconciler")
        assert "is not known to Temporal any more: it was deleted" in report["failures"][0]["message"]
        assert_usable(shared, "deleted", report["records_committed"])

        with shared.started("sync", "-f", str(shared.write(content(shared, "restored"))), "-o", "json") as sync:
            writes(shared, "restored")
            asyncio.run(execute(shared, "delete from connections"))  # as after a restore of an older copy
            done = sync.ended()
        assert done.code == 1
        assert "the job database was restored from an older copy" in done.report["error"]["message"]
        until(lambda: not shared.pods_left(), f"the end of {shared.pods_left()}")  # strangers now, but ours


async def execute(place: Place, statement: str) -> None:
    connection = await asyncpg.connect(place.variables["DATABASE_URL"])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_what_happens_while_no_worker_runs_is_repaired_when_one_starts(shared: Place) -> None:
    with shared.started("worker") as first:
        first.until_said("polling ")
        endless, asked = begun(shared, "endless"), begun(shared, "asked")
        short = begun(shared, "short", records=3000, delay_ms=200)
        first.process.send_signal(signal.SIGKILL)
        first.ended()
    for name in ("endless", "short", "asked"):
        temporal(shared, "terminate", "--workflow-id", f"sync/{name}")
    assert len(shared.pods_left(endless)) > 1, "the pod went with its worker"
    until(lambda: len(ids(shared, "short")) == 3000, "the end of what the short one has to do")
    with shared.started("jobs", "cancel", str(asked)) as cancel:
        cancel.until_said("a Temporal worker ends the job within")
        with working(shared):
            done = cancel.ended()
            assert done.code == 0, done.err
            report = ended(shared, endless)
            assert (report["status"], report["ended_by"]) == ("failed", "reconciler")
            assert reconciled(shared, endless) == ["run over", "pod removed", "failed"]
            assert_usable(shared, "endless", report["records_committed"])
            report = ended(shared, short)  # it had finished, and nothing is missing
            assert (report["status"], report["records_committed"]) == ("succeeded", 3000)
            report = ended(shared, asked)
            assert (report["status"], "@" in report["ended_by"]) == ("cancelled", True)


def test_workers_that_come_and_go_repair_nothing_that_lives(shared: Place) -> None:
    with shared.started("worker") as first, working(shared):
        first.until_said("polling ")
        job_id = begun(shared, "living", records=6000, delay_ms=250)
        first.process.send_signal(signal.SIGKILL)
        first.ended()
        with working(shared):
            until(lambda: len(ids(shared, "living")) > 4000, "more records")
        report = ended(shared, job_id)
        assert (report["status"], len(report["attempts"]), report["records_committed"]) == ("succeeded", 1, 6000)
        assert reconciled(shared, job_id) == []


def test_a_sync_outlives_everything_that_temporal_knew(alone: Place) -> None:
    """The dev server's file is deleted: nobody knows the run any more, and nothing is heard of the job."""
    soon = {"AIRBYTE_WORKERS_RECONCILE_SILENCE_MINUTES": "0.05"}
    place = replace(alone, variables=alone.variables | OFTEN | soon)
    with place.local():
        job_id = begun(place, "outlived", records=3000, delay_ms=200)
    for file in (place.home / "temporal").iterdir():
        file.unlink()
    with place.local():
        report = ended(place, job_id)
        assert (report["status"], report["records_committed"]) == ("succeeded", 3000)
        assert_usable(place, "outlived", 3000)
