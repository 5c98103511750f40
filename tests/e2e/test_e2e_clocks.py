"""Each clock fires with its reason, stops both connectors, and keeps what is committed; speed limits hold.

The clocks are those of the connection, of a few seconds: minutes may be fractions.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from e2e_support import Place, catalog, make_images, misbehaving, misbehaving_image

LAUNCHERS = ("process", pytest.param("docker", marks=pytest.mark.docker))
pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]
both_launchers = pytest.mark.parametrize("launcher", LAUNCHERS)
STREAMS = ("a", "b")
LINES = 8
"""A destination reads so many before it misbehaves: five records and their state, and two records more."""
SOON = 4 / 60


class Case(NamedTuple):
    """A connector that keeps everybody waiting: what is chosen for the connection, and how its sync ends."""

    clocks: dict[str, float]
    failure: tuple[str, str]
    says: str
    committed: int | None
    source: str = ""
    destination: str = ""
    records: int = 10
    speed_limits: dict[str, Any] = {}  # noqa: RUF012  # a named tuple's default


CASES = {
    "a silent source": Case(
        {"source_silence_minutes": SOON},
        ("source", "source_silent"),
        "the source sent no byte for 4 s (source_silence_minutes)",
        5,
        source="hangs",
    ),
    "a source that talks and does nothing": Case(
        {"source_silence_minutes": SOON, "source_progress_minutes": SOON},
        ("source", "heartbeat_timeout"),
        "the source sent neither a record nor a state for 4 s (source_progress_minutes)",
        5,
        source="talks-on",
    ),
    "a destination that takes nothing": Case(
        {"acknowledgement_minutes": SOON},
        ("destination", "destination_timeout"),
        "the destination took nothing of its input and acknowledged nothing for 4 s (acknowledgement_minutes)",
        5,
        destination="stops-reading",
        records=4_000,
    ),
    "a destination that acknowledges no more": Case(
        {"acknowledgement_minutes": SOON},
        ("destination", "destination_timeout"),
        "the destination acknowledged none of the states it has for 4 s (acknowledgement_minutes)",
        5,
        destination="stops-echoing",
        records=4_000,
        speed_limits={"records_per_second": 20},
    ),
    "a destination that never comes to its end": Case(
        {"acknowledgement_minutes": SOON},
        ("destination", "destination_timeout"),
        "the destination was still at work after its end of input, and acknowledged nothing for 4 s",
        20,
        destination="finalises-for-ever",
    ),
    "a job that takes too long": Case(
        {"total_minutes": 3 * SOON},
        ("airbyte_platform", "total_timeout"),
        "the job took longer than 12 s with all its attempts and waits (total_minutes)",
        None,  # containers may take as long to start
        source="talks-on",
    ),
}


def content(place: Place, name: str, launcher: str) -> dict[str, Any]:
    """The sync file: the misbehaving connector with a well-behaved one at the other end."""
    case = CASES[name]
    place.work.chmod(0o1777)  # the connectors of images run as a user of their own
    source = place.source(launcher, streams=list(STREAMS), records=case.records, state_every=5, interleave=True)
    if case.source:
        source = misbehaving(case.source, launcher, streams=list(STREAMS), records=case.records)
    destination = place.jsonl(launcher)
    if case.destination:
        destination = misbehaving(case.destination, launcher, lines=LINES)
    return {
        "connection": f"{name.replace(' ', '-')}-{launcher}",
        "local_root": str(place.work),
        "source": source,
        "destination": destination,
        "catalog": catalog(*STREAMS),
        "clocks": case.clocks,
        "speed_limits": case.speed_limits,
    }


@both_launchers
@pytest.mark.parametrize("name", CASES)
def test_a_clock_ends_the_attempt_with_its_reason_and_both_connectors_with_it(
    place: Place, launcher: str, name: str
) -> None:
    case = CASES[name]
    if launcher == "docker":
        make_images(*(misbehaving_image(mode) for mode in (case.source, case.destination) if mode))
    retries = () if "total_minutes" in case.clocks else ("--retries", "0")
    ended = place.sync(content(place, name, launcher), *retries, "--launcher", launcher, seconds=180)
    report, whole = ended.report, json.dumps(ended.report)
    first = report["failures"][0]
    assert (ended.code, report["status"], len(report["attempts"])) == (1, "failed", 1), whole
    assert ((first["origin"], first["type"]), first["message"].startswith(case.says)) == (case.failure, True), whole
    types = [each["type"] for each in report["failures"][1:]]  # what the other one says of an end that comes early
    assert set(types) <= {"system_error"}, whole
    assert case.committed in (None, report["records_committed"]), whole
    assert place.pods_left(report["job_id"]) == []
    assert place.pod_processes() == []


def test_a_job_that_fails_again_and_again_is_not_tried_any_more_once_its_time_is_over(place: Place) -> None:
    described = place.described("time-over", records=10) | {
        "source": misbehaving("crash-after-n", records=10, streams=["stream_0"]),
        "clocks": {"total_minutes": 5 / 60},
    }
    report = place.sync(described).report
    assert report["status"] == "failed"
    assert "(limit total_minutes)" in report["reason"] or "total_timeout" in report["reason"], json.dumps(report)
    assert len(report["attempts"]) < 20


@both_launchers
def test_a_limit_holds_the_sync_back_and_the_report_says_so(place: Place, launcher: str) -> None:
    described = content(place, "a silent source", launcher) | {
        "connection": f"held-back-{launcher}",
        "source": place.source(launcher, streams=["a"], records=100, state_every=10),
        "catalog": catalog("a"),
        "clocks": {},
        "speed_limits": {"records_per_second": 25},
    }
    if launcher == "docker":
        make_images()
    with place.started("sync", "-f", str(place.write(described)), "--launcher", launcher) as running:
        ended = running.ended(180)
    assert ended.code == 0, ended.err
    assert "its speed limit held it back for" in ended.out
    (job,) = place.jobs("--connection", described["connection"])
    seen = place.job(job["job_id"])
    assert seen["held_by_limit_s"] >= 2, seen
    assert seen["moving_s"] >= seen["held_by_limit_s"]
    assert seen["attempts"][0]["held_by_limit_s"] == seen["held_by_limit_s"]
