"""One page about a job: what happened, on what evidence it was judged, what to change, how to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airbyte_workers.cli import again
from airbyte_workers.cli.report import summary, why_ended
from airbyte_workers.cli.timeline import Moment, cut_line, timeline, told
from airbyte_workers.jobs.advice import Change, advice_for
from airbyte_workers.jobs.readings import Reading, Sign, readings
from airbyte_workers.jobs.reconciliation import RECONCILER
from airbyte_workers.models import (
    BEFORE_DATA,
    Evidence,
    Failure,
    JobStatus,
    SyncReport,
    Value,
)
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.store.history import Happening
from airbyte_workers.store.job_facts import JobFacts

_MAX_FAILURES = 3


class Step(Value):
    """A command that goes on from here, and when to take it."""

    command: str
    when: str


class Explanation(Value):
    """The page; `waits_for` is empty for a job that has ended."""

    job_id: int
    kind: JobKind
    subject: str
    status: JobStatus
    summary: str
    waits_for: str = ""
    happened: tuple[Moment, ...]
    evidence_of_attempt: int | None = None
    evidence: tuple[Reading, ...] = ()
    decisive: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    go_on: tuple[Step, ...] = ()
    log: str


@dataclass(frozen=True)
class Known:
    """What is known of a job; `now`: what its run says of itself, while it runs."""

    job: JobFacts
    report: SyncReport
    past: Sequence[Happening]
    now: str = ""

    @property
    def is_sync(self) -> bool:
        return self.job.kind in REPLICATION_KINDS

    @property
    def evidence(self) -> Evidence | None:
        """That of the last attempt; a pod that was lost has left none."""
        return self.report.evidence if self.report.evidence != Evidence() else None

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why it failed, or why its last attempt did; a check that says no has its reasons, too."""
        if self.report.status is JobStatus.SUCCEEDED:
            return self.report.failures
        failed = [attempt for attempt in self.report.attempts if attempt.failures]
        return self.report.failures or (failed[-1].failures if failed else ())


def explain(known: Known) -> Explanation:
    """The page about the job."""
    job, report = known.job, known.report
    attempts = report.attempts
    log = f"{again.PROGRAM} jobs logs {job.job_id}"
    return Explanation(
        job_id=job.job_id,
        kind=job.kind,
        subject=job.subject,
        status=job.status,
        summary=summary(report, job.kind, job.subject),
        waits_for=known.now,
        happened=timeline(job, report, known.past),
        evidence_of_attempt=attempts[-1].number if known.evidence is not None else None,
        evidence=readings(known.evidence) if known.evidence is not None else (),
        decisive=tuple(_decisive(known)),
        change=tuple(_change(known)),
        go_on=tuple(_go_on(known)),
        log=f"{log} --attempt {attempts[-1].number}" if attempts else log,
    )


# --- why ---


def _decisive(known: Known) -> Iterator[str]:
    report = known.report
    if report.status is JobStatus.CANCELLED:
        committed = f"; what was committed stays ({report.records_committed:,} records)" if known.is_sync else ""
        yield f"{why_ended(report)}{committed}"
        return
    if report.status is JobStatus.SUCCEEDED:
        yield _why_green(known)
        yield from (cut_line(f"warning: {warning}") for warning in report.warnings)
        return
    yield from (told(failure) for failure in known.failures[:_MAX_FAILURES])
    if known.failures and known.is_sync:
        yield _against(known, known.evidence) if known.evidence is not None else _without_evidence(known)


def _against(known: Known, evidence: Evidence) -> str:
    if known.report.ended_by == RECONCILER and known.report.attempts[-1].failures == known.failures:
        return "its pod was ended with its run: what the evidence lacks follows from that"
    bad = [reading.name for reading in readings(evidence) if reading.verdict is Sign.BAD]
    return f"the evidence against it: {', '.join(bad) or 'none beside that'}"


def _without_evidence(known: Known) -> str:
    if not known.report.attempts:
        return "it ended before its first attempt: no data was moved"
    first = known.failures[0]
    if first.command == "check" or first.type in BEFORE_DATA:
        return "its last attempt ended before its pod ran: no data was moved"
    return "its last attempt left no evidence: what its pod saw is lost"


def _why_green(known: Known) -> str:
    if not known.is_sync:
        return known.report.reason or f"the connector answered the {known.job.kind}"
    evidence = known.evidence
    doubts = [each.name for each in readings(evidence) if each.verdict is not Sign.GOOD] if evidence else []
    if doubts:
        return f"good enough, with doubts or by what the connection accepts: {', '.join(doubts)}"
    return "nothing is missing: exits, completion, acknowledgements, stored states and counts are all as they must be"


def _change(known: Known) -> Iterator[str]:
    """What a person can do, and about which failures."""
    if known.report.status is JobStatus.CANCELLED:
        return
    about: dict[str, list[str]] = {}
    for failure in known.failures[:_MAX_FAILURES]:
        of = about.setdefault(advice_for(failure).action, [])
        if (name := f"{failure.origin}, {failure.type}") not in of:
            of.append(name)
    yield from (f"{'; '.join(of)}: {action}" for action, of in about.items())


# --- how to go on ---


def _go_on(known: Known) -> Iterator[Step]:
    job = known.job
    if not job.has_ended:
        if known.is_sync:
            yield Step(command=again.join(job), when="to follow it")
        yield Step(command=again.cancel(job), when="to end it")
    elif not known.is_sync:
        yield Step(command=again.question_again(job), when="to ask again")
    elif job.status is JobStatus.SUCCEEDED:
        yield Step(command=again.sync_again(job), when="to sync what is new")
    else:
        yield from _once_more(known)


def _once_more(known: Known) -> Iterator[Step]:
    changes = {advice_for(failure).change for failure in known.failures[:1]}
    if Change.FILE in changes:
        yield Step(command=f"{again.PROGRAM} sync -f FILE", when="when the connection's file has been changed")
        yield Step(command=again.retry(known.job), when="when nothing of it had to be changed")
    elif Change.SETTINGS in changes:
        yield Step(command=again.retry(known.job), when="when the Temporal workers run with the changed setting")
    else:
        yield Step(command=again.retry(known.job), when="as the connection is stored now")
