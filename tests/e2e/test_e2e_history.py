"""`jobs list`, `jobs show`, `jobs logs` as people type them, on jobs that run, have ended, or were tried twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest
from e2e_support import PROGRAM, Place, catalog, until

from airbyte_workers.client import Client, InvalidInput, UnknownJob
from airbyte_workers.settings import Settings

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]


def content(place: Place, name: str, **source: Any) -> dict[str, Any]:
    return place.described(name, **source) | {"catalog": catalog("stream_0", "stream_1", namespace="public")}


def twice(place: Place, name: str) -> dict[str, Any]:
    """A sync whose source fails when it reads for the first time, and speaks on its stderr."""
    source = place.work / "frail-source"
    source.write_text(
        f'#!/bin/sh\n[ "$1" != read ] || echo "reading at $1" >&2\n'
        f'[ "$1" != read ] || [ -e {place.work}/tried ] || {{ touch {place.work}/tried; exit 7; }}\n'
        'exec source-synthetic "$@"\n'
    )
    source.chmod(0o755)
    config = {"records": 10, "streams": 2}
    return content(place, name) | {
        "source": {"command": ["./frail-source"], "config": config},
        "catalog": catalog("stream_0", "stream_1"),
        "retries": {"complete_failures_backoff_min_interval_s": 0},
    }


def piped(place: Place, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"'{PROGRAM}' {command}",
        shell=True, cwd=place.work, env=place.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_sync_that_was_tried_twice_is_listed_shown_and_its_logs_told_apart(place: Place) -> None:
    done = place.sync(twice(place, "tried-twice"))
    assert done.code == 0, done.err
    job_id = str(done.report["job_id"])
    # the list
    listed = place.run("jobs", "list", "--connection", "tried-twice", "--status", "succeeded", "--since", "1h")
    head, row = listed.out.splitlines()
    assert (head.split()[0], row.split()[:5]) == ("job", [job_id, "succeeded", "sync", "tried-twice", "2"])
    none = place.run("jobs", "list", "--connection", "tried-twice", "--status", "failed", "--kind", "sync")
    assert (none.code, none.out) == (0, "")
    assert none.err == "no job is a sync, of tried-twice, failed (jobs of other kinds: --all)\n"
    wrong = place.run("jobs", "list", "--connection", "tried-twicee", "-o", "json")
    told = "there is no connection tried-twicee; did you mean tried-twice?"
    assert (wrong.code, wrong.report["error"]["message"]) == (2, told)
    # one job
    text = place.run("jobs", "show", job_id).out
    assert text.startswith(f"job {job_id}: sync of tried-twice, succeeded after ")
    assert "evidence of attempt 2\n  ok  source exit code      0" in text
    first = place.run("jobs", "show", job_id, "--attempt", "1").out
    assert "evidence of attempt 1\n  RED source exit code      7" in first
    report = place.run("jobs", "show", job_id, "-o", "json", "--all").report
    assert {name: report[name] for name in done.report if name != "attempts"} == {
        name: value for name, value in done.report.items() if name != "attempts"
    }
    assert [each["evidence"]["source_exit_code"] for each in report["attempts"]] == [7, 0]
    assert [len(each["streams"]) for each in report["attempts"]] == [2, 2]
    assert report["events"][0]["event"] == "opened"
    # its logs
    last = place.run("jobs", "logs", job_id)
    assert last.err == "attempt 2 of 2; --attempt shows another one\n"
    assert "reading at read" in last.out
    assert "exited with code 7" not in last.out
    assert "exited with code 7" in place.log(int(job_id), "--attempt", "1", "--level", "error")
    about = [json.loads(line) for line in place.log(int(job_id), "--stream", "stream_1", "-o", "json").splitlines()]
    assert {line["stream"] for line in about} == {"stream_1"}
    assert about[-1]["text"] == "stream_1: complete, 10 records emitted, 10 committed"
    whole = last.out.splitlines()
    assert place.log(int(job_id), "--tail", "2").splitlines() == whole[-2:]
    nothing = place.run("jobs", "logs", job_id, "--stream", "strem_1")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err.endswith("is what was asked for; did you mean stream_1?\n")
    beyond = place.run("jobs", "logs", job_id, "--attempt", "3")
    assert (beyond.code, beyond.error) == (2, f"job {job_id} has had 2 attempts: there is no attempt 3")
    zero = place.run("jobs", "logs", job_id, "--attempt", "0")
    assert (zero.code, "0 is not in the range x>=1" in zero.err) == (2, True)
    asyncio.run(_by_the_client(place, int(job_id), [line.split(maxsplit=3)[3] for line in whole]))


async def _by_the_client(place: Place, job_id: int, lines: list[str]) -> None:
    async with Client.connect(Settings(home=place.home)) as client:
        found = await client.jobs({"connection": "tried-twice", "limit": 1})
        assert [line.job_id for line in found.lines] == [job_id]
        assert [line.text async for line in client.logs(job_id, follow=True)] == lines
        failed = client.logs({"job_id": job_id, "attempt": 1, "level": "ERROR"})
        assert "exited with code 7" in [line async for line in failed][-1].text
        with pytest.raises(UnknownJob):
            await anext(client.logs(999_999))
        with pytest.raises(InvalidInput, match="level"):
            await anext(client.logs({"job_id": job_id, "level": "LOUD"}))


def test_the_log_of_a_running_sync_is_followed_left_and_followed_to_its_end(place: Place) -> None:
    slow = content(place, "followed-log", records=100_000, state_every=100, delay_ms=100)
    slow["catalog"] = catalog("stream_0")
    left = place.run("sync", "-f", str(place.write(slow)), "--detach", "-o", "json")
    job_id = str(left.report["job_id"])
    with place.started("jobs", "logs", job_id, "-f") as follower:
        follower.until_said(" records committed")
        with place.started("jobs", "logs", job_id, "-f") as leaving:
            leaving.until_said("stream_0: started")
            leaving.interrupt()
            gone = leaving.ended()
        head = piped(place, f"jobs logs {job_id} | head -n 1")
        assert place.run("jobs", "cancel", job_id).code == 0
        ended = follower.ended()
    assert (gone.code, gone.err) == (130, "")
    assert (len(head.stdout.splitlines()), head.stderr) == (1, "")
    assert (ended.code, ended.err) == (0, "")
    assert "cancel was asked for" in ended.out
    assert ended.out == place.log(int(job_id))


def test_what_only_a_job_of_another_kind_has_is_shown_for_it(place: Place) -> None:
    (place.work / "config.json").write_text("{}")
    source = place.work / "talking-source"
    source.write_text('#!/bin/sh\necho "hello from $1" >&2\nexec source-synthetic "$@"\n')
    source.chmod(0o755)
    found = place.run("discover", "--command", str(source), "--config", "config.json")
    assert found.code == 0, found.err
    newest = until(lambda: place.jobs("--kind", "discover", "--limit", "1"), "the job")[0]
    job_id = newest["job_id"]
    assert (newest["connector"], newest["status"]) == (str(source), "succeeded")
    shown = place.run("jobs", "show", str(job_id)).out
    assert shown.startswith(f"job {job_id}: discover of {source}, succeeded after ")
    assert "catalog: airbyte-workers catalog show " in shown
    assert "records" not in shown
    assert "hello from discover" in place.log(job_id)
    assert place.run("jobs", "logs", str(job_id), "--attempt", "1").error.endswith("there is no attempt 1")


def test_a_log_in_another_storage_is_told_from_one_that_is_empty(place: Place) -> None:
    job_id = place.sync(content(place, "elsewhere") | {"catalog": catalog("stream_0")}).report["job_id"]
    logs = place.home / "storage" / "logs" / str(job_id)
    logs.rename(place.work / "moved")
    ended = place.run("jobs", "logs", str(job_id))
    (place.work / "moved").rename(logs)
    assert ended.code == 1
    assert ended.error.startswith(f"the log of job {job_id} is not in file:///")
