"""Crashes and kills: what is committed stays, the next attempt goes on from there, nothing is lost or doubled."""

from __future__ import annotations

from typing import Any

import pytest
from e2e_support import Place, Running, catalog, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
RECORDS = 5000
SLOW = {"records": RECORDS, "state_every": 250, "delay_ms": 100}
"""About two seconds of records, one acknowledgement after the other."""


def content(place: Place, name: str, **changes: Any) -> dict[str, Any]:
    return place.described(name, **SLOW) | changes


def started(place: Place, sync: Running) -> None:
    """Wait until records of the sync are in the file: the attempt has progress to keep."""
    sync.until_said("attempt 1 is running")
    until(lambda: len(place.lines("stream_0")) > 500, "the first records")


def assert_resumed(place: Place, report: dict[str, Any]) -> None:
    """Every record once, in order, although the first attempt failed half-way."""
    assert report["status"] == "succeeded"
    assert [attempt["status"] for attempt in report["attempts"]] == ["failed", "succeeded"]
    first, second = (attempt["records_committed"] for attempt in report["attempts"])
    assert first > 0
    assert second > 0
    assert first + second == report["records_committed"] == RECORDS
    assert place.ids("stream_0") == list(range(RECORDS))


@pytest.mark.parametrize("who", ["source", "destination"])
def test_a_crash_half_way(place: Place, who: str) -> None:
    crash = {"crash_after": 2600, "crash_once_file": str(place.work / "crashed")}
    changes = {"source": place.source(**SLOW, **crash)} if who == "source" else {"destination": place.jsonl(**crash)}
    ended = place.sync(content(place, f"crash-{who}", **changes), "--retries", "3")
    assert ended.code == 0
    assert_resumed(place, ended.report)
    failure = ended.report["attempts"][0]["failures"][0]
    assert (failure["origin"], failure["type"]) == (who, "system_error")
    assert "attempt 1 failed: " in ended.err
    assert "attempt 2 is running" in ended.err


@pytest.mark.parametrize(
    ("role", "failure"),
    [
        ("source", ("source", "system_error")),
        ("destination", ("destination", "system_error")),
        ("orchestrator", ("airbyte_platform", "orchestrator_lost")),
    ],
)
def test_killed_half_way(place: Place, role: str, failure: tuple[str, str]) -> None:
    file = str(place.write(content(place, f"killed-{role}")))
    with place.started("sync", "-f", file, "-o", "json") as sync:
        started(place, sync)
        place.pod_program(role).kill()
        ended = sync.ended()
    assert ended.code == 0, ended.err
    assert_resumed(place, ended.report)
    first = ended.report["attempts"][0]["failures"][0]
    assert (first["origin"], first["type"]) == failure, ended.report["attempts"][0]["failures"]


def test_a_whole_pod_killed_half_way(place: Place) -> None:
    file = str(place.write(content(place, "killed-pod")))
    with place.started("sync", "-f", file, "-o", "json") as sync:
        started(place, sync)
        for process in place.pod_processes():
            process.kill()
        ended = sync.ended()
    assert ended.code == 0, ended.err
    assert_resumed(place, ended.report)


def test_a_failed_attempt_is_told_at_once_and_the_wait_can_be_cancelled(place: Place) -> None:
    crash = content(place, "waiting", source=place.source(records=10, crash_after=0, crash_message="no luck today"))
    with place.started("sync", "-f", str(place.write(crash))) as sync:
        sync.until_said("attempt 1 failed: source: no luck today; attempt 2 starts in 10 s")
        sync.interrupt()
        ended = sync.ended(9)
    assert ended.code == 3
    assert "cancelling the job" in ended.err
    assert "attempt 2 is running" not in ended.err


def test_without_retries_the_first_failure_is_the_last(place: Place) -> None:
    crash = content(place, "once", source=place.source(records=10, crash_after=5, crash_exit_code=7))
    ended = place.sync(crash, "--retries", "0")
    report = ended.report
    assert (ended.code, report["status"], len(report["attempts"])) == (1, "failed", 1)
    (failure, *_) = report["failures"]
    assert (failure["origin"], failure["message"]) == ("source", "the source exited with code 7")
    assert report["evidence"]["source_exit_code"] == 7


def test_interleaved_streams_echoed_out_of_order_without_ids(place: Place) -> None:
    """Every stream's state is committed exactly: a second sync finds nothing to do, and the files hold each record."""
    names = ("a", "b", "c")
    source = {"streams": list(names), "records": 1000, "state_every": 100, "interleave": True}
    echoes = place.jsonl(echo="reverse_streams", drop_id=True)
    asked = content(place, "reversed", source=place.source(**source), destination=echoes, catalog=catalog(*names))
    report = place.sync(asked).report
    assert report["status"] == "succeeded"
    assert report["evidence"]["states_committed"] == report["evidence"]["states_emitted"] == 30
    assert report["evidence"]["unmatched_acknowledgements"] == 0
    assert {each["name"]: each["records_committed"] for each in report["streams"]} == dict.fromkeys(names, 1000)
    again = place.run("sync", "reversed", "-o", "json").report
    assert (again["status"], again["records_committed"]) == ("succeeded", 0)
    crashing = asked | {"source": place.source(**(source | {"records": 2000, "crash_after": 1550}))}
    assert place.sync(crashing, "--retries", "0").code == 1
    assert place.sync(asked | {"source": place.source(**(source | {"records": 2000}))}).code == 0
    for name in names:
        assert place.ids(name) == list(range(2000))
