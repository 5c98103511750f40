"""Whatever happens in whatever order, the books stay right: random ends of attempts, random crashes and cancels."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg
import pytest
from books import Books, Call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from rows import close_attempt, close_job, open_attempt, request, sync_input

from airbyte_workers.jobs.failures import for_history
from airbyte_workers.jobs.outcome import Verdict, outcome
from airbyte_workers.jobs.status import IllegalTransition
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptSummary,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    OpenJob,
    Policy,
    StreamCounts,
    SyncReport,
)
from airbyte_workers.store import attempts, connections, history, jobs, opening, states
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StaleFence, StateRow, Writer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]
SEAL = Seal(b"k" * 32)
ENDS = ("failed", "succeeded", "cancelled")
MOVES = {  # airbyte-behaviour.md 1.2
    "pending": {"queued", "running", "incomplete", "failed", "cancelled"},
    "queued": {"pending", "running", "failed", "cancelled"},
    "running": {"incomplete", "failed", "succeeded", "cancelled"},
    "incomplete": {"pending", "running", "incomplete", "failed", "succeeded", "cancelled"},
    "failed": {"failed"},
    "succeeded": set(),
    "cancelled": set(),
}
_numbers = itertools.count()


def path_of(events: Sequence[Any]) -> list[str]:
    """The statuses that a job had, one after another."""
    return ["pending", *(event["event"] for event in events if event["attempt"] is None and event["event"] in MOVES)]


def is_legal(path: Sequence[str]) -> bool:
    return all(later in MOVES[earlier] for earlier, later in itertools.pairwise(path))


# --- 1,000 bundles of evidence ---


def lacks(e: Evidence, policy: Policy) -> list[str]:
    """decisions.md, "Evidence": the rows of its table that the evidence does not meet."""
    closed_but_stayed = e.source_forced and e.completion == "reported"
    none_asked_for = policy.accept_unacknowledged and e.acknowledgements == 0
    met = {
        "exit code of the source": closed_but_stayed or (e.source_exit_code == 0 and not e.source_forced),
        "exit code of the destination": e.destination_exit_code == 0 and not e.destination_forced,
        "traces": e.error_traces == 0 and e.streams_incomplete == (),
        "stream COMPLETE": e.completion in ("reported", "inferred") and e.streams_not_complete == (),
        "last states": none_asked_for or (e.keys_unacknowledged == 0 and e.streams_unacknowledged == ()),
        "committed": none_asked_for or e.states_committed >= e.states_emitted,
        "echoes": none_asked_for or e.acknowledgements > 0 or e.records_emitted == 0,
        "states after an error": e.states_held_back == 0,
        "records": e.records_emitted - e.records_filtered == e.records_forwarded,
        "counts of the destination": e.destination_stats_mismatches == 0,
        "counts of the source": e.source_stats_mismatches == 0 or not policy.fail_on_source_stats,
        "dropped lines": e.malformed == 0 or policy.allow_malformed,
        "all was handed over": e.end_of_input and not e.source_stopped and e.destination_closed == "",
    }
    return [row for row, is_met in met.items() if not is_met]


PROVEN: dict[str, Any] = {
    "source_exit_code": 0,
    "destination_exit_code": 0,
    "end_of_input": True,
    "completion": "reported",
    "states_emitted": 3,
    "states_committed": 3,
    "acknowledgements": 3,
    "records_emitted": 8,
    "records_forwarded": 8,
}
TEXT = st.text(max_size=6) | st.sampled_from(["a\0b", "\0", "ünï", "half \ud83d"])
NAMES = st.lists(TEXT, max_size=2).map(tuple)
FEW = st.integers(0, 3)
CODE = st.sampled_from([0, 0, 1, 137, 143, None])
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "source_exit_code": CODE,
    "destination_exit_code": CODE,
    "source_out_of_memory": st.sampled_from([None, 0, 2**29]),
    "destination_out_of_memory": st.sampled_from([None, 0, 2**29]),
    "source_forced": st.booleans(),
    "source_stopped": st.booleans(),
    "destination_forced": st.booleans(),
    "destination_closed": st.sampled_from(["", "input", "output"]),
    "end_of_input": st.booleans(),
    "completion": st.sampled_from(["reported", "inferred", "missing"]),
    "streams_not_complete": NAMES,
    "streams_incomplete": NAMES,
    "error_traces": FEW,
    "states_emitted": FEW,
    "states_committed": FEW,
    "states_held_back": FEW,
    "keys_unacknowledged": FEW,
    "streams_unacknowledged": NAMES,
    "acknowledgements": FEW,
    "bare_acknowledgements": FEW,
    "unmatched_acknowledgements": FEW,
    "records_emitted": st.sampled_from([8, 0, 9]),
    "records_forwarded": st.sampled_from([8, 0, 7]),
    "records_filtered": st.sampled_from([0, 1, 8]),
    "malformed": FEW,
    "source_stats_mismatches": FEW,
    "destination_stats_mismatches": FEW,
}
EVIDENCE = st.one_of(
    st.lists(st.sampled_from(sorted(CHANGES)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: CHANGES[name] for name in names})
    ),
    st.fixed_dictionaries(CHANGES),
).map(lambda changed: Evidence(**(PROVEN | changed)))
FAILURES = st.builds(
    Failure,
    origin=st.sampled_from(FailureOrigin),
    type=st.sampled_from(FailureType),
    message=TEXT,
    internal_message=st.none() | TEXT,
    stream=st.none() | TEXT,
)
AMOUNT = st.integers(0, 2**40)
STREAMS = st.lists(
    st.builds(
        StreamCounts,
        name=st.sampled_from(["users", "lo\0gs", "ünï"]),
        namespace=st.sampled_from([None, "n", "n\0s"]),
        status=st.sampled_from(["complete", "incomplete"]),
        records_emitted=AMOUNT,
        records_committed=AMOUNT,
        records_filtered=AMOUNT,
        records_rejected=AMOUNT,
        bytes_emitted=AMOUNT,
        bytes_committed=AMOUNT,
    ),
    max_size=3,
    unique_by=lambda each: (each.name, each.namespace),
).map(tuple)


@dataclass(frozen=True)
class Bundle:
    """The end of an attempt, as an orchestrator may come to it."""

    evidence: Evidence
    seen: Sequence[Failure]
    policy: Policy
    cancelled: bool
    streams: tuple[StreamCounts, ...]
    remark: str
    launch: Sequence[str]

    @property
    def verdict(self) -> Verdict:
        return outcome(self.evidence, self.seen, self.policy, cancelled=self.cancelled)

    @property
    def summary(self) -> AttemptSummary:
        verdict = self.verdict
        return AttemptSummary(
            status=verdict.status,
            failures=verdict.failures,
            warnings=(*verdict.warnings, self.remark),
            evidence=self.evidence,
            streams=self.streams,
        )


BUNDLES = st.builds(
    Bundle,
    evidence=EVIDENCE,
    seen=st.just(()) | st.just(()) | st.lists(FAILURES, max_size=2),
    policy=st.builds(Policy, **dict.fromkeys(Policy.model_fields, st.booleans())),
    cancelled=st.sampled_from([False, False, False, True]),
    streams=STREAMS,
    remark=TEXT,
    launch=st.sampled_from([("queued", "pending", "running"), ("running",), ("queued",), ()]),
)


async def written(bundle: Bundle, db: asyncpg.Pool) -> tuple[SyncReport, Sequence[asyncpg.Record]]:
    """From the job's first row to its last, as the activities of a sync write them; then read back."""
    asked = request(sync_input(f"bundle-{next(_numbers)}"))
    job_id = await opening.open_sync(db, SEAL, asked)
    await open_attempt(db, job_id, 0)
    for status in bundle.launch:
        assert await jobs.move(db, job_id, jobs.Move(JobStatus(status), list(JobStatus), ""))
    failures = for_history(bundle.verdict.failures)
    end = AttemptOutcome(status=bundle.verdict.status, failures=failures)
    await close_attempt(db, job_id, 0, end, bundle.summary, follows=bundle.remark, retried=True)
    status = JobStatus(bundle.verdict.status)
    await close_job(db, job_id, status, failures=failures, by=bundle.remark, reason=bundle.remark)
    return await history.report(db, job_id), [each.model_dump() for each in await history.events(db, job_id)]


def stored(value: Any) -> Any:
    """The value as a database can hold it."""
    if isinstance(value, dict):
        return {name: stored(member) for name, member in value.items()}
    if isinstance(value, list):
        return [stored(item) for item in value]
    return value.translate({0: None, 0xD83D: "?"}) if isinstance(value, str) else value


def check_bundle(books: Books, reached: Counter[str], bundle: Bundle) -> None:
    report, events = books.run(partial(written, bundle))
    (attempt,) = report.attempts
    proven = not bundle.cancelled and not bundle.seen and not lacks(bundle.evidence, bundle.policy)
    assert (report.status is JobStatus.SUCCEEDED) == (attempt.status == "succeeded") == proven
    assert (report.status is JobStatus.CANCELLED) == bundle.cancelled
    assert bool(attempt.failures) == bool(report.failures) == (not proven)
    path = path_of(events)
    assert is_legal(path), path
    assert path[-1] == report.status
    check_kept(bundle, report)
    reached[report.status] += 1


def check_kept(bundle: Bundle, report: SyncReport) -> None:
    """What was said of the attempt is in its report, without what no database can hold."""
    told = stored(bundle.summary.model_dump(mode="json"))
    read = report.model_dump(mode="json")
    assert read["warnings"] == told["warnings"]
    assert read["evidence"] == told["evidence"]
    assert read["attempts"][0]["failures"] == told["failures"]
    assert sorted(read["streams"], key=str) == sorted(told["streams"], key=str)
    committed = sum(stream.records_committed for stream in bundle.streams)
    assert report.records_committed == report.attempts[0].records_committed == committed
    assert report.bytes_committed == sum(stream.bytes_committed for stream in bundle.streams)
    assert "\\u0000" not in report.model_dump_json()


def test_a_thousand_ends_of_attempts_are_written_as_they_were_and_succeed_only_if_proven(books: Books) -> None:
    reached: Counter[str] = Counter()

    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BUNDLES)
    def check(bundle: Bundle) -> None:
        check_bundle(books, reached, bundle)

    check()
    assert set(reached) == set(ENDS)


# --- 200 interleavings of crashes and cancels ---

REFUSED = (connections.ConnectionBusy, attempts.AttemptRefused, IllegalTransition, StaleFence, LookupError)
FAILED = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="broke")
OUTCOMES = {
    "succeeded": AttemptOutcome(status="succeeded"),
    "failed": AttemptOutcome(status="failed", failures=(FAILED,)),
    "cancelled": AttemptOutcome(status="cancelled"),
}
SNAPSHOT = """
with mine as (select * from jobs where connection = any($1)),
    owners as (select * from connections where name = any($1))
select json_build_object(
    'fences', (select json_object_agg(name, fence) from owners),
    'jobs', (select json_agg(row_to_json(m) order by id) from
        (select id, connection, kind, status, failures, cancel_requested_at, updated_at, queued_at, started_at, ended_at
         from mine) m),
    'attempts', (select json_agg(row_to_json(a) order by job_id, number) from
        (select job_id, number, status, fence, pod, failures, ended_at from attempts
         where job_id in (select id from mine)) a),
    'events', (select json_agg(row_to_json(e) order by id) from
        (select * from job_events where job_id in (select id from mine)) e),
    'states', (select json_agg(row_to_json(s) order by connection_id, stream) from
        (select connection_id, stream, state, fence, seq, job_id, attempt from states
         where connection_id in (select id from owners)) s))
"""


@dataclass(frozen=True)
class Seen:
    """All rows of a machine's connections at one moment."""

    fences: dict[str, int] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)

    def job(self, job_id: int) -> dict[str, Any]:
        return next(job for job in self.jobs if job["id"] == job_id)

    def of(self, job_id: int) -> list[dict[str, Any]]:
        """The attempts of a job."""
        return [attempt for attempt in self.attempts if attempt["job_id"] == job_id]

    def running(self, job_id: int) -> list[int]:
        return [attempt["number"] for attempt in self.of(job_id) if attempt["status"] == "running"]

    def past(self, job_id: int) -> list[dict[str, Any]]:
        return [event for event in self.events if event["job_id"] == job_id]

    def live(self, connection: str) -> list[dict[str, Any]]:
        return [job for job in self.jobs if job["connection"] == connection and job["status"] not in ENDS]

    def committed(self) -> dict[tuple[int, str], tuple[int, int]]:
        return {(each["connection_id"], each["stream"]): (each["fence"], each["seq"]) for each in self.states}


WHICH = st.integers(0, 3)  # the newest job first
OFFSET = st.sampled_from([0, 0, 0, 0, 1, -1])  # from the number that is right
END = st.sampled_from(["failed", "failed", "succeeded", "cancelled"])
HOW = st.sampled_from(["once", "once", "answer lost", "at once", *range(7)])  # a number: the connection breaks after it


class JobMachine(RuleBasedStateMachine):
    """Two connections and everybody who may write to them, in any order, each call whole, broken or repeated."""

    def __init__(self, books: Books, reached: Counter[str]) -> None:
        super().__init__()
        self.books = books
        self.reached = reached
        number = next(_numbers)
        self.names = [f"machine-{number}-{letter}" for letter in "ab"]
        self.seen = Seen()
        self.seq = 0

    # --- doing and looking ---

    def look(self) -> Seen:
        async def rows(db: asyncpg.Pool) -> str:
            found: str = await db.fetchval(SNAPSHOT, self.names)
            return found

        return Seen(**{name: value for name, value in json.loads(self.books.run(rows)).items() if value is not None})

    def once(self, call: Call[Any]) -> Any:
        """What the call returns or how it is refused."""
        try:
            return self.books.run(call)
        except REFUSED as refused:
            return refused

    def do(self, call: Call[Any], how: str | int) -> Any:
        """A call that may break, be repeated or come twice at once; what it said the first time it was whole."""
        if how == "at once":
            said = next(iter(sorted(self.books.run_twice(call), key=lambda each: each is False)))
            unknown = isinstance(said, BaseException) and not isinstance(said, REFUSED)
            assert not unknown, said
            self.reached["at once"] += 1
        elif isinstance(how, int):
            said = self.broken(call, how)
        else:
            said = self.once(call)
        after = self.look()
        if isinstance(said, BaseException):
            assert after == self.seen, "a call that is refused changes nothing"
            self.reached[type(said).__name__] += 1
        if how != "once":
            self.once(call)
            assert self.look() == after, "a call that is repeated changes nothing"
        self.settle(after)
        return said

    def broken(self, call: Call[Any], statements: int) -> Any:
        try:
            return self.books.run_broken(call, statements)
        except REFUSED as refused:
            return refused
        except ConnectionResetError:
            assert self.look() == self.seen, "a call that breaks changes nothing"
            self.reached["broken"] += 1
            return self.once(call)

    def settle(self, after: Seen) -> None:
        check_rows(after)
        check_change(self.seen, after)
        was_live = {job["id"] for job in self.seen.jobs if job["status"] not in ENDS}
        self.reached.update(f"job {job['status']}" for job in after.jobs if job["id"] in was_live)
        self.seen = after

    def chosen(self, which: int) -> dict[str, Any]:
        return self.seen.jobs[-1 - which % len(self.seen.jobs)]

    # --- who writes ---

    @initialize()
    def first_job(self) -> None:
        self.open_job(0, "once")

    @rule(which=st.integers(0, 1), how=HOW)
    def open_job(self, which: int, how: str | int) -> None:
        name = self.names[which]
        busy = self.seen.live(name)
        said = self.do(partial(opened, request(sync_input(name))), how)
        assert isinstance(said, connections.ConnectionBusy) == bool(busy)

    @rule(which=WHICH, offset=OFFSET, how=HOW)
    def open_attempt(self, which: int, offset: int, how: str | int) -> None:
        before = self.seen
        job = self.chosen(which)
        running, count = before.running(job["id"]), len(before.of(job["id"]))
        number = (running[0] if running else count) + offset
        said = self.do(lambda db: open_attempt(db, job["id"], number), how)
        if job["status"] in ENDS:
            assert isinstance(said, attempts.JobEnded)
        elif number in running:
            assert said.fence == before.of(job["id"])[-1]["fence"]
        elif running or number != count:
            assert isinstance(said, attempts.AttemptRefused)
        else:
            assert (said.number, said.fence) == (count, before.fences[job["connection"]] + 1)
            self.reached["second attempt"] += number > 0

    @rule(which=WHICH, how=HOW)
    def start_pod(self, which: int, how: str | int) -> None:
        self.move(which, "running", {"pending", "queued", "incomplete"}, how)

    @rule(
        which=WHICH,
        status=st.sampled_from(["pending", "queued", "running", "incomplete"]),
        expected=st.sets(st.sampled_from(sorted(MOVES)), min_size=1),
        how=HOW,
    )
    def move(self, which: int, status: str, expected: set[str], how: str | int) -> None:
        job = self.chosen(which)
        possible = [JobStatus(status) for status in sorted(expected - {status})]
        call = partial(moved, job["id"], JobStatus(status), possible)
        late = status == "running" and not self.seen.running(job["id"])
        said = self.do(call, how)
        if job["status"] in ENDS or job["status"] not in possible or late:
            assert said is False
        elif status in MOVES[job["status"]]:
            assert said is True
        else:
            assert isinstance(said, IllegalTransition)

    @rule(which=WHICH, offset=OFFSET, end=END, how=HOW)
    def close_attempt(self, which: int, offset: int, end: str, how: str | int) -> None:
        job = self.chosen(which)
        number = len(self.seen.of(job["id"])) - 1 + offset
        known = number in [attempt["number"] for attempt in self.seen.of(job["id"])]
        running = number in self.seen.running(job["id"])
        before = self.seen
        said = self.do(lambda db: close_attempt(db, job["id"], number, OUTCOMES[end], follows="see", retried=True), how)
        assert isinstance(said, LookupError) == (not known)
        if running:
            assert self.seen.of(job["id"])[number]["status"] == ("succeeded" if end == "succeeded" else "failed")
            assert self.seen.job(job["id"])["status"] == ("succeeded" if end == "succeeded" else "incomplete")
        else:
            assert self.seen == before

    @rule(which=WHICH, end=st.sampled_from(ENDS), how=HOW)
    @precondition(lambda self: self.seen.attempts)
    def close_job(self, which: int, end: str, how: str | int) -> None:
        job, before = self.chosen(which), self.seen
        call = partial(closed, job["id"], JobStatus(end))
        said = self.do(call, how)
        if job["status"] in ENDS:
            assert self.seen == before
        elif end == "succeeded":
            assert isinstance(said, IllegalTransition)
        else:
            assert self.seen.job(job["id"])["status"] == end

    @rule(which=WHICH, now=st.booleans())
    def request_cancel(self, which: int, now: bool) -> None:
        job, before = self.chosen(which), self.seen
        self.once(lambda db: jobs.request_cancel(db, job["id"], by="me", now=now))
        self.settle(self.look())
        assert (self.seen == before) == (job["status"] in ENDS)
        self.reached["cancel requested"] += job["status"] not in ENDS

    @rule(which=WHICH, queued=st.booleans(), started=st.booleans(), end=END, how=HOW)
    def whole_attempt(self, which: int, queued: bool, started: bool, end: str, how: str | int) -> None:
        """The usual way of an attempt: else few jobs would see a second one."""
        if self.chosen(which)["status"] in ENDS:
            return
        self.open_attempt(which, 0, how)
        if queued:
            self.move(which, "queued", {"pending"}, how)
        if started:
            self.start_pod(which, how)
            self.commit(0, "x", False, "once")
        self.close_attempt(which, 0, end, how)

    @precondition(lambda self: self.seen.attempts)
    @rule(which=st.integers(0, 2), stream=st.sampled_from("xy"), older=st.booleans(), how=HOW)
    def commit(self, which: int, stream: str, older: bool, how: str | int) -> None:
        """By any attempt that there ever was, with a state that is newer or older than its last one."""
        self.seq += 1
        attempt = self.seen.attempts[-1 - which % len(self.seen.attempts)]
        state = StateRow("STREAM", stream, None, json.dumps({"n": self.seq}), 1 if older else self.seq)
        current = self.seen.fences[self.seen.job(attempt["job_id"])["connection"]]
        said = self.do(partial(committed, attempt, state), how)
        if attempt["fence"] != current:
            assert isinstance(said, StaleFence)
        else:
            assert said is None
            self.reached["commit"] += 1


async def opened(asked: OpenJob, db: asyncpg.Pool) -> int:
    return await opening.open_sync(db, SEAL, asked)


async def moved(job_id: int, status: JobStatus, expected: Sequence[JobStatus], db: asyncpg.Pool) -> bool:
    return await jobs.move(db, job_id, jobs.Move(status, expected, "so"))


async def closed(job_id: int, status: JobStatus, db: asyncpg.Pool) -> None:
    await close_job(db, job_id, status, failures=(FAILED,), by="me", reason="so")


async def committed(attempt: Mapping[str, Any], state: StateRow, db: Any) -> None:
    async with db.acquire() as session:
        connection_id = await session.fetchval("select connection_id from jobs where id = $1", attempt["job_id"])
    writer = Writer(connection_id, attempt["job_id"], attempt["number"], attempt["fence"])
    await states.commit(db, writer, [state], [StreamCounts(name=state.stream, records_committed=1)])


def check_rows(seen: Seen) -> None:
    """What is true of the rows at every moment."""
    for name, fence in seen.fences.items():
        assert len(seen.live(name)) <= 1
        mine = [job["id"] for job in seen.jobs if job["connection"] == name]
        assert sum(len(seen.running(job_id)) for job_id in mine) <= 1
        assert [each["fence"] for each in seen.attempts if each["job_id"] in mine] == list(range(1, fence + 1))
    for job in seen.jobs:
        tried = [attempt["status"] for attempt in seen.of(job["id"])]
        assert [attempt["number"] for attempt in seen.of(job["id"])] == list(range(len(tried)))
        assert tried.count("succeeded") == (job["status"] == "succeeded")
        assert (tried[-1:] == ["succeeded"]) == (job["status"] == "succeeded")
        assert "running" not in tried[:-1]
        assert not (job["status"] in ENDS and "running" in tried)
        path = path_of(seen.past(job["id"]))
        assert is_legal(path), path
        assert path[-1] == job["status"]
        assert (job["ended_at"] is not None) == (job["status"] in ENDS)
    for attempt in seen.attempts:
        assert (attempt["ended_at"] is None) == (attempt["status"] == "running")
        assert bool(attempt["failures"]) == (attempt["status"] == "failed")


def check_change(before: Seen, after: Seen) -> None:
    """What is true of every step."""
    for name, fence in before.fences.items():
        assert after.fences[name] >= fence
    for job in before.jobs:
        if job["status"] in ENDS:
            for rows in (Seen.job, Seen.of, Seen.past):
                assert rows(after, job["id"]) == rows(before, job["id"])
        assert after.job(job["id"])["updated_at"] >= job["updated_at"]
        assert after.past(job["id"])[: len(before.past(job["id"]))] == before.past(job["id"])
    for key, place in before.committed().items():
        assert after.committed()[key] >= place
    for state in after.states:
        if state not in before.states:
            by = next(each for each in after.of(state["job_id"]) if each["number"] == state["attempt"])
            assert state["fence"] == by["fence"]
            assert state["fence"] == before.fences[after.job(state["job_id"])["connection"]]


INTERLEAVINGS = settings(
    max_examples=200, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_two_hundred_interleavings_of_crashes_and_cancels_leave_the_books_right(books: Books) -> None:
    reached: Counter[str] = Counter()

    class OnTheseBooks(JobMachine):
        def __init__(self) -> None:
            super().__init__(books, reached)

    refusals = {"ConnectionBusy", "AttemptRefused", "JobEnded", "IllegalTransition", "AttemptGone", "StaleFence"}
    steps = {"broken", "at once", "second attempt", "commit", "cancel requested"}
    everything = refusals | steps | {f"job {status}" for status in MOVES}
    for _ in range(3):  # what is rare may be missed by one round of them
        run_state_machine_as_test(OnTheseBooks, settings=INTERLEAVINGS)
        if everything <= set(+reached):
            break
    assert everything <= set(+reached)
