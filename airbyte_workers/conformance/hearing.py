"""What a connector says beside its data: log messages, errors, lines that are no messages, its stderr."""

from __future__ import annotations

from airbyte_workers.conformance.seen import Talk
from airbyte_workers.protocol.messages import MESSAGE_TYPES, MessageType, Trace
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.decoding import Sniffed, looks_like_control, looks_like_data
from airbyte_workers.replication.traces import lost_error, read_trace

_LONGEST = 300  # characters of a text that is told
_MOST_ERRORS = 10


class Ear:
    """Counts while it is told line by line. `leg` is whose words these are, source or destination."""

    def __init__(self, leg: str, redact: Redactor) -> None:
        self._leg = leg
        self._redact = redact
        self._logs = self._junk = self._lost = self._stderr_lines = 0
        self._first_junk = self._last_words = ""
        self._errors: list[str] = []
        self._types: list[str] = []
        self._longest = self._bytes = 0

    def line(self, line: bytes, sniffed: Sniffed | None) -> Trace | None:
        """Any line that is no record, state or answer; a trace that is no error is given back."""
        kind = sniffed.type if sniffed is not None else ""
        if kind == MessageType.LOG:
            self._logs += 1
        elif kind == MessageType.TRACE:
            return self._trace(line)
        elif kind not in MESSAGE_TYPES:
            self.junk(line)
        return None

    def measure(self, line: bytes) -> None:
        """Every line, whatever it is."""
        self._longest = max(self._longest, len(line) - 1)
        self._bytes += len(line)

    def junk(self, line: bytes, *, is_data: bool = False) -> None:
        """A line that is no message; `is_data`: it was meant as one. Its content is told where it cannot be data."""
        text = line.decode(errors="replace").strip()
        if not text:
            return
        if is_data or looks_like_data(line):
            self._lost += 1
            return
        if (trace := lost_error(line)) is not None:
            self._error(trace)
        self._junk += 1
        if not self._first_junk and not looks_like_control(line):
            self._first_junk = self._told(text)

    def stderr(self, _: str, __: str, text: str) -> None:
        """A line of it, as `Leg.read_stderr` gives them."""
        self._stderr_lines += 1
        self._last_words = text

    def talk(self, *, stderr_bytes: int, stdout_bytes: int) -> Talk:
        """All of it; the bytes are those that came through the pipes."""
        return Talk(
            logs=self._logs,
            junk=self._junk,
            first_junk=self._first_junk,
            lost=self._lost,
            errors=tuple(self._errors),
            error_types=tuple(self._types),
            stderr_lines=self._stderr_lines,
            stderr_bytes=stderr_bytes,
            last_words=self._told(self._last_words.strip()),
            longest_line=self._longest,
            has_last_newline=self._bytes <= stdout_bytes,  # one that was missing has been put there
        )

    def _trace(self, line: bytes) -> Trace | None:
        trace = read_trace(line)
        if trace is None:
            self.junk(line)
        elif trace.type == "ERROR":
            self._error(trace)
            return None
        return trace

    def _error(self, trace: Trace) -> None:
        if len(self._errors) < _MOST_ERRORS:
            error = trace.error
            words = (error.message, error.internal_message) if error is not None else ()
            self._errors.append(self._told(": ".join(filter(None, dict.fromkeys(words)))) or "without words")
            self._types.append((error.failure_type if error is not None else None) or "system_error")

    def _told(self, text: str) -> str:
        shown, _ = self._redact.cut(" ".join(text.split()), _LONGEST, leg=self._leg)
        return shown
