"""How spec, check and discover end: from what the connector said to what people read, and to the job's row."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from desk import DESTINATION, SOURCE, SPEC, USERS, Desk, operation

from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CheckResult,
    CloseOperation,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    OperationEnd,
    SpecResult,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import catalogs, history
from airbyte_workers.store.objects import Objects

pytestmark = pytest.mark.postgres
KINDS = ("spec", "check", "discover")
RESULTS: dict[str, dict[str, Any]] = {
    "spec": SPEC,
    "check": {"status": "SUCCEEDED"},
    "discover": {"streams": [USERS, USERS | {"name": "others"}]},
}
BODY = msgspec.json.encode(RESULTS["discover"])


def failure(kind: str, origin: str = "source", message: str = "it broke") -> Failure:
    return Failure(origin=FailureOrigin(origin), type=FailureType(kind), message=message)


async def opened(desk: Desk, kind: str, typed: dict[str, Any] | None = None) -> AttemptRef:
    plan = await desk.open(operation(kind, typed or {"image": SOURCE}), allow_local_commands=True)
    return AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind(kind))


async def closed(desk: Desk, ref: AttemptRef, outcome: AttemptOutcome, **settings: Any) -> OperationEnd:
    request = CloseOperation(ref=ref, outcome=outcome, by="me", reason="because" * (outcome.status == "cancelled"))
    return await desk.books(**settings).close_operation(request)


async def answered(desk: Desk, kind: str, result: dict[str, Any], **settings: Any) -> OperationEnd:
    """The end of a job whose connector answered."""
    ref = await opened(desk, kind)
    await desk.answered(ref, result)
    return await closed(desk, ref, AttemptOutcome(status="succeeded"), **settings)


async def failed(desk: Desk, kind: str, *failures: Failure, refused: bool = False) -> OperationEnd:
    """The end of a job whose pod ended without a result."""
    ref = await opened(desk, kind)
    await desk.answered(ref, None, failures)
    return await closed(desk, ref, AttemptOutcome(status="failed", failures=failures, refused=refused))


async def row(desk: Desk) -> tuple[JobStatus, tuple[Failure, ...]]:
    report = await history.report(desk.db, 1)
    return report.status, report.failures


async def last_event(desk: Desk) -> tuple[str, str, str]:
    last = (await history.events(desk.db, 1))[-1]
    return last.event, last.by, last.reason


# --- spec ---


async def test_a_spec_is_the_result_and_kept(desk: Desk) -> None:
    end = await answered(desk, "spec", SPEC)
    assert end == OperationEnd(status=JobStatus.SUCCEEDED, spec=SpecResult(image=SOURCE, spec=SPEC))
    assert await row(desk) == (JobStatus.SUCCEEDED, ())
    assert msgspec.json.decode(await catalogs.find_spec(desk.db, SOURCE) or "") == SPEC


@pytest.mark.parametrize("typed", [{"image": "airbyte/source-faker"}, {"command": ["./source", "--x"]}])
async def test_the_spec_of_what_may_be_another_tomorrow_is_the_result_and_not_kept(
    desk: Desk, typed: dict[str, Any]
) -> None:
    ref = await opened(desk, "spec", typed)
    await desk.answered(ref, SPEC)
    end = await closed(desk, ref, AttemptOutcome(status="succeeded"))
    assert end.spec == SpecResult(image=typed.get("image", "./source --x"), spec=SPEC)
    assert await desk.count("specs") == 0


@pytest.mark.parametrize(("limit", "status"), [(0, JobStatus.SUCCEEDED), (-1, JobStatus.FAILED)])
async def test_a_spec_that_is_too_large_to_cross_temporal_is_none(desk: Desk, limit: int, status: JobStatus) -> None:
    size = len(msgspec.json.encode(SPEC))
    end = await answered(desk, "spec", SPEC, max_spec_bytes=size + limit)
    assert end.status is status
    if status is JobStatus.FAILED:
        assert end.spec is None
        assert end.failures[0].message == f"{SOURCE} has a spec of {size:,} bytes; MAX_SPEC_BYTES is the limit"
        assert await row(desk) == (status, end.failures)
        assert await desk.count("specs") == 0


# --- check ---


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ({"status": "SUCCEEDED"}, CheckResult(status="succeeded")),
        ({"status": "succeeded", "message": "fine"}, CheckResult(status="succeeded", message="fine")),
        ({"status": "SUCCEEDED", "message": None}, CheckResult(status="succeeded")),
        ({"status": "FAILED", "message": "bad password"}, CheckResult(status="failed", message="bad password")),
        ({"status": "FAILED"}, CheckResult(status="failed")),
        ({"status": "PENDING", "message": "eh"}, CheckResult(status="failed", message="eh")),
        ({"status": None}, CheckResult(status="failed")),
        ({}, CheckResult(status="failed")),
        ({"status": "FAILED", "message": {"a": 1}}, CheckResult(status="failed", message="{'a': 1}")),
    ],
)
async def test_a_check_is_a_result_whatever_the_connector_says(
    desk: Desk, said: dict[str, Any], result: CheckResult
) -> None:
    end = await answered(desk, "check", said)
    assert end == OperationEnd(status=JobStatus.SUCCEEDED, check=result)
    assert await row(desk) == (JobStatus.SUCCEEDED, ())
    told = "its connector answered"
    if result.status == "failed":
        told = f"check failed: {result.message}" if result.message else "check failed"
    assert await last_event(desk) == ("succeeded", "me", told)


@pytest.mark.parametrize("origin", ["source", "destination"])
@pytest.mark.parametrize("kind", ["config_error", "system_error", "transient_error", "out_of_memory"])
async def test_a_connector_that_answers_a_check_with_an_error_has_answered_no(
    desk: Desk, kind: str, origin: str
) -> None:
    told = failure(kind, origin)
    end = await failed(desk, "check", told)
    no = CheckResult(status="failed", message="it broke")
    assert end == OperationEnd(status=JobStatus.SUCCEEDED, check=no, failures=(told,))
    assert await row(desk) == (JobStatus.SUCCEEDED, (told,))
    assert await last_event(desk) == ("succeeded", "me", "check failed: it broke")


NO_ANSWERS = [
    *(("source", kind) for kind in ("no_result", "never_opened", "message_too_long", "manual_cancellation")),
    *(("airbyte_platform", kind) for kind in ("timed_out", "orchestrator_lost", "launch_failed", "system_error")),
    ("airbyte_platform", "config_error"),
    ("unknown", "system_error"),
]


@pytest.mark.parametrize(("origin", "kind"), NO_ANSWERS)
async def test_whatever_else_ends_a_check_is_no_answer(desk: Desk, origin: str, kind: str) -> None:
    told = failure(kind, origin)
    assert await failed(desk, "check", told) == OperationEnd(status=JobStatus.FAILED, failures=(told,))
    assert await row(desk) == (JobStatus.FAILED, (told,))


async def test_the_first_failure_says_whether_a_check_was_answered(desk: Desk) -> None:
    """A config error comes first, in whichever order they were seen."""
    late, config = failure("timed_out", "airbyte_platform", "late"), failure("config_error", message="bad password")
    end = await failed(desk, "check", late, config)
    assert end.check == CheckResult(status="failed", message="bad password")
    assert end.failures == (config, late)


# --- discover ---


async def test_a_discovered_catalog_is_stored_and_the_result(desk: Desk) -> None:
    end = await answered(desk, "discover", RESULTS["discover"])
    assert end.status is JobStatus.SUCCEEDED
    assert end.discover is not None
    assert (end.discover.streams, end.discover.catalog) == (2, RESULTS["discover"])
    assert msgspec.json.decode(await catalogs.read(desk.db, end.discover.catalog_id)) == RESULTS["discover"]
    assert (await desk.job(1)).catalog_id == end.discover.catalog_id
    assert await row(desk) == (JobStatus.SUCCEEDED, ())


async def test_closed_again_a_discover_is_the_same_and_its_catalog_stored_once(desk: Desk) -> None:
    ref = await opened(desk, "discover")
    await desk.answered(ref, RESULTS["discover"])
    ends = [await closed(desk, ref, AttemptOutcome(status="succeeded")) for _ in range(2)]
    assert ends[0] == ends[1]
    assert await desk.count("catalogs") == 1
    assert [event for event, _ in await desk.events(1)].count("succeeded") == 1


@pytest.mark.parametrize(("limit", "inline"), [(len(BODY), True), (len(BODY) - 1, False)])
async def test_a_large_catalog_crosses_temporal_by_its_id(desk: Desk, limit: int, inline: bool) -> None:
    end = await answered(desk, "discover", RESULTS["discover"], inline_catalog_bytes=limit)
    assert end.discover is not None
    assert end.discover.streams == 2
    assert end.discover.catalog == (RESULTS["discover"] if inline else None)
    assert await catalogs.read(desk.db, end.discover.catalog_id) == BODY.decode()


async def test_a_destination_has_operations(desk: Desk) -> None:
    found = {"operations": [{"object_name": name, "sync_mode": "append"} for name in "abc"]}
    ref = await opened(desk, "discover", {"image": DESTINATION})
    await desk.answered(ref, found)
    end = await closed(desk, ref, AttemptOutcome(status="succeeded"))
    assert end.discover is not None
    assert (end.discover.streams, end.discover.catalog) == (3, found)


async def test_a_source_without_streams_has_none(desk: Desk) -> None:
    end = await answered(desk, "discover", {"streams": []})
    assert end.discover is not None
    assert end.discover.streams == 0


async def test_what_is_no_catalog_is_a_failed_discover_and_kept_for_nobody(desk: Desk) -> None:
    """Kept, it would be what every sync of that source finds for as long as it counts as fresh."""
    end = await answered(desk, "discover", {"streams": [{"title": "x"}]})
    assert (end.status, end.discover, len(end.failures)) == (JobStatus.FAILED, None, 1)
    assert await desk.count("catalogs") == 0


# --- without an answer ---


@pytest.mark.parametrize("kind", ["spec", "discover"])
async def test_without_an_answer_spec_and_discover_fail(desk: Desk, kind: str) -> None:
    told = failure("config_error")
    assert await failed(desk, kind, told) == OperationEnd(status=JobStatus.FAILED, failures=(told,))
    assert await row(desk) == (JobStatus.FAILED, (told,))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_job_is_cancelled_even_if_its_connector_answered(desk: Desk, kind: str) -> None:
    ref = await opened(desk, kind)
    await desk.answered(ref, RESULTS[kind])
    assert await closed(desk, ref, AttemptOutcome(status="cancelled")) == OperationEnd(status=JobStatus.CANCELLED)
    assert await row(desk) == (JobStatus.CANCELLED, ())
    assert await last_event(desk) == ("cancelled", "me", "because")
    assert [await desk.count(table) for table in ("specs", "catalogs")] == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_job_has_failed_and_nothing_is_read_of_a_pod(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await opened(desk, kind)
    await desk.answered(ref, RESULTS[kind])
    monkeypatch.setattr(Objects, "get", lambda *_: pytest.fail("there is no pod"))
    told = failure("config_error")
    end = await closed(desk, ref, AttemptOutcome(status="failed", failures=(told,), refused=True))
    assert end == OperationEnd(status=JobStatus.FAILED, failures=(told,))
    assert await row(desk) == (JobStatus.FAILED, (told,))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_pod_that_left_no_marker_is_told_by_what_its_watcher_knows(desk: Desk, kind: str) -> None:
    ref, told = await opened(desk, kind), failure("launch_failed", "airbyte_platform")
    end = await closed(desk, ref, AttemptOutcome(status="failed", failures=(told,)))
    assert end == OperationEnd(status=JobStatus.FAILED, failures=(told,))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_got_lost_is_a_failure_with_a_reason(desk: Desk, kind: str) -> None:
    """Storage may have lost the marker of a pod that answered by the time the job is closed."""
    end = await closed(desk, await opened(desk, kind), AttemptOutcome(status="succeeded"))
    assert (end.status, len(end.failures)) == (JobStatus.FAILED, 1)
    assert await last_event(desk) == ("failed", "me", end.failures[0].message)


@pytest.mark.parametrize("kind", KINDS)
async def test_closed_again_the_first_end_stands_in_the_row(desk: Desk, kind: str) -> None:
    ref = await opened(desk, kind)
    await desk.answered(ref, RESULTS[kind])
    await closed(desk, ref, AttemptOutcome(status="succeeded"))
    await closed(desk, ref, AttemptOutcome(status="cancelled"))
    assert (await row(desk))[0] is JobStatus.SUCCEEDED


# --- what history takes ---


async def test_a_connectors_long_words_are_cut(desk: Desk) -> None:
    long = "bad\0 " + "x" * 5000
    end = await answered(desk, "check", {"status": "FAILED", "message": long})
    assert end.check is not None
    assert len(end.check.message) == MAX_MESSAGE_IN_HISTORY
    assert end.check.message.startswith("bad x")
    assert (await last_event(desk))[2] == f"check failed: {end.check.message}"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_long_failure_is_cut_and_what_only_a_log_needs_left_out(desk: Desk, kind: str) -> None:
    told = failure("system_error", message="x" * 5000).model_copy(update={"internal_message": "traceback"})
    end = await failed(desk, kind, told)
    assert len(end.failures[0].message) == MAX_MESSAGE_IN_HISTORY
    assert end.failures[0].internal_message is None
    if end.check is not None:
        assert end.check.message == end.failures[0].message
