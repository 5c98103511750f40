"""What every misbehaving connector can be told; each takes from it what it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from demo_connectors.configuration import COUNT, COUNT_OR_NAMES, TEXT, one_of, option
from demo_connectors.messages import StreamKey

UNKNOWN = StreamKey("no_such_stream")
STREAM_ERROR, SOURCE_ERROR, INCOMPLETE = "stream error", "source error", "incomplete"


@dataclass(frozen=True, kw_only=True)
class MisbehavingConfig:
    streams: int | Sequence[str] = option(COUNT_OR_NAMES, "How many streams (stream_0, ...), or their names", 1)
    namespace: str | None = option(TEXT, "Namespace of every stream", None)
    records: int = option(COUNT, "Records of each stream", 10)
    size: int = option(COUNT, "Bytes of the huge line, or of the flood on standard error", 1 << 20)
    lines: int = option(COUNT, "Lines a destination reads before it misbehaves", 5)
    kept: int = option(COUNT, "Records of each stream that a state of their own covers before it misbehaves", 0)
    trouble: str = option(
        one_of(STREAM_ERROR, SOURCE_ERROR, INCOMPLETE), "What is said of a stream that breaks", STREAM_ERROR
    )
    path: str | None = option(TEXT, "Not used; so that a destination's configuration fits", None)
