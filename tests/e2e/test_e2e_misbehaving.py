"""Every way to break the contract ends in the right status, with the right reason, and leaves nothing behind.

MISBEHAVIOUR_TABLE=FILE has the module write down how each ended, as a Markdown table for people.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e_stacks import running_stack
from e2e_support import Ended, Place, catalog, make_images, misbehaving, misbehaving_image

from demo_connectors.misbehaving_destinations import DESTINATIONS
from demo_connectors.misbehaving_sources import SOURCES

LAUNCHERS = ("process", pytest.param("docker", marks=pytest.mark.docker))
pytestmark = [
    pytest.mark.embedded,
    pytest.mark.timeout(600),
]
AT_ONCE = 4
STREAMS = ("a", "b")
RECORDS = 10
STATE_EVERY = 5
LINES = 8
"""A destination reads so many before it misbehaves: five records and their state, and two records more."""
LIMIT_S = 30.0
TABLE_FILE = os.environ.get("MISBEHAVIOUR_TABLE")


class End(NamedTuple):
    """How a sync with the misbehaving connector ends; records of both streams, None where it is a matter of luck."""

    failures: tuple[tuple[str, str], ...] = ()
    committed: int | None = 20
    warning: str = ""
    says: str = ""

    @property
    def is_timeout(self) -> bool:
        return self.failures == TIMED_OUT


TIMED_OUT = (("airbyte_platform", "timed_out"),)
"""What a clock would end later than this stack's limit of the whole attempt (`test_e2e_clocks.py` has the clocks)."""

TABLE = {
    "exits-without-output": End(committed=0),
    "never-opens": End(TIMED_OUT, 0, says="ran longer than"),
    "hangs": End(TIMED_OUT, 5, says="ran longer than"),
    "talks-on": End(TIMED_OUT, 5, says="ran longer than"),
    "read-never-exits": End(TIMED_OUT, says="ran longer than"),
    "closes-stdout-and-hangs": End(warning="source_did_not_exit"),
    "crash-after-n": End((("source", "system_error"),), 5, says="the source exited with code 1"),
    "error-then-state-then-exit-0": End((("source", "system_error"),), 0, says="stream a broke"),
    "incomplete-status": End((("source", "stream_incomplete"),), 20, says="could not complete a"),
    "no-status-no-state": End(),
    "state-for-some-streams": End(),
    "unknown-stream": End((("source", "unknown_stream"),), 0, says="no_such_stream"),
    "garbage-lines": End((("source", "malformed_message"),), 0, says="2 line(s)"),
    "bad-json": End((("source", "malformed_message"),), 5, says="10 line(s)"),
    "non-json-lines": End(),
    "huge-line": End(committed=2),
    "no-final-newline": End(),
    "ignores-sigterm": End(TIMED_OUT, says="ran longer than"),
    "stderr-flood": End(),
    "duplicate-states": End(),
    "mixed-state-types": End((("source", "mixed_state_types"),), 10),
    "status-for-unknown-stream": End((("source", "unknown_stream"),), 0, says="no_such_stream"),
    "exits-early": End((("destination", "system_error"),), 0, says="exited with code 3"),
    "exits-0-without-echo": End((("destination", "system_error"),), 0, says="ended before it was given everything"),
    "write-crash-after-n": End((("destination", "system_error"),), 5, says="the destination exited with code 1"),
    "stops-reading": End(TIMED_OUT, 5, says="ran longer than"),
    "closes-stdin-early": End((("destination", "destination_did_not_exit"),), 5, says="closed its input"),
    "never-reads": End((("destination", "destination_did_not_exit"),), 0),
    "never-exits": End((("destination", "destination_did_not_exit"),)),
    "write-ignores-sigterm": End((("destination", "destination_did_not_exit"),), says="did not exit after its end"),
    "no-echo": End((("destination", "no_acknowledgement"),), 0, says="acknowledged nothing"),
    "stops-echoing": End((("destination", "state_unacknowledged"),), 5, says="did not acknowledge the last state"),
    "finalises-for-ever": End(TIMED_OUT, says="ran longer than"),
    "echo-unknown": End((("destination", "no_acknowledgement"),), 0, warning="unmatched_ack"),
    "echoes-without-id": End(),
    "echoes-twice": End(warning="unmatched_ack: 4"),
    "echoes-out-of-order": End(),
    "echoes-coalesced": End(),
    "echoes-bare": End(warning="4 acknowledgements as bare states"),
    "fails-without-complete": End(),
}
WORDS_ALONE = frozenset(
    {
        *("error-then-state-then-exit-0", "incomplete-status", "no-status-no-state", "state-for-some-streams"),
        *("unknown-stream", "garbage-lines", "bad-json", "non-json-lines", "duplicate-states", "mixed-state-types"),
        *("status-for-unknown-stream", "no-echo", "stops-echoing", "echo-unknown", "echoes-without-id", "echoes-twice"),
        *("echoes-out-of-order", "echoes-coalesced", "echoes-bare", "fails-without-complete"),
    }
)
"""They misbehave by what they say: whatever runs them, the same orchestrator reads it. So containers are not asked."""
NEVER_END = sorted(mode for mode, end in TABLE.items() if end.is_timeout)
MUCH = frozenset({"exits-0-without-echo", "stops-reading", "closes-stdin-early"})
"""They show what they are only while the source has more for them than pipes hold."""


def _cases(only: Collection[str] = TABLE) -> Iterator[Any]:
    """Parameters: launcher and mode."""
    for mode in TABLE:
        if mode in only:
            yield pytest.param("process", mode, id=f"{mode}-process")
        if mode in only and mode not in WORDS_ALONE:
            yield pytest.param("docker", mode, marks=pytest.mark.docker, id=f"{mode}-docker")


def program(mode: str, launcher: str) -> dict[str, Any]:
    """The misbehaving connector."""
    if mode in DESTINATIONS:
        return misbehaving(mode, launcher, lines=LINES)
    return misbehaving(mode, launcher, streams=list(STREAMS), records=RECORDS)


def content(place: Place, mode: str, launcher: str) -> dict[str, Any]:
    """The sync file: the misbehaving connector with a well-behaved one at the other end."""
    place.work.chmod(0o1777)  # the connectors of images run as a user of their own
    records = 4_000 if mode in MUCH else RECORDS
    good = place.source(launcher, streams=list(STREAMS), records=records, state_every=STATE_EVERY, interleave=True)
    bad = program(mode, launcher)
    return {
        "connection": f"{mode}-{launcher}",
        "local_root": str(place.work),
        "source": bad if mode in SOURCES else good,
        "destination": bad if mode in DESTINATIONS else place.jsonl(launcher),
        "catalog": catalog(*STREAMS),
    }


class Seen(NamedTuple):
    """What became of one sync."""

    ended: Ended
    seconds: float
    left: list[str]
    lines: int


Case = tuple[str, str]
"""Launcher and mode."""


def sync(place: Place, described: Mapping[str, Any], launcher: str) -> Seen:
    begin = time.monotonic()
    ended = place.sync(described, "--retries", "0", "--launcher", launcher, seconds=180)
    seconds = time.monotonic() - begin
    left = place.pods_left(ended.report["job_id"])
    return Seen(ended, seconds, left, sum(len(place.lines(stream)) for stream in STREAMS))


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """A stack of its own that gives no attempt more than LIMIT_S."""
    limit = {"SYNC_JOB_MAX_TIMEOUT_DAYS": f"{LIMIT_S / 86_400:.9f}"}
    yield from running_stack(tmp_path_factory.mktemp("impatient"), installed, limit)


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, stack: Place, impatient: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Case, Future[Seen]]]:
    """All that were asked for, a few at a time: most of their time is waiting."""
    cases = asked_for(request.session)
    if any(launcher == "docker" for launcher, _ in cases):
        make_images(*(misbehaving_image(mode) for _, mode in cases))

    def begin(case: Case) -> Seen:
        launcher, mode = case
        host = impatient if TABLE[mode].is_timeout else stack
        place = Place(tmp_path_factory.mktemp(mode), host.home, host.variables)
        return sync(place, content(place, mode, launcher), launcher)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {case: pool.submit(begin, case) for case in cases}
        yield futures
    if TABLE_FILE:
        Path(TABLE_FILE).write_text(as_markdown(futures))


def asked_for(session: pytest.Session) -> list[Case]:
    """The cases that pytest was told to run, each once."""
    cases = [
        (item.callspec.params.get("launcher", "process"), item.callspec.params["mode"])
        for item in session.items
        if isinstance(item, pytest.Function)
        and {"ends", "mode"} <= set(item.fixturenames)
        and item.get_closest_marker("skip") is None
    ]
    return list(dict.fromkeys(cases))


@pytest.mark.parametrize(("launcher", "mode"), [*_cases()])
def test_a_misbehaving_connector(ends: dict[Case, Future[Seen]], launcher: str, mode: str) -> None:
    seen, expected = ends[launcher, mode].result(), TABLE[mode]
    report = seen.ended.report
    whole = json.dumps(report)  # pytest shortens everything but a text
    failures = [(each["origin"], each["type"]) for each in report["failures"]]
    assert tuple(failures[: len(expected.failures)]) == expected.failures, whole
    assert bool(failures) == bool(expected.failures), whole
    assert (seen.ended.code, report["status"]) == ((1, "failed") if failures else (0, "succeeded"))
    assert expected.committed in (None, report["records_committed"]), whole
    assert expected.says in " ".join(each["message"] for each in report["failures"][:1]), whole
    assert any(expected.warning in warning for warning in report["warnings"]) or not expected.warning, whole
    assert not failures or not any("unproven" in warning for warning in report["warnings"])
    assert [each["failures"] for each in report["attempts"]] == [report["failures"]], whole
    assert "manual_cancellation" not in [each["type"] for each in report["failures"]], whole
    assert seen.left == []


@pytest.mark.parametrize("mode", ["garbage-lines", "bad-json"])
def test_a_stream_that_lost_records_is_not_called_complete(ends: dict[Case, Future[Seen]], mode: str) -> None:
    report = ends["process", mode].result().ended.report
    assert [each["status"] for each in report["streams"]] == ["incomplete", "incomplete"], json.dumps(report)


@pytest.mark.parametrize(("launcher", "mode"), [*_cases(only=SOURCES)])
def test_what_counts_as_committed_is_in_the_files(ends: dict[Case, Future[Seen]], launcher: str, mode: str) -> None:
    seen = ends[launcher, mode].result()
    report = seen.ended.report
    assert seen.lines >= report["records_committed"]
    assert seen.lines == report["records_committed"] or report["status"] != "succeeded"


def test_the_table_knows_every_mode() -> None:
    assert set(TABLE) == set(SOURCES) | set(DESTINATIONS)


def test_they_left_nothing_behind(ends: dict[Case, Future[Seen]], stack: Place, impatient: Place) -> None:
    for each in ends.values():
        each.result()
    assert stack.pods_left() == []
    assert impatient.pods_left() == []


def test_a_destination_that_needs_statuses_fails_where_they_are_left_out(place: Place) -> None:
    described = content(place, "fails-without-complete", "process")
    described |= {
        "connection": "statuses-left-out",
        "destination": described["destination"] | {"stream_status": "omit"},
    }
    report = sync(place, described, "process").ended.report
    assert (report["failures"][0]["origin"], report["failures"][0]["type"]) == ("destination", "system_error")
    assert report["failures"][0]["message"] == "no COMPLETE status came for: a, b"
    assert report["records_committed"] == 20, json.dumps(report)


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("mode", NEVER_END)
def test_what_never_ends_can_be_cancelled(place: Place, launcher: str, mode: str) -> None:
    file = str(place.write(content(place, mode, launcher)))
    with place.started("sync", "-f", file, "-o", "json", "--retries", "0", "--launcher", launcher) as running:
        running.until_said("attempt 1 is running")
        running.interrupt()
        ended = running.ended()
    assert (ended.code, ended.report["status"]) == (3, "cancelled")


# --- the table for people ---


def as_markdown(futures: Mapping[Case, Future[Seen]]) -> str:
    heads = ("launcher", "connector", "mode", "status", "first failure", "committed", "seconds", "left behind")
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [_row((launcher, *_told(mode, future))) for (launcher, mode), future in futures.items()]
    return "".join(lines)


def _told(mode: str, future: Future[Seen]) -> tuple[str, ...]:
    connector = "source" if mode in SOURCES else "destination"
    if (problem := future.exception()) is not None:
        return connector, mode, f"no report: {type(problem).__name__}", "", "", "", ""
    seen = future.result()
    report = seen.ended.report
    first = "".join(f"{each['origin']}: {each['type']}: {each['message']}" for each in report["failures"][:1])
    left = ", ".join(seen.left) or "nothing"
    return connector, mode, report["status"], first, str(report["records_committed"]), f"{seen.seconds:.1f}", left


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |\n"
