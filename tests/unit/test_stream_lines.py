"""Which lines of a job's log are about which stream: only where whoever wrote them knew it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from airbyte_lines import Attempt, error, log, rate_limited, record, status, stream_state

from airbyte_workers.job_logs import LogRequest
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.store.log_lines import Level, read_line

AT = int(datetime(2030, 3, 17, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (error("no luck", "users"), "no luck"),
        (status("users", "STARTED"), "users: started"),
        (status("users", "COMPLETE"), "users: complete"),
        (status("users", "INCOMPLETE"), "users: incomplete"),
        (rate_limited("users", AT), "users is rate limited until 2030-03-17T00:00:00Z"),
        (b'{"type":"RECORD","record":{"stream":"users","data":{"ssn":"123"\n', None),
        (b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},\n', None),
    ],
)
def test_what_the_source_says_of_a_stream_is_about_it(line: bytes, text: str | None) -> None:
    attempt = Attempt("users", "orders")
    attempt.source(line)
    told = text or f"dropped a malformed line of {len(line)} bytes that looks like a record or a state"
    assert attempt.log.about("users", None) == [told]
    assert attempt.log.about("orders", None) == []


@pytest.mark.parametrize(
    "line",
    [
        log("users is fine"),
        b"users\n",
        error("users has no luck"),
        b'{"type":"RECORD","record":{"stream":"unknown","data":{"a":\n',
        b'{"type":"RECORD","record":{"data":{"a":\n',
        record()[:-3] + b"\n",
    ],
    ids=["log", "text", "error without a stream", "unknown stream", "no stream", "another namespace"],
)
def test_a_line_that_only_speaks_of_a_stream_is_about_none(line: bytes) -> None:
    attempt = Attempt(("users", "public"), ("orders", None))
    attempt.source(line)
    assert attempt.log.lines
    assert set(attempt.log.streams) == {None}


@pytest.mark.parametrize(
    ("namespace", "about"),
    [("a", ("users", "a")), ("b", ("users", "b")), (None, None)],
)
def test_a_broken_line_is_about_the_stream_of_its_namespace(namespace: str | None, about: StreamKey | None) -> None:
    attempt = Attempt(("users", "a"), ("users", "b"))
    attempt.source(record("users", namespace=namespace)[:-3] + b"\n")
    assert attempt.log.streams == [about]


def test_a_status_that_is_no_news_is_not_told_again() -> None:
    attempt = Attempt("users")
    for word in ("STARTED", "RUNNING", "RUNNING", "COMPLETE", "COMPLETE"):
        attempt.source(status("users", word))
    assert attempt.log.about("users", None) == ["users: started", "users: complete"]


def test_an_acknowledgement_that_matches_nothing_is_about_its_stream() -> None:
    attempt = Attempt("users")
    attempt.destination(stream_state("users", {"c": 2}))
    assert attempt.log.about("users", None) == ["unmatched_ack: an acknowledgement matched no state that waits"]


# --- which lines are wanted ---


def stored(level: str = "INFO", **more: str) -> bytes:
    return json.dumps({"at": "", "leg": "source", "level": level, "text": "users", **more}).encode()


@pytest.mark.parametrize(
    ("stream", "line", "wanted"),
    [
        ("users", {"stream": "users"}, True),
        ("users", {"stream": "users", "namespace": "public"}, True),
        ("public.users", {"stream": "users", "namespace": "public"}, True),
        ("public.users", {"stream": "users"}, False),
        ("public.users", {"stream": "public.users"}, True),
        ("users", {"stream": "orders"}, False),
        ("users", {}, False),
        (None, {}, True),
    ],
)
def test_a_stream_is_asked_for_with_its_namespace_or_without(
    stream: str | None, line: dict[str, str], wanted: bool
) -> None:
    assert LogRequest(job_id=1, stream=stream).wants(stored(**line)) is wanted


@pytest.mark.parametrize("asked", list(Level))
def test_a_level_has_those_that_are_worse(asked: Level) -> None:
    request = LogRequest(job_id=1, level=asked)
    found = [level for level in Level if request.wants(stored(level))]
    assert found == list(Level)[: list(Level).index(asked) + 1]
    assert request.wants(stored("WARNING")) is (asked in found and Level.WARN in found)


def test_both_must_fit() -> None:
    request = LogRequest(job_id=1, level=Level.WARN, stream="users")
    told = [stored("WARN", stream="users"), stored("INFO", stream="users"), stored("WARN")]
    assert [request.wants(line) for line in told] == [True, False, False]


@pytest.mark.parametrize("damaged", [b'{"at":"2026', b"text", b"\xff", b'{"text":5}', b"[]"])
def test_a_damaged_line_is_told_as_it_is(damaged: bytes) -> None:
    assert read_line(damaged).text == damaged.decode(errors="replace")
