"""Lines as connectors write them, and one attempt without pipes and without a database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airbyte_workers.models import Ends, Evidence, Failure
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.destination import DestinationSide
from airbyte_workers.replication.ledger import Batch, Ledger, ReplicationFailed
from airbyte_workers.replication.measuring import UNMEASURED, Measures
from airbyte_workers.replication.routes import Route, Routes
from airbyte_workers.replication.source import SourceSide
from airbyte_workers.replication.statistics import stream_counts

WELL = Ends(source_exit_code=0, destination_exit_code=0, end_of_input=True)


def line(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def record(stream: str = "users", data: Any = None, namespace: str | None = None, **more: Any) -> bytes:
    body: dict[str, Any] = {"stream": stream, "data": {"id": 1} if data is None else data, "emitted_at": 1700000000000}
    if namespace is not None:
        body["namespace"] = namespace
    return line({"type": "RECORD", "record": body | more})


def descriptor(stream: str, namespace: str | None = None) -> dict[str, Any]:
    return {"name": stream} | ({} if namespace is None else {"namespace": namespace})


def stream_state(stream: str = "users", blob: Any = None, namespace: str | None = None, **more: Any) -> bytes:
    body = {
        "type": "STREAM",
        "stream": {"stream_descriptor": descriptor(stream, namespace), "stream_state": {} if blob is None else blob},
    }
    return line({"type": "STATE", "state": body | more})


def global_state(shared: Any, streams: dict[str, Any], **more: Any) -> bytes:
    states = [{"stream_descriptor": descriptor(name), "stream_state": blob} for name, blob in streams.items()]
    body = {"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": states}}
    return line({"type": "STATE", "state": body | more})


def legacy_state(data: Any, **more: Any) -> bytes:
    return line({"type": "STATE", "state": {"data": data} | more})


def log(message: str, level: str = "INFO", **more: Any) -> bytes:
    return line({"type": "LOG", "log": {"level": level, "message": message} | more})


def error(message: str = "no luck", stream: str | None = None, **more: Any) -> bytes:
    body = {"message": message} | more
    if stream is not None:
        body["stream_descriptor"] = descriptor(stream)
    return line({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.0, "error": body}})


def status(stream: str, value: str, namespace: str | None = None, **more: Any) -> bytes:
    body = {"stream_descriptor": descriptor(stream, namespace), "status": value} | more
    return line({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": body}})


def rate_limited(stream: str, quota_reset: Any = None, namespace: str | None = None) -> bytes:
    """The status of a stream that waits until `quota_reset` (ms since the epoch), or nobody knows until when."""
    reason = {"type": "RATE_LIMITED"} | ({} if quota_reset is None else {"rate_limited": {"quota_reset": quota_reset}})
    return status(stream, "RUNNING", namespace, reasons=[reason])


class RememberedLog:
    """A job log that can be asked what it was told."""

    def __init__(self) -> None:
        self.redact = Redactor()
        self.lines: list[tuple[str, str, str]] = []
        self.streams: list[StreamKey | None] = []
        """What each line is about."""

    def __call__(self, leg: str, level: str, text: str, stream: StreamKey | None = None) -> None:
        self.lines.append((str(leg), level, text))
        self.streams.append(stream)

    def texts(self, level: str | None = None) -> list[str]:
        return [text for _, each, text in self.lines if level in (None, each)]

    def about(self, *stream: str | None) -> list[str]:
        """What was said of a stream (its name and namespace)."""
        return [text for (_, _, text), about in zip(self.lines, self.streams, strict=True) if about == stream]


class Attempt:
    """Both sides of one attempt; what is acknowledged is durable when `commit` is called, not before."""

    def __init__(
        self,
        *streams: str | StreamKey,
        staged_states_bytes: int = 1 << 20,
        allow_malformed: bool = False,
        routes: Iterable[Route] = (),
        measures: Measures = UNMEASURED,
    ) -> None:
        keys = [each if isinstance(each, tuple) else (each, None) for each in streams or ("users",)]
        self.log = RememberedLog()
        self.ledger = Ledger(
            keys,
            self.log,
            staged_states_bytes=staged_states_bytes,
            allow_malformed=allow_malformed,
            measures=measures,
        )
        ways = Routes(routes)
        self._source = SourceSide(self.ledger, routes=ways)
        self._destination = DestinationSide(self.ledger, ways)

    def source(self, *lines: bytes) -> list[bytes]:
        """What goes on to the destination, line by line."""
        return b"".join(self._source.take(b"".join(lines))).splitlines(keepends=True)

    def blocks(self, *blocks: bytes) -> tuple[bytes, Failure | None]:
        """What goes on of blocks of whole lines until their end, or until one of them ends the attempt."""
        parts: list[bytes] = []
        try:
            for block in blocks:
                parts.extend(self._source.take(block))
        except ReplicationFailed as failed:
            return b"".join(parts), failed.failure
        return b"".join(parts), None

    def destination(self, *lines: bytes) -> None:
        self._destination.take(b"".join(lines))

    def echo(self, *lines: bytes, **more: Any) -> None:
        """The destination sends back what it was given, with `more` in its states, and it is made durable."""
        for each in lines:
            message = json.loads(each)
            self.destination(line(message | {"state": message["state"] | more}))
        self.commit()

    def commit(self) -> Batch | None:
        batch = self.ledger.take_batch()
        if batch is not None:
            self.ledger.committed(batch)
        return batch

    def empty_states(self) -> list[bytes]:
        return list(self._source.empty_states())

    def statuses(self) -> list[dict[str, Any]]:
        return [json.loads(each)["trace"]["stream_status"] for each in self._source.statuses()]

    def evidence(self, ends: Ends = WELL) -> Evidence:
        return self.ledger.evidence(ends)

    @property
    def failures(self) -> list[Failure]:
        return self.ledger.failures

    def counts(self, *, succeeded: bool = False) -> dict[str, tuple[int, int, int]]:
        """Per stream: emitted, committed, rejected."""
        rows = stream_counts(self.ledger.streams.values(), succeeded=succeeded, ended=True)
        return {row.name: (row.records_emitted, row.records_committed, row.records_rejected) for row in rows}
