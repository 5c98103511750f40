"""The two worked examples of the retry rules through the whole stack, and a source that waits for its quota.

The waits are a second here in place of 10, 30, 90 and 270; the workflow's own tests have the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from e2e_scripted import PART, RECORDS, Scripted, position_of
from e2e_support import Ended, Place

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(400)]
LIMIT = "SYNC_JOB_RETRIES_COMPLETE_FAILURES_MAX_SUCCESSIVE"


class Example(NamedTuple):
    """A script and what the rules make of it: each attempt's wait, and the counters in the order of their columns."""

    reads: str
    status: str
    waits: tuple[int, ...]
    tally: tuple[int, int, int, int]
    reason: str


EXAMPLES = (
    Example("CCPPPCS", "succeeded", (0, 1, 1, 0, 0, 0, 1), (1, 0, 3, 3), "attempt 7 succeeded"),
    Example(
        "PPPPPPCCCCC",
        "failed",
        (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1),
        (5, 0, 5, 6),
        f"stopped after 11 attempts: 5 in a row synced no data (limit {LIMIT} = 5);"
        " last reason: source: as scripted: read 11 is a C",
    ),
)


@dataclass(frozen=True)
class Run:
    """An example that was run."""

    example: Example
    sync: Scripted
    ended: Ended

    @property
    def report(self) -> dict[str, Any]:
        return self.ended.report

    @property
    def job_id(self) -> int:
        return int(self.report["job_id"])

    @property
    def attempts(self) -> list[dict[str, Any]]:
        return self.sync.attempts(self.job_id)

    @property
    def committed(self) -> list[int]:
        """What the script lets each attempt commit."""
        done: list[int] = []
        for letter in self.example.reads:
            done.append({"C": 0, "P": PART, "S": RECORDS - sum(done)}[letter])
        return done

    def follows(self, number: int) -> str:
        """What is said after an attempt of what follows; `number` counts from 0."""
        if number + 1 == len(self.example.reads):
            return self.example.reason
        if not self.example.waits[number + 1]:
            return f"attempt {number + 2} follows at once: the last attempt committed data"
        so_far = self.example.reads[: number + 1]
        streak = len(so_far) - len(so_far.rstrip("C"))
        return f"attempt {number + 2} starts in 1 s: {streak} complete failure{'s' if streak > 1 else ''} in a row"


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda example: example.reads)
def run(request: pytest.FixtureRequest, stack: Place, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The example, run once for all that is asked of it."""
    example: Example = request.param
    place = Place(tmp_path_factory.mktemp(example.reads), stack.home, stack.variables)
    sync = Scripted(place, f"example-{example.reads}")
    return Run(example, sync, sync.sync(example.reads))


def test_it_ends_as_the_rules_say_and_tells_why(run: Run) -> None:
    assert (run.report["status"], run.report["reason"]) == (run.example.status, run.example.reason)
    assert run.ended.code == (0 if run.example.status == "succeeded" else 1)


def test_every_attempt_has_its_row(run: Run) -> None:
    count = len(run.example.reads)
    assert [row["number"] for row in run.attempts] == list(range(count))
    statuses = ["succeeded" if letter == "S" else "failed" for letter in run.example.reads]
    assert [row["status"] for row in run.attempts] == statuses
    assert [row["waited_s"] for row in run.attempts] == list(run.example.waits)
    assert [row["records_committed"] for row in run.attempts] == run.committed
    said = [row["failures"][0]["message"] if row["failures"] else "" for row in run.attempts]
    expected = [f"as scripted: read {n} is a {letter}" for n, letter in enumerate(run.example.reads, 1)]
    assert said == [
        sentence if letter != "S" else "" for sentence, letter in zip(expected, run.example.reads, strict=True)
    ]
    assert [attempt["number"] for attempt in run.report["attempts"]] == list(range(1, count + 1))


def test_the_counters_are_kept(run: Run) -> None:
    row = run.sync.row("select * from retry_states where job_id = $1", run.job_id)
    counters = ("successive_complete", "successive_partial", "total_complete", "total_partial")
    assert tuple(row[name] for name in counters) == run.example.tally


def test_every_attempt_goes_on_from_what_was_committed_before_it(run: Run) -> None:
    given = [position_of(note["state"]) for note in run.sync.notes("read")]
    assert given == [sum(run.committed[:number]) for number in range(len(run.committed))]
    query = "select attempt, state from state_log where job_id = $1 order by id"
    committed_by = [row["attempt"] for row in run.sync.rows(query, run.job_id)]
    assert sorted(set(committed_by)) == [n for n, letter in enumerate(run.example.reads) if letter != "C"]
    assert run.sync.position() == sum(run.committed)


def test_the_destination_has_every_record_once(run: Run) -> None:
    assert run.sync.ids() == list(range(sum(run.committed)))


def test_the_foreground_tells_what_follows_each_attempt(run: Run) -> None:
    for number in range(len(run.example.reads) - 1):
        start, _, _ = run.follows(number).partition(":")
        assert start in run.ended.err, run.ended.err


def test_the_job_s_past_tells_what_follows_each_attempt(run: Run) -> None:
    shown = " ".join(run.sync.place.run("jobs", "show", str(run.job_id), "--all").out.split())
    for number in range(len(run.example.reads)):
        assert run.follows(number) in shown, shown


def test_each_attempt_s_log_ends_with_what_follows_it(run: Run) -> None:
    for number in range(len(run.example.reads)):
        last = run.sync.place.log(run.job_id, "--attempt", str(number + 1)).splitlines()[-1]
        assert ("attempt succeeded" if run.example.reads[number] == "S" else run.follows(number)) in last


def test_a_connection_s_own_limit_is_named_as_its_own(place: Place) -> None:
    sync = Scripted(place, "own-limit")
    report = sync.sync("C", retries={"complete_failures_max_total": 1}).report
    assert len(report["attempts"]) == 1
    assert "(limit retries.complete_failures_max_total of the connection = 1)" in report["reason"]


def test_the_next_attempt_waits_for_the_source_s_quota(place: Place) -> None:
    """Not before the moment that the source named, though the backoff is a second."""
    sync = Scripted(place, "quota")
    ended = sync.sync("CS", source={"quota_reset_in_ms": 8000})
    assert ended.code == 0, ended.err
    first, second = sync.notes("read")
    assert second["at_ms"] >= first["quota_reset_ms"]
    assert "the source is rate limited until then" in ended.err
    assert [attempt["status"] for attempt in ended.report["attempts"]] == ["failed", "succeeded"]
