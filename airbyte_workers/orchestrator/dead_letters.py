"""Dead letters of one attempt: records that do not fit their schema, and lines that were lost, as JSON lines.

They are a customer's data, so they are kept only where the connection's owner asks for it. They lie beside the log of
the attempt and go with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
from msgspec import Raw

from airbyte_workers.models import DeadLetterCounts, FailureOrigin
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.redaction import Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.store.log_objects import dead_letter_key
from airbyte_workers.store.objects import Objects, StorageError

Entry = dict[str, str | Sequence[str] | Raw | None]


@dataclass(frozen=True)
class DeadLetterLimits:
    """How much is kept, of one record or line and of all, and the size of an object, bytes."""

    all_bytes: int
    one_characters: int
    object_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        return cls(settings.max_dead_letter_bytes, settings.max_dead_letter_line_bytes, settings.log_chunk_bytes)


class DeadLetterWriter:
    """Takes them at any speed; `flush` brings them to storage. What waits for it is no more than is kept at all."""

    def __init__(self, objects: Objects, folder: str, redact: Redactor, limits: DeadLetterLimits) -> None:
        """`folder`: that of the attempt's log."""
        self._objects = objects
        self._folder = folder
        self._redact = redact
        self._limits = limits
        self._size = 0
        self._number = 0  # of the newest object
        self._full: deque[bytes] = deque()  # the objects before it that are not written
        self._newest = bytearray()
        self._written = 0  # bytes of it that are in storage
        self._kept = 0
        self._left_out = 0

    @property
    def counts(self) -> DeadLetterCounts:
        """How many are kept, written or not, and how many found no room."""
        return DeadLetterCounts(kept=self._kept, left_out=self._left_out)

    def invalid(self, stream: StreamKey, reasons: Sequence[str], data: bytes) -> None:
        """A record that does not fit, and why. `data` as it stood, as a text where it is cut or no JSON any more."""
        name, namespace = stream
        text, whole = self._shown(data)
        entry: Entry = {
            "stream": self._redact(name),
            "namespace": namespace and self._redact(namespace),
            "reasons": [self._redact(reason) for reason in reasons],
        }
        if whole and _is_json(text):
            entry["record"] = Raw(text.encode())
        else:
            entry["record_text"] = text
        self._keep(entry)

    def malformed(self, line: bytes) -> None:
        """A line that looks like a record or a state, and could not be read."""
        text, _ = self._shown(line.rstrip(b"\r\n"))
        self._keep({"reason": "malformed", "line": text})

    async def flush(self) -> None:
        """Write what is new; when storage does not answer it stays for the next time."""
        try:
            while self._full:
                number = self._number - len(self._full)
                await self._objects.put(dead_letter_key(self._folder, number), self._full[0])
                self._full.popleft()
            if len(self._newest) > self._written:
                number, body = self._number, bytes(self._newest)
                await self._objects.put(dead_letter_key(self._folder, number), body)
                if number == self._number:  # else it is full by now, and is written once more
                    self._written = len(body)
        except StorageError:
            return

    def _shown(self, data: bytes) -> tuple[str, bool]:
        """The text without secrets; False: it was cut."""
        text = data.decode(errors="replace")
        return self._redact.cut(text, self._limits.one_characters, leg=FailureOrigin.SOURCE)

    def _keep(self, entry: Entry) -> None:
        line = msgspec.json.encode(entry) + b"\n"
        if self._size + len(line) > self._limits.all_bytes:
            self._left_out += 1
            return
        if self._newest and len(self._newest) + len(line) > self._limits.object_bytes:
            self._full.append(bytes(self._newest))
            self._newest, self._written = bytearray(), 0
            self._number += 1
        self._newest += line
        self._size += len(line)
        self._kept += 1


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
