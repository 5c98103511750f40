"""Every way to break the contract ends in the right status, with the right reason, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from e2e_support import Ended, Place, catalog, misbehaving

from demo_connectors.misbehaving import DESTINATIONS, SOURCES

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
AT_ONCE = 3
STREAMS = ("a", "b")
HANG = frozenset({"never-opens", "ignores-sigterm"})
"""They never end by themselves, and nothing limits a source's silence yet: a person cancels them."""


class End(NamedTuple):
    """How a sync with the misbehaving connector ends; records of both streams, None where it is a matter of luck."""

    failures: tuple[tuple[str, str], ...] = ()
    committed: int | None = 20
    warning: str = ""
    says: str = ""


TABLE = {
    "exits-without-output": End(committed=0),
    "closes-stdout-and-hangs": End(warning="source_did_not_exit"),
    "error-then-state-then-exit-0": End((("source", "system_error"),), 0, says="stream a broke"),
    "incomplete-status": End((("source", "stream_incomplete"),), 20, says="could not complete a"),
    "no-status-no-state": End(),
    "state-for-some-streams": End(),
    "unknown-stream": End((("source", "unknown_stream"),), 0, says="no_such_stream"),
    "garbage-lines": End((("source", "malformed_message"),), 0, says="2 line(s)"),
    "huge-line": End(committed=2),
    "no-final-newline": End(),
    "stderr-flood": End(),
    "duplicate-states": End(),
    "mixed-state-types": End((("source", "mixed_state_types"),), None),
    "status-for-unknown-stream": End((("source", "unknown_stream"),), 0, says="no_such_stream"),
    "exits-early": End((("destination", "system_error"),), 0, says="exited with code 3"),
    "never-reads": End((("destination", "destination_did_not_exit"),), 0),
    "never-exits": End((("destination", "destination_did_not_exit"),)),
    "no-echo": End((("destination", "no_acknowledgement"),), 0),
    "echo-unknown": End((("destination", "no_acknowledgement"),), 0, warning="unmatched_ack"),
}


def test_the_table_knows_every_mode() -> None:
    assert set(TABLE) | HANG == set(SOURCES) | set(DESTINATIONS)


@pytest.fixture(scope="module")
def ends(stack: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """All of them, a few at a time: most of their time is waiting."""

    def sync(mode: str) -> Ended:
        place = Place(tmp_path_factory.mktemp(mode), stack.home, stack.variables)
        return place.sync(content(place, mode), "--retries", "0")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {mode: pool.submit(sync, mode) for mode in TABLE}


def content(place: Place, mode: str) -> dict[str, Any]:
    source: dict[str, Any] = place.source(streams=list(STREAMS), records=10)
    destination: dict[str, Any] = place.jsonl()
    if mode in SOURCES:
        source = misbehaving(mode, streams=list(STREAMS), records=10)
    else:
        destination = misbehaving(mode)
    return {"connection": mode, "source": source, "destination": destination, "catalog": catalog(*STREAMS)}


@pytest.mark.parametrize("mode", TABLE)
def test_a_misbehaving_connector(ends: dict[str, Future[Ended]], mode: str) -> None:
    ended, expected = ends[mode].result(), TABLE[mode]
    report = ended.report
    failures = [(each["origin"], each["type"]) for each in report["failures"]]
    assert tuple(failures[: len(expected.failures)]) == expected.failures, report
    assert bool(failures) == bool(expected.failures), report
    assert (ended.code, report["status"]) == ((1, "failed") if failures else (0, "succeeded"))
    assert expected.committed in (None, report["records_committed"])
    assert expected.says in " ".join(each["message"] for each in report["failures"])
    assert any(expected.warning in warning for warning in report["warnings"]) or not expected.warning
    assert not failures or not any("unproven" in warning for warning in report["warnings"])
    assert len(report["attempts"]) == 1


def test_they_left_nothing_behind(ends: dict[str, Future[Ended]], stack: Place) -> None:
    for each in ends.values():
        each.result()
    assert stack.pods_left() == []


@pytest.mark.parametrize("mode", sorted(HANG))
def test_a_source_that_never_ends_is_cancelled(place: Place, mode: str) -> None:
    file = str(place.write(content(place, mode)))
    with place.started("sync", "-f", file, "-o", "json", "--retries", "0") as sync:
        sync.until_said("attempt 1 is running")
        sync.interrupt()
        ended = sync.ended()
    assert (ended.code, ended.report["status"]) == (3, "cancelled")
