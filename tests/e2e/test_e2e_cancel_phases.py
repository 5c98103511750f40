"""A cancel in each phase of a sync, by every way to ask for it: who and why is told, nothing is left or lost.

CANCEL_TABLE=FILE has the module write down how long each took, as a Markdown table for people.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from e2e_cancel_phases import CASES, COMMITTED, GRACE_S, PHASES, SIGNALLED, WAYS, WHO, WHY, committed
from e2e_scripted import RECORDS, Scripted
from e2e_stacks import running_stack
from e2e_support import Ended, Place

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
TABLE_FILE = os.environ.get("CANCEL_TABLE")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """A stack that runs one sync at a time, and gives destinations time to finish."""
    variables = {"MAX_SYNC_WORKERS": "1", "AIRBYTE_WORKERS_SHUTDOWN_GRACE_PERIOD_S": str(GRACE_S)}
    yield from running_stack(tmp_path_factory.mktemp("narrow"), installed, variables)


@dataclass(frozen=True)
class Cancelled:
    """One cancelled sync, and what was seen of it."""

    phase: str
    way: str
    sync: Scripted
    job_id: int
    ended: Ended
    asked_at: float
    committed_before: int
    left: list[str]

    @property
    def job(self) -> dict[str, Any]:
        return self.sync.row("select * from jobs where id = $1", self.job_id)


Cancels = dict[tuple[str, str], Cancelled]


@pytest.fixture(scope="module")
def cancels(narrow: Place) -> Iterator[Cancels]:
    """What was seen, for the table, which is written while the stack still answers."""
    done: Cancels = {}
    yield done
    if TABLE_FILE:
        Path(TABLE_FILE).write_text(as_markdown(done))


def cancel(sync: Scripted, phase: str, way: str) -> Cancelled:
    """Bring the sync to the phase, cancel it, and follow it to its end."""
    with PHASES[phase](sync) as began:
        before = committed(sync, began)
        asked_at = time.time()
        WAYS[way](sync, began.job_id)
        ended = began.running.ended()
        left = sync.place.pods_left(began.job_id)
    return Cancelled(phase, way, sync, began.job_id, ended, asked_at, before, left)


LIVE = "select id from jobs where status not in ('failed', 'succeeded', 'cancelled')"


@pytest.fixture
def place(narrow: Place, tmp_path: Path) -> Iterator[Place]:
    """A working directory on the stack; a test that failed leaves the only place of a sync free."""
    here = Place(tmp_path, narrow.home, narrow.variables)
    yield here
    for row in Scripted(here, "").rows(LIVE):
        here.run("jobs", "cancel", str(row["id"]), "--now")


@pytest.mark.parametrize(("phase", "way"), CASES)
def test_a_cancel(place: Place, cancels: Cancels, phase: str, way: str) -> None:
    seen = cancel(Scripted(place, f"{phase}-{way}".replace(" ", "-")), phase, way)
    cancels[phase, way] = seen
    assert_told(seen)
    assert seen.left == []
    assert_kept(seen)
    assert_stopped(seen)
    if way == "client":  # what is left is the same whoever asked
        assert_goes_on(seen)


def assert_told(seen: Cancelled) -> None:
    """Who and why stands in the row, in the past and in the report."""
    report, who = seen.ended.report, WHO[seen.way]
    assert (seen.ended.code, report["status"], seen.job["status"]) == (3, "cancelled", "cancelled"), seen.ended.err
    assert (report["ended_by"], report["reason"]) == (who, WHY)
    (end,) = seen.sync.events(seen.job_id, "cancelled")
    assert (end["by"], end["reason"]) == (who, WHY)
    (failure,) = seen.job["failures"]
    assert failure["type"] == "manual_cancellation"
    assert failure["message"] == f"cancelled by {who}: {WHY}"
    shown = " ".join(seen.sync.place.run("jobs", "show", str(seen.job_id)).out.split())
    assert f"cancelled by {who} ({WHY})" in shown


def assert_kept(seen: Cancelled) -> None:
    """What was acknowledged is committed, and the destination has it."""
    kept = seen.ended.report["records_committed"]
    assert seen.sync.position() == kept >= seen.committed_before
    assert seen.sync.ids()[:kept] == list(range(kept))
    assert kept in COMMITTED.get(seen.phase, range(1))


def assert_stopped(seen: Cancelled) -> None:
    """A connector that ran was told to end; where none ran, none was started, and no attempt follows."""
    signalled = [note["by"] for note in seen.sync.notes("SIGTERM")]
    assert signalled == ([SIGNALLED[seen.phase]] if seen.phase in SIGNALLED else [])
    began = [note for note in seen.sync.notes("read", "write") if note["at_ms"] > seen.asked_at * 1000]
    assert began == []
    assert all(attempt["status"] == "failed" for attempt in seen.sync.attempts(seen.job_id))
    assert len(seen.ended.report["attempts"]) == 1


def assert_goes_on(seen: Cancelled) -> None:
    """The connection is free, and its next sync goes on from what is committed."""
    assert seen.sync.sync("S").code == 0
    assert seen.sync.ids() == list(range(RECORDS))


# --- the table for people ---


def as_markdown(cancels: Mapping[tuple[str, str], Cancelled]) -> str:
    heads = ("phase", "way", "pod told, s", "connector's SIGTERM, s", "final row, s", "committed", "left behind")
    rows = [heads, ("---",) * len(heads), *(_told(seen) for seen in cancels.values())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _told(seen: Cancelled) -> tuple[str, ...]:
    signals = [note["at_ms"] / 1000 for note in seen.sync.notes("SIGTERM")]
    return (
        seen.phase,
        seen.way,
        _after(seen, _pod_told_at(seen)),
        _after(seen, signals[0] if signals else None),
        _after(seen, seen.job["ended_at"].timestamp()),
        str(seen.ended.report["records_committed"]),
        ", ".join(seen.left) or "nothing",
    )


def _after(seen: Cancelled, at: float | None) -> str:
    return "-" if at is None else f"{at - seen.asked_at:.2f}"


def _pod_told_at(seen: Cancelled) -> float | None:
    """When the orchestrator says that it was told to end."""
    found = re.search(r"^(\S+) .*cancel was asked for", seen.sync.place.log(seen.job_id), re.MULTILINE)
    return datetime.fromisoformat(found[1]).timestamp() if found else None
