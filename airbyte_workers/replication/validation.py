"""Whether records fit their stream's schema (airbyte-behaviour.md 5.2, RecordSchemaValidator): they go on all the same.

Counts are of records that were looked at: all, or a sample. What is told names fields and types, never a value.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Raw

from airbyte_workers.models import FailureOrigin, FailureType, StreamValidation
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key
from airbyte_workers.replication.checked_streams import CheckedStream
from airbyte_workers.replication.decoding import Sniffed
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.record_faults import MAX_FAULTS, NotCheckable, UnusableSchema
from airbyte_workers.replication.record_samples import Counts, RecordSample

SOURCE = FailureOrigin.SOURCE


class DeadLetters(Protocol):
    """Keeps what does not fit, for people."""

    def invalid(self, stream: StreamKey, reasons: Sequence[str], data: bytes) -> None: ...
    def malformed(self, line: bytes) -> None: ...


@dataclass(frozen=True)
class CheckRules:
    """Which records are looked at, and when it is enough.

    The first `first_records` of each stream, and of all one of `one_of`. A stream with `max_errors` invalid ones is not
    looked at any more, unless `max_invalid` says how many all streams together may have.
    """

    first_records: int = 0
    one_of: int = 1
    max_errors: int = 10
    max_invalid: int | None = None


class RecordChecks:
    """Holds the records of one attempt against their schemas, those of streams that have one."""

    def __init__(
        self,
        ledger: Ledger,
        schemas: Mapping[StreamKey, bytes],
        rules: CheckRules,
        letters: DeadLetters | None = None,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._letters = letters
        self._streams = {key: CheckedStream(key, schema) for key, schema in schemas.items()}
        self._sample = RecordSample(schemas, first=rules.first_records, one_of=rules.one_of)

    def run(self, sniffed: Sequence[Sniffed], counts: Counts) -> None:
        """Look at records that go on as they are; `counts` are theirs."""
        if not self._streams:
            return
        for place in self._sample.places(sniffed, counts):
            record = sniffed[place].record
            assert record is not None
            self._look(stream_key(record.stream, record.namespace), record.data)

    def record(self, key: StreamKey, data: Raw, fields: Container[str] | None = None) -> None:
        """Look at one record that will be changed; `fields`: those that are synced at all, None: every one."""
        if self._streams and self._sample.takes(key):
            self._look(key, data, fields)

    def malformed(self, line: bytes) -> None:
        """Keep a line that looks like data and was dropped."""
        if self._letters is not None:
            self._letters.malformed(line)

    def enforce(self) -> None:
        """Raise ReplicationFailed once there are too many; what was read together with the last of them has gone on."""
        if not self._has_too_many:
            return
        guilty = [f"{shown(each.key)} ({each.invalid:,})" for each in self._streams.values() if each.invalid]
        more = f" and {len(guilty) - MAX_FAULTS} more streams" if len(guilty) > MAX_FAULTS else ""
        raise self._ledger.fail(
            SOURCE,
            FailureType.INVALID_RECORDS,
            f"{self._ledger.counters.records_invalid:,} records do not fit their stream's schema, more than the "
            f"{self._rules.max_invalid:,} of validation.max_invalid_records: {', '.join(guilty[:MAX_FAULTS])}{more}",
        )

    def results(self) -> tuple[StreamValidation, ...]:
        """What was found, stream by stream; those of which no record was looked at are left out."""
        return tuple(each.result() for each in self._streams.values() if each.validated or each.problem)

    # --- one of them ---

    @property
    def _has_too_many(self) -> bool:
        most = self._rules.max_invalid
        return most is not None and self._ledger.counters.records_invalid > most

    def _look(self, key: StreamKey, data: Raw, fields: Container[str] | None = None) -> None:
        stream = self._streams.get(key)
        if stream is None or stream.ended or self._has_too_many:
            return
        try:
            faults = stream.look(data, fields)
        except UnusableSchema as error:
            stream.problem, stream.ended = str(error), True
            self._tell(stream, f"its schema cannot be used, its records are not checked: {error}")
            return
        except NotCheckable as error:
            self._unchecked(stream, error)
            return
        self._ledger.counters.records_validated += 1
        if faults:
            self._invalid(stream, faults, data)

    def _unchecked(self, stream: CheckedStream, error: NotCheckable) -> None:
        stream.unchecked += 1
        if not stream.problem:
            stream.problem = f"a record could not be checked: {error}"
            self._tell(stream, stream.problem)

    def _invalid(self, stream: CheckedStream, faults: Sequence[str], data: Raw) -> None:
        self._ledger.counters.records_invalid += 1
        for fault in stream.count(faults):
            self._tell(stream, f"a record does not fit its schema: {fault}")
        if self._letters is not None:
            self._letters.invalid(stream.key, faults, bytes(data))
        if self._rules.max_invalid is None and stream.invalid >= self._rules.max_errors:
            stream.ended = True
            self._tell(stream, f"{stream.invalid:,} records do not fit its schema, no more of them are checked")

    def _tell(self, stream: CheckedStream, text: str) -> None:
        self._ledger.log(SOURCE, "WARN", f"{shown(stream.key)}: {text}", stream.key)
