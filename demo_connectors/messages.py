"""The Airbyte messages our connectors send, and the one way they reach standard output."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STDOUT = 1
WRITE_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What a stream is known by; an empty namespace is none."""

    name: str
    namespace: str | None = None

    @classmethod
    def of(cls, descriptor: Mapping[str, Any]) -> "StreamKey":
        return cls(str(descriptor["name"]), descriptor.get("namespace") or None)

    @property
    def descriptor(self) -> dict[str, str]:
        named = {"name": self.name}
        return named if self.namespace is None else {**named, "namespace": self.namespace}

    def __str__(self) -> str:
        return self.name if self.namespace is None else f"{self.namespace}.{self.name}"


class Failure(Exception):
    """Ends a command with an ERROR trace and exit code 1."""

    failure_type = "system_error"

    def __init__(self, sentence: str, stream: StreamKey | None = None) -> None:
        super().__init__(sentence)
        self.stream = stream


class ConfigError(Failure):
    """The configuration, the catalog or the state is not one we can work with."""

    failure_type = "config_error"


class OutputClosed(Exception):
    """Nobody reads our standard output any more."""


class Output:
    """Standard output, written in large pieces straight to the file descriptor."""

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._size = 0

    def send(self, piece: bytes) -> None:
        if len(piece) >= WRITE_SIZE:
            self.flush()
            self._write(piece)
            return
        self._waiting.append(piece)
        self._size += len(piece)
        if self._size >= WRITE_SIZE:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            whole = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._write(whole)

    def _write(self, piece: bytes) -> None:
        try:
            written = os.write(self._descriptor, piece)
            while written < len(piece):
                written += os.write(self._descriptor, memoryview(piece)[written:])
        except BrokenPipeError as err:
            raise OutputClosed from err


def encode(message: Mapping[str, Any]) -> bytes:
    """One message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def trace(kind: str, body: Mapping[str, Any]) -> bytes:
    return encode({"type": "TRACE", "trace": {"type": kind, "emitted_at": now_ms(), kind.lower(): body}})


def stream_status(stream: StreamKey, status: str) -> bytes:
    return trace("STREAM_STATUS", {"stream_descriptor": stream.descriptor, "status": status})


def error(sentence: str, failure_type: str = "system_error", stream: StreamKey | None = None) -> bytes:
    about = {} if stream is None else {"stream_descriptor": stream.descriptor}
    return trace("ERROR", {"message": sentence, "failure_type": failure_type, **about})


def log(level: str, sentence: str) -> bytes:
    return encode({"type": "LOG", "log": {"level": level, "message": sentence}})


def record(stream: StreamKey, data: Mapping[str, Any]) -> bytes:
    named = {"stream": stream.name}
    if stream.namespace is not None:
        named = {"namespace": stream.namespace, **named}
    return encode({"type": "RECORD", "record": {**named, "data": data, "emitted_at": now_ms()}})


def state(body: Mapping[str, Any]) -> bytes:
    return encode({"type": "STATE", "state": body})


def stream_state(stream: StreamKey, blob: Any) -> dict[str, Any]:
    """The body of a STATE message for one stream; also one entry of a GLOBAL state when unwrapped."""
    return {"type": "STREAM", "stream": {"stream_descriptor": stream.descriptor, "stream_state": blob}}


def specification(schema: Mapping[str, Any], sync_modes: Iterable[str] = ()) -> bytes:
    body: dict[str, Any] = {"protocol_version": "0.2.0", "connectionSpecification": schema}
    if modes := list(sync_modes):
        body["supported_destination_sync_modes"] = modes
    else:
        body["supportsIncremental"] = True
    return encode({"type": "SPEC", "spec": body})


def connection_status(problem: str | None) -> bytes:
    body = {"status": "SUCCEEDED"} if problem is None else {"status": "FAILED", "message": problem}
    return encode({"type": "CONNECTION_STATUS", "connectionStatus": body})
