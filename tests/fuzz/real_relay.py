"""The relay that is tested, as the orchestrator drives it, without pipes and without a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.models import Ends
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.destination import DestinationSide
from airbyte_workers.replication.ledger import Ledger, ReplicationFailed
from airbyte_workers.replication.lines import LineCutter, LineTooLong
from airbyte_workers.replication.routes import Naming, Route, Routes
from airbyte_workers.replication.source import SourceSide
from tests.fuzz.plain_routes import PlainRoute
from tests.fuzz.plain_states import Key

WELL = Ends(source_exit_code=0, destination_exit_code=0, end_of_input=True)
NO_LIMIT = 1 << 40


class LevelsLog:
    """A job log that only remembers who said something, and at which level."""

    def __init__(self) -> None:
        self.redact = Redactor()
        self.lines: list[tuple[str, str]] = []

    def __call__(self, leg: str, level: str, text: str, stream: StreamKey | None = None) -> None:
        self.lines.append((str(leg), level))


class RealRelay:
    """Both sides of the relay of one attempt."""

    def __init__(
        self, streams: Sequence[Key], *, allow_malformed: bool, max_line: int, plain: Sequence[PlainRoute] = ()
    ) -> None:
        routes = Routes([route_of(each) for each in plain])
        self.log = LevelsLog()
        self.ledger = Ledger(streams, self.log, staged_states_bytes=NO_LIMIT, allow_malformed=allow_malformed)
        self._source, self._cutter = SourceSide(self.ledger, routes=routes), LineCutter(max_line)
        self._destination, self._echoes = DestinationSide(self.ledger, routes), LineCutter(NO_LIMIT)
        self.stored: dict[Any, bytes | None] = {}

    def source(self, chunk: bytes | None) -> tuple[bytes, str | None]:
        """What goes on of a chunk (None: the end), and the type of the failure that ended the attempt in it."""
        parts: list[bytes] = []
        try:
            block = self._cutter.finish() if chunk is None else self._cutter.feed(chunk)
            parts.extend(self._source.take(block))
        except ReplicationFailed as failed:
            return b"".join(parts), str(failed.failure.type)
        except LineTooLong:
            return b"".join(parts), "message_too_long"
        return b"".join(parts), None

    def destination(self, chunk: bytes) -> None:
        if block := self._echoes.feed(chunk):
            self._destination.take(block)

    def end(self) -> bytes:
        return b"".join(self._source.empty_states()) if self.ledger.read_to_the_end(WELL) else b""

    def statuses(self) -> bytes:
        return b"".join(self._source.statuses())

    def commit(self) -> None:
        if (batch := self.ledger.take_batch()) is not None:
            self.ledger.counts_after(batch)
            self.ledger.committed(batch)
            self.stored |= {(commit.key.type, commit.key.stream): commit.state for commit in batch.commits}


def route_of(plain: PlainRoute) -> Route:
    """The same route; its names by the product's own rules, where rules gave them."""
    naming, destination = plain.naming, plain.destination
    if naming is not None:
        destination = Naming(naming.definition, naming.format, naming.prefix).destination(plain.source)
    mappers = tuple(MapperSpec(each.name, each.config) for each in plain.mappers)
    return Route(plain.source, destination, plain.fields, mappers)
