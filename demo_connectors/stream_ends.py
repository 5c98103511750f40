"""Which streams of a write have ended, as the stream statuses on its input say."""

from collections.abc import Iterable

from demo_connectors.incoming import Message
from demo_connectors.messages import Failure, StreamKey

TERMINAL = ("COMPLETE", "INCOMPLETE")


class StreamEnds:
    def __init__(self, streams: Iterable[StreamKey]) -> None:
        self._open = dict.fromkeys(streams)

    def take(self, message: Message) -> StreamKey | None:
        """Note what a TRACE says; the result is the stream that it says is complete."""
        trace = message.content.get("trace")
        try:
            if not isinstance(trace, dict) or trace["type"] != "STREAM_STATUS":
                return None
            status = trace["stream_status"]["status"]
            stream = StreamKey.of(trace["stream_status"]["stream_descriptor"])
        except (KeyError, TypeError, AttributeError):
            return None  # a trace we do not need is not ours to judge
        if stream not in self._open or status not in TERMINAL:
            return None
        del self._open[stream]
        return stream if status == "COMPLETE" else None

    def prove(self) -> None:
        """Fail unless every stream has ended: an input that just stops was cut off."""
        if self._open:
            names = ", ".join(str(stream) for stream in self._open)
            raise Failure(f"the input ended without a COMPLETE or INCOMPLETE status for: {names}")
