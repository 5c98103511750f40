"""The end of an attempt: how both connectors ended, judged once, and what came of it, told and written down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from airbyte_workers.jobs import record_findings
from airbyte_workers.jobs.outcome import Verdict, outcome
from airbyte_workers.models import (
    AttemptSummary,
    DeadLetterCounts,
    Ends,
    FailureOrigin,
    LegTimes,
    StreamCounts,
    StreamValidation,
    Throughput,
    Waits,
)
from airbyte_workers.orchestrator.desk import Desk
from airbyte_workers.orchestrator.input import ReplicationInput
from airbyte_workers.orchestrator.joblog import LogWriter
from airbyte_workers.orchestrator.leg import ConnectorExit
from airbyte_workers.orchestrator.memory import peak_memory_bytes
from airbyte_workers.protocol.streams import shown, stream_key
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.marks import judged


class Stop(StrEnum):
    """Why data stops moving before the source's end."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    DESTINATION_ENDED = "destination ended"


_NOT_YET = ConnectorExit(None)


@dataclass
class Ending:
    """What is known of an attempt's end so far; the fields that `Ends` has as well are told there."""

    stop: Stop | None = None
    source: ConnectorExit = _NOT_YET
    source_stopped: bool = False
    destination: ConnectorExit = _NOT_YET
    destination_closed: Literal["", "input", "output"] = ""
    end_of_input: bool = False
    found: tuple[StreamValidation, ...] = ()
    waits: Waits = field(default_factory=Waits)
    throughput: Throughput | None = None
    legs: tuple[LegTimes, ...] = ()

    def ends(self) -> Ends:
        """The same as a part of the evidence."""
        return Ends(
            source_exit_code=self.source.code,
            source_out_of_memory=self.source.out_of_memory,
            source_forced=self.source.forced,
            source_stopped=self.source_stopped,
            destination_exit_code=self.destination.code,
            destination_out_of_memory=self.destination.out_of_memory,
            destination_forced=self.destination.forced,
            destination_closed=self.destination_closed,
            end_of_input=self.end_of_input,
        )


def conclude(ledger: Ledger, ending: Ending, given: ReplicationInput, desk: Desk) -> AttemptSummary:
    """The verdict on an attempt with all that belongs to it; it stands in the job's log, too."""
    evidence = ledger.evidence(ending.ends())
    verdict = outcome(evidence, ledger.failures, given, cancelled=ending.stop is Stop.CANCELLED)
    letters = desk.dead_letters.counts if desk.dead_letters is not None else DeadLetterCounts()
    verdict = replace(verdict, warnings=(*verdict.warnings, *_found(ending.found, letters, given)))
    streams = _streams(ledger, verdict)
    desk.log.settle()
    _tell(desk.log, streams, verdict)
    return AttemptSummary(
        **dict(ending.waits),
        status=verdict.status,
        failures=verdict.failures,
        warnings=verdict.warnings,
        evidence=evidence,
        streams=streams,
        log_lines_dropped=desk.log.lines_dropped,
        peak_memory_bytes=peak_memory_bytes(),
        processor_s=round(time.process_time(), 2),
        unproven=verdict.unproven,
        retry_at=None if verdict.status == "succeeded" else ledger.retry_at,
        validation=record_findings.foremost(ending.found, desk.settings.report_max_streams),
        dead_letters=letters,
        throughput=ending.throughput and judged(ending.throughput, sum(each.records_committed for each in streams)),
        legs=ending.legs,
    )


def _found(found: Sequence[StreamValidation], letters: DeadLetterCounts, given: ReplicationInput) -> Iterator[str]:
    """What people must know of records that did not fit."""
    yield from record_findings.warnings_of(found)
    if not given.checks.dead_letters and any(each.invalid for each in found):
        yield f"validation: {record_findings.HINT}"
    command = f"airbyte-workers jobs dead-letters {given.job_id} --attempt {given.attempt + 1}"
    if kept := record_findings.about_letters(letters, command):
        yield kept


def _streams(ledger: Ledger, verdict: Verdict) -> tuple[StreamCounts, ...]:
    """The counts; "all committed" belongs to a success that was proven."""
    succeeded = verdict.status == "succeeded"
    counts = ledger.counts(succeeded=succeeded and not verdict.unproven, ended=True)
    if not verdict.unproven:
        return counts
    return tuple(each.model_copy(update={"status": "complete"}) for each in counts)


def _tell(log: LogWriter, streams: tuple[StreamCounts, ...], verdict: Verdict) -> None:
    for stream in streams:
        key = stream_key(stream.name, stream.namespace)
        counted = f"{stream.records_emitted:,} records emitted, {stream.records_committed:,} committed"
        seldom = {"filtered": stream.records_filtered, "rejected": stream.records_rejected}
        counted += "".join(f", {count:,} {what}" for what, count in seldom.items() if count)
        log(FailureOrigin.PLATFORM, "INFO", f"{shown(key)}: {stream.status}, {counted}", key)
    reasons = [f"{each.origin}, {each.type}: {each.message}" for each in verdict.failures]
    warnings = [f"warning: {warning}" for warning in verdict.warnings]
    level = "INFO" if verdict.status == "succeeded" else "ERROR"
    log(FailureOrigin.PLATFORM, level, "\n".join([f"attempt {verdict.status}", *reasons, *warnings]))
