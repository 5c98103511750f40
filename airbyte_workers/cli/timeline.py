"""What happened to a job, in a few lines: its past and its attempts, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from airbyte_workers.models import AttemptReport, Failure, FailureType, SyncReport, Value
from airbyte_workers.quantities import duration
from airbyte_workers.store.history import Happening
from airbyte_workers.store.job_facts import JobFacts

_MAX_TEXT = 240  # characters of what a connector said; the log has the rest
_FIRST, _LAST = 2, 4  # attempts that are told one by one when there are many
_WORTH_TELLING = frozenset({"launcher", "queued", "catalog not checked", "cancel requested", "run replaced"})
_PLACES = 2  # waits for a place on the host that are told, the last ones: every attempt may have some


class Moment(Value):
    """Something that happened."""

    at: datetime
    text: str


def timeline(job: JobFacts, report: SyncReport, past: Sequence[Happening]) -> tuple[Moment, ...]:
    """Everything a person would ask about; of many attempts the first and the last ones."""
    moments = [*_events(job, past), *_attempts(report.attempts, past)]
    return tuple(sorted(moments, key=lambda moment: moment.at))


def _events(job: JobFacts, past: Sequence[Happening]) -> Iterator[Moment]:
    places = [event for event in past if event.event == "waits for a place"][-_PLACES:]
    for event in past:
        by = f" by {event.by}" if event.by else ""
        reason = f": {cut_line(event.reason)}" if event.reason else ""
        if event.event in _WORTH_TELLING or event in places:
            yield Moment(at=event.at, text=f"{event.event}{by}{reason}")
        elif event.event == "opened":
            yield Moment(at=event.at, text=f"opened{reason}")
        elif event.event == job.status and job.has_ended:
            yield Moment(at=event.at, text=f"{event.event}{by}{reason}")


def _attempts(attempts: Sequence[AttemptReport], past: Sequence[Happening]) -> Iterator[Moment]:
    few = len(attempts) <= _FIRST + _LAST
    for attempt in attempts if few else (*attempts[:_FIRST], *attempts[-_LAST:]):
        yield Moment(at=attempt.started_at, text=_attempt(attempt, past))
    if not few:
        yield _left_out(attempts[_FIRST:-_LAST])


def _attempt(attempt: AttemptReport, past: Sequence[Happening]) -> str:
    number = attempt.number
    waited = f" (after a wait of {duration(attempt.waited_s)}{_why_waited(number, past)})" if attempt.waited_s else ""
    if attempt.ended_at is None:
        return f"attempt {number}{waited} runs: {attempt.records_committed:,} records committed so far"
    took = duration((attempt.ended_at - attempt.started_at).total_seconds())
    text = f"attempt {number}{waited} {attempt.status} after {took}: {attempt.records_committed:,} records committed"
    return f"{text}; {told(attempt.failures[0])}" if attempt.failures else text


def _why_waited(number: int, past: Sequence[Happening]) -> str:
    """The rules' words for this wait stand in the end of the attempt before."""
    for event in past:
        if found := re.search(rf"\battempt {number} starts in [^:]*: (.+)", event.reason):
            return f": {cut_line(found[1])}"
    return ""


def _left_out(attempts: Sequence[AttemptReport]) -> Moment:
    records = sum(attempt.records_committed for attempt in attempts)
    text = f"attempts {attempts[0].number} to {attempts[-1].number} failed, too: {records:,} records committed"
    return Moment(at=attempts[0].started_at, text=text)


def told(failure: Failure) -> str:
    """A failure in one line."""
    if failure.type is FailureType.MANUAL_CANCELLATION:
        return cut_line(failure.message)
    return f"{failure.origin}, {failure.type}: {cut_line(failure.message)}"


def cut_line(text: str) -> str:
    """One line that fits on the page."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]} [cut; the log has the rest]"
