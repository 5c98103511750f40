"""Ctrl-C: once cancels in order, twice ends the pods at once, and a joined sync is cancelled just the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from e2e_support import Place, Running, processes_of, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
Press = Callable[[Running], None]
WAYS: dict[str, Press] = {"process": Running.interrupt, "terminal": lambda sync: sync.type("\x03")}
"""`kill -INT` reaches the command alone; a terminal's Ctrl-C reaches its whole process group."""


def content(place: Place, name: str, **destination: Any) -> dict[str, Any]:
    slow = place.described(name, records=100_000, state_every=100, delay_ms=50)
    return slow | {"destination": place.jsonl(**destination)}


def following(place: Place, way: str, asked: dict[str, Any], *options: str) -> AbstractContextManager[Running]:
    words = ("sync", "-f", str(place.write(asked)), *options)
    return place.on_terminal(*words, columns=150) if way == "terminal" else place.started(*words)


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_once(place: Place, way: str) -> None:
    name = f"cancel-{way}"
    with following(place, way, content(place, name)) as sync:
        until(lambda: len(place.lines("stream_0")) > 300, "the first records")
        WAYS[way](sync)
        sync.until_said("cancelling the job: the source stops, the destination finishes what it has")
        ended = sync.ended()
    assert ended.code == 3, (ended.out, ended.err)
    assert "Traceback" not in ended.out + ended.err
    assert "cancelled: " in ended.out
    assert place.pods_left() == []
    (line,) = place.jobs("--connection", name)
    assert line["status"] == "cancelled"
    committed = line["records_committed"]
    assert committed >= 100
    assert f"cancelled: {committed:,} records" in ended.out
    report = place.job(line["job_id"])
    assert report["attempts"][0]["failures"][0]["type"] == "manual_cancellation"
    shown = place.run("jobs", "show", str(line["job_id"])).out
    assert "cancel" in shown
    assert "Ctrl-C in the foreground" in shown
    rest = content(place, name) | {"source": place.source(records=committed + 50, state_every=100)}
    again = place.sync(rest).report
    assert again["records_committed"] == 50
    assert place.ids("stream_0") == list(range(committed + 50))


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_twice_with_a_destination_that_hangs(alone: Place, way: str) -> None:
    """The destination may take ten minutes to finish; the second Ctrl-C does not wait for that."""
    patient = replace(alone, variables=alone.variables | {"AIRBYTE_WORKERS_SHUTDOWN_GRACE_PERIOD_S": "600"})
    stuck = content(patient, "stuck", hang_at_end=True, ignore_sigterm=True) | {"source": patient.source(records=100)}
    with following(patient, way, stuck) as sync:
        until(lambda: len(patient.lines("stream_0")) == 100, "the records")
        WAYS[way](sync)
        sync.until_said("cancelling the job")
        WAYS[way](sync)
        sync.until_said("ending the job's pods at once")
        ended = sync.ended()
    assert ended.code == 3, (ended.out, ended.err)
    assert " cancelled: " in ended.out
    assert processes_of(patient.home) == []


def test_cancelled_json_is_one_report(place: Place) -> None:
    with following(place, "process", content(place, "cancel-json"), "-o", "json") as sync:
        until(lambda: len(place.lines("stream_0")) > 300, "the first records")
        sync.interrupt()
        ended = sync.ended()
    assert (ended.code, ended.report["status"]) == (3, "cancelled")
    assert ended.report["records_committed"] >= 100
    assert ended.report["evidence"]["states_committed"] >= 1


def test_ctrl_c_before_the_first_attempt(place: Place) -> None:
    """While the connectors are asked what they have, the job is cancelled, too."""
    slow = place.work / "slow-source"
    slow.write_text('#!/bin/sh\ncase "$1" in discover) sleep 600 ;; esac\nexec source-synthetic "$@"\n')
    slow.chmod(0o755)
    asked = content(place, "cancel-early") | {"source": {"command": ["./slow-source"]}, "catalog": None}
    with following(place, "process", asked, "-o", "json") as sync:
        sync.until_said("asking")
        until(place.pod_processes, "the pod that asks")
        sync.interrupt()
        ended = sync.ended()
    assert (ended.code, ended.report["status"]) == (3, "cancelled")


def test_detach_then_join_then_cancel(place: Place) -> None:
    asked = content(place, "joined")
    left = place.run("sync", "-f", str(place.write(asked)), "--detach")
    assert left.code == 0
    assert left.out.endswith("; follow it with: airbyte-workers sync joined --join\n")
    until(lambda: len(place.lines("stream_0")) > 100, "the first records")
    busy = place.run("sync", "joined", "-o", "json")
    assert busy.code == 2
    (line,) = place.jobs("--connection", "joined")
    told = (
        f"connection joined is already syncing (job {line['job_id']}, attempt 1); follow it with: airbyte-workers sync"
        " joined --join"
    )
    assert busy.report["error"] == {"type": "ConnectionBusy", "message": told}
    with place.started("sync", "joined", "--join", "-o", "json") as joined:
        joined.until_said(" committed")
        joined.interrupt()
        ended = joined.ended()
    assert (ended.code, ended.report["status"], ended.report["job_id"]) == (3, "cancelled", line["job_id"])
    assert len(ended.report["attempts"]) == 1


def test_detached_json(place: Place) -> None:
    asked = content(place, "detached") | {"source": place.source(records=6, state_every=1, delay_ms=500)}
    left = place.run("sync", "-f", str(place.write(asked)), "--detach", "-o", "json")
    job_id = left.report["job_id"]
    told = {"job_id": job_id, "workflow_id": "sync/detached", "connection": "detached"}
    assert (left.code, left.report) == (0, told)
    ended = place.run("sync", "detached", "--join", "-o", "json")
    assert (ended.code, ended.report["job_id"]) == (0, job_id)
    assert len(place.ids("stream_0")) == 6
    refused = place.run("sync", "no-such-connection", "--detach")
    assert (refused.code, "there is no connection" in refused.error) == (2, True)
