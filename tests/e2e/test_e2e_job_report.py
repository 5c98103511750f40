"""`jobs report` as people type it: the page of a job in a file or a pipe, and the same as JSON."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from e2e_canary import leaks
from e2e_rotating import make_register, new_token
from e2e_scripted import WITHOUT_DELAY
from e2e_support import PROGRAM, Place, catalog

from airbyte_workers.redaction import MASK

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
ROTATING = [sys.executable, str(Path(__file__).with_name("e2e_rotating.py"))]
RECORDS = 12_000


def slow_twice(place: Place, name: str) -> dict[str, Any]:
    """A sync whose source breaks once and is slow."""
    once = {"crash_after": 9000, "crash_once_file": str(place.work / "crashed")}
    return {
        "connection": name,
        "source": place.source(streams=2, records=RECORDS, record_bytes=1000, state_every=500, delay_ms=100, **once),
        "destination": place.jsonl(),
        "catalog": catalog("stream_0", "stream_1"),
        "retries": {"complete_failures_backoff_min_interval_s": 0},
    }


class Words(HTMLParser):
    """The text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._words: list[str] = []
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())


def test_a_sync_with_a_retry_and_a_slow_source_on_one_page(place: Place) -> None:
    done = place.sync(slow_twice(place, "report-slow"))
    assert done.code == 0, done.err
    job_id = str(done.report["job_id"])
    # the figures
    told = place.run("jobs", "report", job_id, "-o", "json").report
    assert (told["verdict"], told["colour"], told["bottleneck"]) == ("Succeeded, with proof", "good", "source")
    assert [each["status"] for each in told["attempts"]] == ["failed", "succeeded"]
    assert [each["number"] for each in told["courses"]] == [1, 2]
    whole = {each["name"]: each for each in done.report["streams"]}
    assert {each["name"] for each in told["streams"]} == set(whole)
    for each in told["streams"]:
        report = whole[each["name"]]
        assert (each["emitted"], each["committed"]) == (report["records_emitted"], report["records_committed"])
    for attempt, course in zip(told["attempts"], told["courses"], strict=True):
        for counted in ("records_emitted", "records_committed"):
            assert sum(span[counted] for span in course["spans"]) == attempt[counted]
    assert told["courses"][-1]["bottleneck"].startswith("The source was the bottleneck: it was waited for ")
    facts = {each["name"]: each["value"] for each in told["facts"]}
    assert (facts["source"], facts["destination"]) == ("source-synthetic", "destination-jsonl")
    # the page
    written = place.run("jobs", "report", job_id, "--html")
    file = place.work / f"job-{job_id}.html"
    assert (written.code, written.out.split(" (")[0]) == (0, f"wrote {file}")
    text = Words(file.read_text()).text
    assert f"Job {job_id}: sync of report-slow" in text
    assert told["bottleneck_text"] in text
    assert re.search(r"attempt 1: source, system_error: .* attempt 2", text)
    assert f"all streams {sum(each['emitted'] for each in told['streams']):,} {2 * RECORDS:,}" in text
    _into_files_and_pipes(place, job_id, file)


def _into_files_and_pipes(place: Place, job_id: str, file: Path) -> None:
    before = file.read_bytes()
    again = place.run("jobs", "report", job_id)
    assert (again.code, file.read_bytes()) == (2, before)
    assert again.error == f"{file.name} is there already; --force replaces it, --html FILE writes another one"
    assert place.run("jobs", "report", job_id, "--force").code == 0
    assert file.read_bytes() != before, "it says when it was made"
    other = place.run("jobs", "report", job_id, "--html", "other.html")
    assert other.out.startswith(f"wrote {place.work / 'other.html'} (")
    piped = place.run("jobs", "report", job_id, "--html", "-")
    assert (piped.code, piped.err) == (0, "")
    assert piped.out.startswith("<!doctype html>")
    head = subprocess.run(
        f"'{PROGRAM}' jobs report {job_id} --html - | head -c 15",
        shell=True, cwd=place.work, env=place.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (head.stdout, head.stderr) == ("<!doctype html>", "")
    nowhere = place.run("jobs", "report", job_id, "--html", "no/such/folder.html")
    assert (nowhere.code, nowhere.error) == (1, "cannot write no/such/folder.html: No such file or directory")
    folder = place.run("jobs", "report", job_id, "--html", ".")
    assert (folder.code, folder.error) == (2, ". is a folder; name a file in it")
    both = place.run("jobs", "report", job_id, "--html", "x.html", "-o", "json")
    assert (both.code, (place.work / "x.html").exists()) == (2, False)
    unknown = place.run("jobs", "report", "999999")
    assert (unknown.code, unknown.error.startswith("there is no job 999999")) == (2, True)


def test_no_secret_that_a_connector_told_is_on_the_page(place: Place) -> None:
    token, register = new_token(), place.work / "register"
    make_register(register, token)
    done = place.sync(
        {
            "connection": "report-telling",
            "source": {"command": ROTATING, "config": {"register": str(register), "token": token}},
            "destination": place.jsonl(),
            "streams": [{"name": "people", "sync_mode": "full_refresh", "destination_sync_mode": "append"}],
            "retries": WITHOUT_DELAY,
        }
    )
    job_id = str(done.report["job_id"])
    page = place.run("jobs", "report", job_id, "--html", "-").out
    figures = place.run("jobs", "report", job_id, "-o", "json").out
    assert f"the first read fails, with {MASK}" in Words(page).text
    assert leaks({"page": page.encode(), "figures": figures.encode()}) == []


def test_a_job_that_runs_says_as_of_when_and_a_cancelled_one_keeps_its_speed(place: Place) -> None:
    slow = place.described("report-cancelled", records=100_000, state_every=100, delay_ms=100)
    left = place.run("sync", "-f", str(place.write(slow)), "--detach", "-o", "json")
    job_id = str(left.report["job_id"])
    with place.started("jobs", "logs", job_id, "-f") as follower:
        follower.until_said(" records committed")
        runs = Words(place.run("jobs", "report", job_id, "--html", "-").out).text
        assert place.run("jobs", "cancel", job_id, "--reason", "seen enough").code == 0
        follower.ended()
    assert "Not over: running as of " in runs
    assert "waiting for the source" in runs
    assert f"airbyte-workers jobs cancel {job_id}" in runs
    told = place.run("jobs", "report", job_id, "-o", "json").report
    assert (told["verdict"], told["bottleneck"]) == ("Cancelled", "source")
    (course,) = told["courses"]
    assert sum(span["records_committed"] for span in course["spans"]) == told["streams_total"]["committed"] > 0
    assert any("seen enough" in reason for reason in told["reasons"])


def test_a_discover_and_a_clear_have_a_page_too(place: Place) -> None:
    (place.work / "config.json").write_text("{}")
    assert place.run("discover", "--command", "source-synthetic", "--config", "config.json").code == 0
    asked = place.jobs("--kind", "discover", "--limit", "1")[0]["job_id"]
    told = Words(place.run("jobs", "report", str(asked), "--html", "-").out).text
    assert f"Job {asked}: discover of source-synthetic" in told
    assert "Answered" in told
    assert "Speed over time" not in told
    assert place.sync(place.described("report-cleared")).code == 0
    cleared = place.run("clear", "report-cleared", "-o", "json")
    assert cleared.code == 0, cleared.err
    page = place.run("jobs", "report", str(cleared.report["job_id"]), "-o", "json").report
    assert (page["colour"], page["courses"], [each["name"] for each in page["streams"]]) == ("good", [], ["stream_0"])
    assert page["state"].startswith("The state of what was cleared is gone")
