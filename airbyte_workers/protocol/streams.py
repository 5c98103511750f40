"""What tells one stream from another: its name and its namespace."""

from __future__ import annotations

from airbyte_workers.protocol.messages import Stream

StreamKey = tuple[str, str | None]


def stream_key(name: str, namespace: str | None) -> StreamKey:
    """The identity of a stream; an empty namespace is no namespace."""
    return name, namespace or None


def key_of(stream: Stream) -> StreamKey:
    return stream_key(stream.name, stream.namespace)


def shown(key: StreamKey) -> str:
    """A stream as people read it: `namespace.name`, or just its name."""
    name, namespace = key
    return f"{namespace}.{name}" if namespace else name
