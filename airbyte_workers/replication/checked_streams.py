"""What was found about the records of one stream: exact counts, and of everything else the first few."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec import Raw

from airbyte_workers.models import StreamValidation
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.record_faults import MAX_FAULTS, StreamSchema, decoded


@dataclass(eq=False)
class CheckedStream:
    """One stream and its schema, which is read with the first record; `ended`: no more of them are looked at."""

    key: StreamKey
    json_schema: bytes
    ended: bool = False
    problem: str = ""
    validated: int = 0
    invalid: int = 0
    unchecked: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    faults_more: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    unexpected_more: int = 0
    _schema: StreamSchema | None = None

    def look(self, data: Raw, fields: Container[str] | None) -> list[str]:
        """What of a record does not fit, or of some of its fields. Raises UnusableSchema, NotCheckable."""
        if self._schema is None:
            self._schema = StreamSchema(self.json_schema)
        value = decoded(data)
        if fields is not None:
            value = {name: each for name, each in value.items() if name in fields}
        faults = self._schema.faults(value)
        self.validated += 1
        known = self._schema.known
        if known is not None and not value.keys() <= known:
            self._count_unexpected(name for name in value if name not in known)
        return faults

    def count(self, faults: Sequence[str]) -> list[str]:
        """Count an invalid record; returns what is wrong with it that was not seen before."""
        self.invalid += 1
        new = [fault for fault in faults if fault not in self.faults][: MAX_FAULTS - len(self.faults)]
        self.faults |= dict.fromkeys(new, 0)
        for fault in faults:
            if fault in self.faults:
                self.faults[fault] += 1
            else:
                self.faults_more += 1
        return new

    def result(self) -> StreamValidation:
        """The same as a value."""
        name, namespace = self.key
        return StreamValidation(
            name=name,
            namespace=namespace,
            validated=self.validated,
            invalid=self.invalid,
            unchecked=self.unchecked,
            stopped=self.ended and self.invalid > 0,
            errors=tuple(self.faults.items()),
            errors_more=self.faults_more,
            unexpected_fields=tuple(self.unexpected.items()),
            unexpected_more=self.unexpected_more,
            problem=self.problem,
        )

    def _count_unexpected(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.unexpected or len(self.unexpected) < MAX_FAULTS:
                self.unexpected[name] = self.unexpected.get(name, 0) + 1
            else:
                self.unexpected_more += 1
