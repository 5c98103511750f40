"""The page as HTML: whole, closed in itself, and nothing that a connector said is more than text in it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from reported_jobs import BROKE, at, attempt, check, job, reported, stream, throughput

from airbyte_workers.cli.job_report_data import STREAMS
from airbyte_workers.cli.job_report_model import JobReport
from airbyte_workers.cli.job_report_page import html
from airbyte_workers.models import AttemptStatus, JobStatus, Progress, StreamRequest
from airbyte_workers.names import JobKind
from airbyte_workers.store.throughputs import Seen

VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})
LOADING = frozenset({"src", "href", "srcset", "action", "poster", "background", "xlink:href", "data"})
LARGEST = 1_500_000  # bytes
NASTY = """</li><script>alert(1)</script><img src=x onerror="alert(2)">{{ 7 * 7 }} ' " & \x1b[31m \u202egnp \ud800"""


class Page(HTMLParser):
    """What stands in a page: its tags with their attributes, its text; raises where they are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self._open:
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(self.words)


RUNNING = job(
    JobStatus.RUNNING, ended_at=None, attempts=(attempt(1, status=AttemptStatus.RUNNING, ended_at=None, evidence=None),)
)
TWICE = job(
    attempts=(attempt(1, BROKE), attempt(2)),
    streams=(stream("users", 500), stream("tags", 20, records_committed=10, records_rejected=10)),
    warnings=("odd",),
    moving_s=100,
    blocked_on_destination_s=80,
)
KINDS: dict[str, JobReport] = {
    "a sync with a retry": reported(TWICE, throughput(blocked_on_destination_s=0.8)),
    "a failed sync": reported(job(JobStatus.FAILED, attempts=(attempt(1, BROKE),), failures=(BROKE,))),
    "a cancelled sync": reported(job(JobStatus.CANCELLED, ended_by="ann", attempts=(attempt(1),)), throughput()),
    "a sync that runs": reported(RUNNING, seen=Seen(at=at(5), progress=Progress(phase="running", moving_s=1))),
    "a sync without attempts": reported(job(JobStatus.FAILED, failures=(BROKE,))),
    "a sync of nothing": reported(job(attempts=(attempt(1),)), throughput(records=0)),
    "a clear": reported(job(kind=JobKind.CLEAR, attempts=(attempt(1),), streams=(stream("s", 0),))),
    "a refresh": reported(job(kind=JobKind.REFRESH, request=StreamRequest(order="truncate"), attempts=(attempt(1),))),
    "a check": reported(check(JobStatus.FAILED, failures=(BROKE,))),
    "a spec": reported(check(JobStatus.SUCCEEDED, kind=JobKind.SPEC)),
    "a discover": reported(check(JobStatus.SUCCEEDED, kind=JobKind.DISCOVER, catalog_id=3)),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_job_has_a_whole_page_that_loads_and_runs_nothing(name: str) -> None:
    page = Page(html(KINDS[name]))
    assert {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "form"} == set()
    attributes = {attribute for _, given in page.tags for attribute in given}
    assert attributes & LOADING == set()
    assert not any(attribute.startswith("on") for attribute in attributes)
    assert f"Job 7: {KINDS[name].kind} of {KINDS[name].subject}" in page.text
    assert KINDS[name].verdict in page.text


@pytest.mark.parametrize("name", KINDS)
def test_no_style_of_a_page_asks_for_anything_from_elsewhere(name: str) -> None:
    told = html(KINDS[name])
    assert "url(" not in told
    assert "@import" not in told
    assert "http://" not in told
    assert "https://" not in told


def test_pictures_have_names_and_their_figures_stand_in_tables() -> None:
    page = Page(html(KINDS["a sync with a retry"]))
    pictures = [given for tag, given in page.tags if tag == "svg"]
    named = [given for given in pictures if given.get("role") == "img" and given["aria-label"]]
    hidden = [given for given in pictures if given.get("aria-hidden") == "true"]  # tooltips: the tables have the same
    assert (len(named), len(hidden)) == (2 + 2 * 3 + 2, 2)  # attempts, three panels of each, streams
    assert len([tag for tag, _ in page.tags if tag == "table"]) == 1 + 2 + 1 + 1
    assert "The destination was the bottleneck: it was waited for 80% of the 1 m 40 s in which data moved." in page.text
    assert "attempt 1: source, system_error: the source exited with code 1" in page.text


def test_a_page_of_a_job_that_runs_says_as_of_when() -> None:
    assert "Not over: running as of 20" in Page(html(KINDS["a sync that runs"])).text
    assert "as of" not in Page(html(KINDS["a failed sync"])).text


def test_nothing_that_connectors_say_is_more_than_text() -> None:
    said = BROKE.model_copy(update={"message": NASTY})
    told = job(
        JobStatus.FAILED,
        subject=NASTY,
        attempts=(attempt(1, said),),
        failures=(said,),
        warnings=(NASTY,),
        streams=(stream(NASTY, 5),),
        connectors={"source": NASTY},
    )
    source = html(reported(told, throughput()))
    page = Page(source)
    assert {"script", "img"} & {tag for tag, _ in page.tags} == set()
    assert not any(name.startswith("on") for _, given in page.tags for name in given)
    assert "</li><script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not {"\x1b", "\u202e", "\ud800"} & set(source)
    assert source.encode()


def test_the_largest_page_is_small_enough_to_be_sent() -> None:
    """500 attempts, 10,000 streams, as many marks as may be, long names and messages."""
    said = BROKE.model_copy(update={"message": "x" * 5000})
    told = job(
        JobStatus.FAILED,
        attempts=tuple(attempt(number, *[said] * 10) for number in range(1, 501)),
        failures=(said,) * 10,
        streams=tuple(stream(f"{'s' * 200}{number}", number) for number in range(10_000)),
        warnings=("w" * 1000,) * 1000,
    )
    source = html(reported(told, throughput(240, blocked_on_source_s=0.2, blocked_on_destination_s=0.5)))
    assert len(source.encode()) < LARGEST
    text = Page(source).text
    assert f"The {STREAMS} largest are shown." in text
    assert "440 attempts are left out" in text
    assert "The charts of 488 other attempts are left out" in text
    assert "and 9,960 more" in text
