"""`jobs cancel`, `jobs retry`, `jobs explain` as people type them, on real jobs of every kind."""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import replace
from typing import Any

import pytest
from e2e_addressed import addressed, working
from e2e_support import Place, processes_of, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
ME = f"{getpass.getuser()}@{socket.gethostname()}"


def slow(place: Place, name: str, **destination: Any) -> dict[str, Any]:
    slow = place.described(name, records=100_000, state_every=100, delay_ms=50)
    return slow | {"destination": place.jsonl(**destination)}


def failing(place: Place, name: str) -> dict[str, Any]:
    """A sync whose source cannot read before there is a file `mended`."""
    source = place.work / "frail-source"
    source.write_text(
        f'#!/bin/sh\n[ "$1" != read ] || [ -e {place.work}/mended ] || exit 7\nexec source-synthetic "$@"\n'
    )
    source.chmod(0o755)
    return slow(place, name) | {"source": {"command": ["./frail-source"], "config": {"records": 10}}}


def begun(place: Place, content: dict[str, Any], *, records: int = 300) -> int:
    """The number of a sync that was started and left, and has moved its first records."""
    left = place.run("sync", "-f", str(place.write(content)), "--detach", "-o", "json")
    until(lambda: len(place.lines("stream_0")) >= records, "the first records")
    return int(left.report["job_id"])


def no_traceback(*texts: str) -> None:
    assert all("Traceback" not in text for text in texts)


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_cancel_a_running_sync(place: Place) -> None:
    job_id = begun(place, slow(place, "cancelled"))
    ended = place.run("jobs", "cancel", str(job_id), "--reason", "wrong source")
    assert ended.code == 0, (ended.out, ended.err)
    no_traceback(ended.out, ended.err)
    said = f"cancelling job {job_id}: the source stops, the destination finishes what it has (Ctrl-C: leave)"
    assert said in ended.err.splitlines()
    first, second, *_ = ended.out.splitlines()
    assert first.startswith(f"job {job_id} cancelled: ")
    assert second == f"cancelled by {ME}: wrong source"
    assert place.pods_left() == []
    report = place.job(job_id)
    assert (report["status"], report["ended_by"], report["reason"]) == ("cancelled", ME, "wrong source")
    assert report["records_committed"] >= 100
    again = place.run("jobs", "cancel", str(job_id))
    assert (again.code, again.error) == (2, f"job {job_id} has ended (cancelled); there is nothing to cancel")


def test_cancel_a_check_and_whoever_waits_for_it_is_told(place: Place) -> None:
    source = place.work / "slow-source"
    source.write_text('#!/bin/sh\ncase "$1" in check) sleep 600 ;; esac\nexec source-synthetic "$@"\n')
    source.chmod(0o755)
    (place.work / "config.json").write_text("{}")
    words = ("check", "--command", str(source), "--config", "config.json")
    with place.started(*words) as check:
        check.until_said("is running")
        (line,) = [each for each in place.jobs("-a", "--limit", "1") if each["kind"] == "check"]
        live = place.run("jobs", "explain", str(line["job_id"]))
        ended = place.run("jobs", "cancel", str(line["job_id"]), "--now", "-o", "json")
        waited = check.ended()
    assert (ended.code, ended.report["status"], ended.report["ended_by"]) == (0, "cancelled", ME), ended.err
    assert "its pods end at once" in ended.err
    assert waited.code == 3
    assert f"airbyte-workers jobs cancel {line['job_id']}" in live.out
    page = place.run("jobs", "explain", str(line["job_id"])).out
    assert f"cancelled by {ME}" in page
    assert f"airbyte-workers check --command {source} --config FILE" in page
    refused = place.run("jobs", "retry", str(line["job_id"]))
    assert (refused.code, "is a check, not a sync; ask again with: " in refused.error) == (2, True)


def test_cancel_left_by_ctrl_c_goes_on_and_can_be_hurried(alone: Place) -> None:
    """The destination may take ten minutes to finish; who will not wait leaves, or comes back with `--now`."""
    patient = replace(alone, variables=alone.variables | {"AIRBYTE_WORKERS_SHUTDOWN_GRACE_PERIOD_S": "600"})
    stuck = slow(patient, "stuck", hang_at_end=True, ignore_sigterm=True) | {"source": patient.source(records=100)}
    with patient.started("sync", "-f", str(patient.write(stuck)), "-o", "json") as sync:
        until(lambda: len(patient.lines("stream_0")) == 100, "the records")
        (line,) = patient.jobs()
        with patient.started("jobs", "cancel", str(line["job_id"]), "--reason", "too slow") as cancel:
            cancel.until_said("stopping (asked for by")
            cancel.interrupt()
            left = cancel.ended()
        assert (left.code, left.error) == (130, "left; the cancelled job goes on ending")
        hurried = patient.run("jobs", "cancel", str(line["job_id"]), "--reason", "at once, please", "--now")
        ended = sync.ended()
    assert hurried.code == 0, (hurried.out, hurried.err)
    no_traceback(left.err, hurried.err, ended.err)
    assert (ended.code, ended.report["status"], ended.report["reason"]) == (3, "cancelled", "at once, please")
    assert processes_of(patient.home) == []


def test_cancel_a_job_that_is_not_there(place: Place) -> None:
    ended = place.run("jobs", "cancel", "999999")
    assert (ended.code, ended.error) == (2, "there is no job 999999; see: airbyte-workers jobs list --all")
    told = place.run("jobs", "cancel", "999999", "-o", "json")
    assert (told.code, told.report["error"]["type"]) == (2, "InvalidInput")


def test_cancel_without_a_worker_takes_effect_when_one_runs(alone: Place) -> None:
    with addressed(alone) as place:
        with working(place):
            job_id = begun(place, slow(place, "orphan"))
        page = place.run("jobs", "explain", str(job_id))
        assert "no Temporal worker answers" in page.out
        with place.started("jobs", "cancel", str(job_id), "--reason", "nobody home") as cancel:
            cancel.until_said(f"no Temporal worker answers for job {job_id}: Temporal keeps the cancel")
            with working(place):
                ended = cancel.ended()
        assert ended.code == 0, ended.err
        assert place.job(job_id)["reason"] == f"nobody home (asked for by {ME})"
        assert place.pods_left() == []


# --- retry ------------------------------------------------------------------------------------------------------------


def test_retry_syncs_the_connection_as_it_is_stored_now(place: Place) -> None:
    content = failing(place, "frail")
    failed = place.sync(content, "--retries", "0").report
    job_id = str(failed["job_id"])
    assert failed["status"] == "failed"
    assert failed["reason"].startswith("stopped after 1 attempt: retries used up")
    (place.work / "mended").touch()
    again = place.run("jobs", "retry", job_id, "-o", "json")
    assert (again.code, again.report["status"], again.report["connection"]) == (0, "succeeded", "frail"), again.err
    assert again.report["job_id"] > failed["job_id"]
    assert place.ids("stream_0") == list(range(10))
    refused = place.run("jobs", "retry", str(again.report["job_id"]), "-o", "json")
    told = f"job {again.report['job_id']} succeeded, there is nothing to retry; "
    told += "sync again with: airbyte-workers sync frail"
    assert (refused.code, refused.report["error"]["message"]) == (2, told)
    left = place.run("jobs", "retry", job_id, "--detach")
    assert left.code == 0
    assert left.out.endswith("; follow it with: airbyte-workers sync frail --join\n")
    assert place.run("sync", "frail", "--join").code == 0


def test_retry_while_the_connection_syncs_again_says_how_to_follow_that(place: Place) -> None:
    content = failing(place, "busy")
    failed = place.sync(content, "--retries", "0").report
    (place.work / "mended").touch()
    endless = {"records": 100_000, "state_every": 100, "delay_ms": 50}
    job_id = begun(place, content | {"source": {"command": ["./frail-source"], "config": endless}})
    refused = place.run("jobs", "retry", str(failed["job_id"]))
    assert refused.code == 2
    assert f"is already syncing (job {job_id}, " in refused.error
    assert refused.error.endswith("; follow it with: airbyte-workers sync busy --join")
    live = place.run("jobs", "retry", str(job_id))
    assert (live.code, "has not ended (" in live.error) == (2, True)
    assert place.run("jobs", "cancel", str(job_id), "--now").code == 0


# --- explain and show -------------------------------------------------------------------------------------------------


def test_explain_a_failed_sync_then_the_one_that_succeeds(place: Place) -> None:
    content = failing(place, "explained") | {"retries": {"complete_failures_backoff_min_interval_s": 1}}
    failed = place.sync(content, "--retries", "1").report
    job_id = str(failed["job_id"])
    page = place.run("jobs", "explain", job_id)
    assert page.code == 0
    shown = page.out.splitlines()
    assert len(shown) < 50
    assert shown[0].startswith(f"job {job_id}: sync of explained, failed after ")
    for line in (
        "  RED source exit code      7",
        "  source, system_error: the source exited with code 7",
        f"  airbyte-workers jobs retry {job_id}    as the connection is stored now",
        f"  airbyte-workers jobs logs {job_id} --attempt 2",
    ):
        assert line in shown
    assert "attempt 2 (after a wait of 1 s: 1 complete failure" in page.out
    assert "  the evidence against it: source exit code, " in page.out
    assert "stopped after 2 attempts: " in page.out
    told = place.run("jobs", "explain", job_id, "-o", "json").report
    assert (told["status"], told["evidence_of_attempt"]) == ("failed", 2)
    assert told["go_on"][0]["command"] == f"airbyte-workers jobs retry {job_id}"
    assert {"name": "source exit code", "value": "7", "verdict": "red"} in told["evidence"]
    text = place.run("jobs", "show", job_id).out
    (row,) = [line for line in text.splitlines() if line.split()[:2] == ["2", "failed"]]
    assert "1 s" in row
    assert "  0  source, system_error: the source exited with code 7" in row
    assert failed["reason"] in text
    (place.work / "mended").touch()
    good = place.run("jobs", "retry", job_id, "-o", "json").report
    green = place.run("jobs", "explain", str(good["job_id"])).out
    assert "nothing is missing: exits, completion, acknowledgements" in green
    assert "RED" not in green


def test_explain_a_failed_check_of_a_sync_names_the_config(place: Place) -> None:
    """That nobody tries again: the config has to change."""
    source = place.work / "locked-source"
    no = '{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": "no such key"}}'
    source.write_text(f'#!/bin/sh\n[ "$1" != check ] || {{ echo \'{no}\'; exit 0; }}\nexec source-synthetic "$@"\n')
    source.chmod(0o755)
    failed = place.sync(slow(place, "locked") | {"source": {"command": ["./locked-source"]}})
    assert (failed.code, len(failed.report["attempts"])) == (1, 1)
    page = place.run("jobs", "explain", str(failed.report["job_id"])).out
    assert "no data was moved" in page
    assert "`source.config`" in page
    assert "airbyte-workers sync -f FILE" in page


def test_a_wait_is_explained_counted_down_and_can_be_cancelled(place: Place) -> None:
    content = failing(place, "long-wait")
    with place.on_terminal("sync", "-f", str(place.write(content)), columns=150) as sync:
        sync.until_said("attempt 1 failed: source: the source exited with code 7; attempt 2 starts in 10 s: ")
        sync.until_said("(Ctrl-C to stop)")
        sync.until_said("attempt 2 starts in 8 s")
        (line,) = place.jobs("--connection", "long-wait")
        page = place.run("jobs", "explain", str(line["job_id"])).out
        cancel = place.run("jobs", "cancel", str(line["job_id"]), "--reason", "enough")
        ended = sync.ended()
    assert "Now\n  attempt 2 starts in 10 s: 1 complete failure" in page
    assert (cancel.code, ended.code) == (0, 3), (cancel.err, ended.out)
    assert f"cancelled by {ME}: enough" in ended.out
    report = json.loads(place.run("jobs", "show", str(line["job_id"]), "-o", "json").out)
    assert [attempt["status"] for attempt in report["attempts"]] == ["failed"]


def test_explain_a_job_that_is_not_there(place: Place) -> None:
    ended = place.run("jobs", "explain", "999999")
    assert (ended.code, ended.error) == (2, "there is no job 999999; see: airbyte-workers jobs list --all")
