"""What a job's page shows, put together from what is kept of the job; how much of it is a constant below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, takewhile
from typing import Any, TypeVar

from airbyte_workers.cli import again
from airbyte_workers.cli.explanation import Explanation, Known, Step, explain
from airbyte_workers.cli.job_report_model import AttemptLine, Colour, Course, Fact, JobReport, Span, StreamLine
from airbyte_workers.cli.report import waited_for
from airbyte_workers.cli.screens import figures
from airbyte_workers.cli.timeline import cut_line, told
from airbyte_workers.jobs.readings import Sign
from airbyte_workers.models import AttemptStatus, JobStatus, Mark, StreamCounts, Throughput, Waits
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.orchestrator.speed import waited_for as most_waited_for
from airbyte_workers.protocol.streams import shown, stream_key
from airbyte_workers.quantities import duration
from airbyte_workers.store.history import AttemptHistory, JobHistory
from airbyte_workers.store.job_facts import JobFacts
from airbyte_workers.store.throughputs import Seen

STREAMS = 40  # the largest
ATTEMPTS = (10, 50)  # first and last ones
CHARTS = (1, 11)  # of attempts whose throughput was kept, too
MOMENTS = (10, 50)
LINES = 50  # warnings
FAILURES = 3  # of one attempt
_WORTH_TELLING_S, _WORTH_TELLING = 1.0, 0.1  # seconds, share: an end without data that took longer than both
T = TypeVar("T")
_NOT_KEPT = "{} left no figures over time: the pod did not run, its orchestrator was lost, or the release was older."


@dataclass(frozen=True)
class Source:
    """What a page is made from. `throughputs`: by attempt, of those that `charted` names."""

    facts: JobFacts
    job: JobHistory
    throughputs: Mapping[int, Throughput]
    seen: Seen | None
    made_at: datetime

    @property
    def waits(self) -> Waits:
        """The job's, with those of the attempt that runs."""
        if self.seen is None:
            return self.job
        both = (self.job, self.seen.progress)
        return Waits(**{each: sum(getattr(part, each) for part in both) for each in Waits.model_fields})


def charted(job: JobHistory) -> list[int]:
    """The attempts whose throughput is shown, by number."""
    first, last = _ends(job.attempts, CHARTS)
    return [each.number for each in (*first, *last)]


def job_report(source: Source) -> JobReport:
    """The page of the job."""
    job = source.job
    page = explain(Known(source.facts, job, job.events))
    colour, verdict = _verdict(page, job)
    return JobReport(
        made_at=source.made_at,
        job_id=job.job_id,
        kind=job.kind,
        subject=job.subject,
        status=job.status,
        colour=colour,
        verdict=verdict,
        summary=page.summary,
        opened_at=job.created_at,
        ended_at=job.ended_at,
        facts=tuple(_facts(source)),
        state=_state(job),
        look=tuple(_look(job, page)),
        **_explained(page, job),
        **_waits(source),
        **_attempts(source),
        **_courses(source),
        **_streams(job),
    )


def bottleneck(waits: Waits) -> str:
    """Whom the data waited for most, in one sentence; empty where it did not move, or nobody knows."""
    if not waits.moving_s:
        return ""
    whom, share = most_waited_for(Waits(), waits)
    of = f"of the {duration(waits.moving_s)} in which data moved"
    if whom == "limit":
        return f"The connection's own speed limit was the bottleneck: it held data back for {share:.0%} {of}."
    if whom:
        return f"The {whom} was the bottleneck: it was waited for {share:.0%} {of}."
    return f"Nobody was the bottleneck for most {of}: {waited_for(waits)}; the rest is work on the way."


# --- what came of it ---


_ENDED: Mapping[JobStatus, tuple[Colour, str]] = {
    JobStatus.FAILED: ("bad", "Failed"),
    JobStatus.CANCELLED: ("stopped", "Cancelled"),
}


def _verdict(page: Explanation, job: JobHistory) -> tuple[Colour, str]:
    """Green is a success alone whose every piece of evidence is as it must be."""
    if job.status is not JobStatus.SUCCEEDED:
        return _ENDED.get(job.status, ("open", f"Not over: {job.status}"))
    if job.kind not in REPLICATION_KINDS:
        return "good", "Answered"
    if not page.evidence:
        return "doubt", "Succeeded; its evidence is not kept"
    if any(each.verdict is not Sign.GOOD for each in page.evidence):
        return "doubt", "Succeeded, with doubts"
    return "good", "Succeeded, with proof"


def _no_evidence(job: JobHistory, page: Explanation) -> str:
    if page.evidence or not job.attempts:
        return ""
    last = job.attempts[-1]
    if last.ended_at is None:
        return f"Attempt {last.number} runs: it is judged at its end."
    return f"Attempt {last.number} left no evidence: its pod did not run, or what it saw is lost."


def _state(job: JobHistory) -> str:
    if job.kind not in REPLICATION_KINDS:
        return ""
    if job.kind is JobKind.CLEAR and job.status is JobStatus.SUCCEEDED:
        return "The state of what was cleared is gone: the next sync reads it from its beginning."
    if job.status is JobStatus.SUCCEEDED:
        return "Every state that the source sent last is stored: the next sync of the connection begins there."
    return "What was committed stays: whatever runs next for the connection goes on behind the last stored state."


def _look(job: JobHistory, page: Explanation) -> Iterator[Step]:
    yield Step(command=page.log, when="what its connectors said")
    yield Step(command=f"{again.PROGRAM} jobs show {job.job_id} --all", when="every stream, attempt and event")
    if job.kind in REPLICATION_KINDS:
        yield Step(command=f"{again.PROGRAM} state show {job.subject}", when="the state as it is stored now")


def _explained(page: Explanation, job: JobHistory) -> dict[str, Any]:
    first, last = _ends(page.happened, MOMENTS)
    return {
        "reasons": tuple(each for each in page.decisive if not each.startswith("warning: ")),
        "warnings": tuple(cut_line(each) for each in job.warnings[:LINES]),
        "warnings_omitted": max(0, len(job.warnings) - LINES),
        "evidence_of_attempt": page.evidence_of_attempt,
        "evidence": page.evidence,
        "evidence_missing": _no_evidence(job, page),
        "happened": (*first, *last),
        "happened_omitted": len(page.happened) - len(first) - len(last),
        "change": page.change,
        "go_on": page.go_on,
    }


def _waits(source: Source) -> dict[str, Any]:
    """Whom the job waits for, and how far the attempt is that runs."""
    whom, share = most_waited_for(Waits(), source.waits)
    told = {"bottleneck": whom, "bottleneck_share": share, "bottleneck_text": bottleneck(source.waits)}
    if source.seen is None:
        return told
    return {**told, "now": figures(source.seen.progress, source.job.kind), "seen_at": source.seen.at}


# --- what it was ---


def _facts(source: Source) -> Iterator[Fact]:
    job = source.job
    yield Fact(name="started", value="by its schedule" if job.is_scheduled else "by hand or by a program")
    if job.ended_by and job.status is JobStatus.CANCELLED:
        yield Fact(name="cancelled by", value=job.ended_by)
    if job.kind in REPLICATION_KINDS:
        known = job.connectors or {}
        yield from (Fact(name=role, value=name) for role, name in known.items())
        if not known:
            yield Fact(name="connectors", value="not kept: the job is of an older release")
    yield Fact(name="launcher", value=job.launcher or "not chosen yet")
    if job.request is not None:
        yield Fact(name=job.request.order, value=_requested(job))
    if job.queued_s:
        yield Fact(name="began after", value=duration(job.queued_s))
    yield Fact(name="workflow", value=job.workflow_id)
    yield Fact(name="run", value=job.run_id)
    if job.catalog_id is not None:
        yield Fact(name="catalog", value=f"{again.PROGRAM} catalog show {job.catalog_id}")


def _requested(job: JobHistory) -> str:
    streams = job.request.streams if job.request is not None else None
    if streams is None:
        return "every stream"
    names = [shown((each.name, each.namespace)) for each in streams[:FAILURES]]
    more = f" and {len(streams) - FAILURES:,} more" if len(streams) > FAILURES else ""
    return ", ".join(names) + more


# --- attempts ---


def _attempts(source: Source) -> dict[str, Any]:
    first, last = _ends(source.job.attempts, ATTEMPTS)
    shown_ones = (*first, *last)
    return {
        "attempts": tuple(_attempt(each, source) for each in shown_ones),
        "attempts_omitted": len(source.job.attempts) - len(shown_ones),
    }


def _attempt(attempt: AttemptHistory, source: Source) -> AttemptLine:
    kept = attempt.model_dump(include=set(AttemptLine.model_fields) - {"failures"})
    if attempt.ended_at is None and source.seen is not None:
        kept["records_emitted"] = source.seen.progress.records_emitted
    throughput = source.throughputs.get(attempt.number)
    return AttemptLine(
        **kept,
        began_at=throughput.began_at if throughput is not None else None,
        failures=tuple(told(each) for each in attempt.failures[:FAILURES]),
        failures_omitted=max(0, len(attempt.failures) - FAILURES),
    )


def _courses(source: Source) -> dict[str, Any]:
    job, kept = source.job, source.throughputs
    if job.kind is JobKind.CLEAR or not job.attempts:
        return {}
    attempts = {each.number: each for each in job.attempts}
    asked = [number for number in charted(job) if attempts[number].ended_at is not None]
    missing = [number for number in asked if number not in kept]
    names = ", ".join(map(str, missing))
    who = f"Attempt{'s' if len(missing) > 1 else ''} {names}" if missing else ""
    return {
        "courses": tuple(_course(number, kept[number], attempts[number]) for number in asked if number in kept),
        "courses_omitted": len(job.attempts) - len(charted(job)),
        "courses_missing": _NOT_KEPT.format(who) if missing else "",
    }


def _course(number: int, throughput: Throughput, attempt: AttemptHistory) -> Course:
    went = tuple(spans(throughput))
    after = _after(went) if attempt.status is AttemptStatus.SUCCEEDED else ""
    return Course(
        number=number,
        began_at=throughput.began_at,
        bottleneck=f"{bottleneck(attempt)} {after}".strip(),
        spans=went,
    )


def _after(went: Sequence[Span]) -> str:
    """How long an end took in which no data moved any more: that is the destination's time, and no wait of data."""
    ending = list(takewhile(lambda span: not span.moving_s, reversed(went)))
    took_s = sum(span.length_s for span in ending)
    if len(ending) == len(went) or took_s < max(_WORTH_TELLING_S, _WORTH_TELLING * went[-1].to_s):
        return ""
    return f"When all data had moved, it took {duration(took_s)} more until the destination was done."


def spans(throughput: Throughput) -> Iterator[Span]:
    """What was between the marks; never less than nothing, whatever connectors say they took."""
    for before, after in pairwise((Mark(at_s=0), *throughput.marks)):
        counted = {
            each: max(0, getattr(after, each) - getattr(before, each)) for each in Mark.model_fields if each != "at_s"
        }
        yield Span(from_s=before.at_s, to_s=after.at_s, **counted)


# --- streams ---


def _streams(job: JobHistory) -> dict[str, Any]:
    if job.kind not in REPLICATION_KINDS or not job.streams:
        return {}
    largest = sorted(job.streams, key=lambda each: -each.records_emitted)
    shown_ones, rest = largest[:STREAMS], largest[STREAMS:]
    return {
        "streams": tuple(_stream(each) for each in shown_ones),
        "streams_omitted": len(rest),
        "streams_rest": _sum(f"{len(rest):,} more", rest) if rest else None,
        "streams_total": _sum("all streams", largest),
    }


def _stream(counts: StreamCounts) -> StreamLine:
    return _sum(shown(stream_key(counts.name, counts.namespace)), [counts]).model_copy(update={"status": counts.status})


def _sum(name: str, streams: Sequence[StreamCounts]) -> StreamLine:
    return StreamLine(
        name=name,
        emitted=sum(each.records_emitted for each in streams),
        committed=sum(each.records_committed for each in streams),
        filtered=sum(each.records_filtered for each in streams),
        rejected=sum(each.records_rejected for each in streams),
        bytes_committed=sum(each.bytes_committed for each in streams),
    )


def _ends(things: Sequence[T], ends: tuple[int, int]) -> tuple[Sequence[T], Sequence[T]]:
    """The first and the last ones; all are first ones where there are few."""
    first, last = ends
    return (things, ()) if len(things) <= first + last else (things[:first], things[-last:])
