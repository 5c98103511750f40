"""What a pod's own program says of itself: lines of the same shape as a Temporal worker's, on its stderr.

Its stderr is a file of the pod that goes with it; whoever watches the pod repeats it in his own log before.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from typing import Any, TextIO

from airbyte_workers.names import sync_workflow_id
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.redaction import Redactor
from airbyte_workers.telemetry import shape

_OF_RECORDS = frozenset({*vars(logging.makeLogRecord({})), "message", "taskName"})
_log = logging.getLogger(__name__)


def logged(program: Callable[[], int | None]) -> int:
    """Run a program to its exit code; what it does not catch is a line of its log, too."""
    with own_log():
        try:
            return program() or 0
        except Exception:
            _log.exception("program failed")
            return 1


@contextmanager
def own_log(redact: Redactor | None = None, keys: shape.Fields | None = None, level: str = "INFO") -> Iterator[None]:
    """Whatever is logged, warned of or written to stderr meanwhile goes there as lines without secrets.

    `keys` stand in every line.
    """
    root = logging.getLogger()
    handlers, least = root.handlers, root.level
    stream = sys.stderr.stream if isinstance(sys.stderr, _Written) else sys.stderr
    root.handlers = [_Lines(stream, redact or Redactor(), keys or {})]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    written = _Written(stream)
    with redirect_stderr(written):
        try:
            yield
        finally:
            written.finish()
            logging.captureWarnings(capture=False)
            root.handlers = handlers
            root.setLevel(least)


def keys_of(given: ReplicationInput | ConnectorInput) -> Mapping[str, Any]:
    """What is known of the pod's job; its name tells the job's number and the attempt."""
    workflow_id = sync_workflow_id(given.connection) if given.connection else None
    return {"workflow_id": workflow_id, "connection": given.connection, "pod": given.pod}


class _Lines(logging.Handler):
    """Redacts texts before they become JSON, where a secret of several lines could not be found any more."""

    def __init__(self, stream: TextIO, redact: Redactor, keys: shape.Fields) -> None:
        super().__init__()
        self._stream = stream
        self._redact = redact
        self._keys = keys

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self._line(record) + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # a full disk: there is nobody else to tell, and the pod's work goes on
            return

    def _line(self, record: logging.LogRecord) -> str:
        more = {name: value for name, value in vars(record).items() if name not in _OF_RECORDS}
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        told = {
            "timestamp": shape.moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "exception": trace,
            **more,
        }
        return shape.in_json({**self._keys, **{name: self._shown(value) for name, value in told.items()}})

    def _shown(self, value: object) -> object:
        return value if value is None or isinstance(value, bool | int | float) else self._redact(str(value))


class _Written(io.TextIOBase):
    """Stands in for stderr: what is written there is logged when its line is complete."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._held = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._held = (self._held + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def finish(self) -> None:
        """Half a line can end within a secret, so it is told only when nothing follows it any more."""
        held, self._held = self._held, ""
        self._tell(held)

    def _tell(self, line: str) -> None:
        if line.strip():
            logging.getLogger("stderr").warning("%s", line)
