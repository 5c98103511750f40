"""Everything that a job's page shows, as values: bounded, whatever the job was. `jobs report -o json` prints it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airbyte_workers import __version__
from airbyte_workers.cli.explanation import Step
from airbyte_workers.cli.timeline import Moment
from airbyte_workers.jobs.readings import Reading
from airbyte_workers.models import AttemptStatus, JobStatus, Value, Waits
from airbyte_workers.names import JobKind

Colour = Literal["good", "doubt", "bad", "stopped", "open"]


class Span(Waits):
    """What was between two moments of an attempt, in seconds since its pod's program began."""

    from_s: float
    to_s: float
    records_emitted: int
    bytes_emitted: int
    records_committed: int

    @property
    def length_s(self) -> float:
        return max(self.to_s - self.from_s, 1e-3)

    @property
    def records_per_second(self) -> float:
        return self.records_emitted / self.length_s


class Course(Value):
    """How one attempt went over time; `bottleneck`: whom its data waited for, in a sentence."""

    number: int
    began_at: datetime
    bottleneck: str
    spans: tuple[Span, ...]


class AttemptLine(Waits):
    """One attempt; `began_at`: when its pod's program did, None where that is not known."""

    number: int
    status: AttemptStatus
    started_at: datetime
    began_at: datetime | None = None
    ended_at: datetime | None = None
    waited_s: float = 0
    queued_s: float = 0
    records_emitted: int = 0
    records_committed: int = 0
    bytes_committed: int = 0
    peak_memory_bytes: int = 0
    failures: tuple[str, ...] = ()
    failures_omitted: int = 0


class StreamLine(Value):
    """Records of one stream over all attempts, or of all streams that are not told one by one."""

    name: str
    status: str = ""
    emitted: int = 0
    committed: int = 0
    filtered: int = 0
    rejected: int = 0
    bytes_committed: int = 0

    @property
    def open(self) -> int:
        """What came and is none of the others; what attempts read again is among it."""
        return max(0, self.emitted - self.committed - self.filtered - self.rejected)


class Fact(Value):
    """One line of what the job was."""

    name: str
    value: str


class JobReport(Value):
    """The page. What ends in `_omitted` is left out to keep the page small; nothing is where there is none."""

    version: str = __version__
    made_at: datetime
    job_id: int
    kind: JobKind
    subject: str
    status: JobStatus
    colour: Colour
    verdict: str
    summary: str
    reasons: tuple[str, ...] = ()
    now: str = ""
    seen_at: datetime | None = None
    opened_at: datetime
    ended_at: datetime | None = None
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()
    warnings_omitted: int = 0
    bottleneck: Literal["", "source", "destination", "limit"] = ""
    bottleneck_share: float = 0
    bottleneck_text: str = ""
    attempts: tuple[AttemptLine, ...] = ()
    attempts_omitted: int = 0
    courses: tuple[Course, ...] = ()
    courses_omitted: int = 0
    courses_missing: str = ""
    streams: tuple[StreamLine, ...] = ()
    streams_omitted: int = 0
    streams_rest: StreamLine | None = None
    streams_total: StreamLine | None = None
    evidence_of_attempt: int | None = None
    evidence: tuple[Reading, ...] = ()
    evidence_missing: str = ""
    happened: tuple[Moment, ...] = ()
    happened_omitted: int = 0
    change: tuple[str, ...] = ()
    go_on: tuple[Step, ...] = ()
    state: str = ""
    look: tuple[Step, ...] = ()
