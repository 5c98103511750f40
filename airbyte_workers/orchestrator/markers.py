"""Markers: the truth about a pod's end, in object storage where every worker can read it (decisions.md, "Launchers").

Each is an object of its own, `state/<pod>/<MARKER>`; they are never deleted by the pod, so several can be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from airbyte_workers.store.objects import Objects, marker_folder


class Marker(StrEnum):
    """In the order of a pod's life; NOT_STARTED is the absence of all others."""

    NOT_STARTED = "NOT_STARTED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


READ_ORDER = (Marker.FAILURE, Marker.SUCCESS, Marker.RUNNING, Marker.INITIALIZING)
FINAL = frozenset({Marker.SUCCESS, Marker.FAILURE})


@dataclass(frozen=True)
class FoundMarker:
    """The furthest marker of a pod; `body` is the summary of a final one."""

    marker: Marker
    body: bytes = b""

    @property
    def final(self) -> bool:
        return self.marker in FINAL


class Markers:
    """The markers of one pod."""

    def __init__(self, objects: Objects, pod: str) -> None:
        self._objects = objects
        self._prefix = marker_folder(pod)

    async def write(self, marker: Marker, body: bytes = b"") -> None:
        """Say that the pod has come so far. Raises StorageError."""
        await self._objects.put(f"{self._prefix}/{marker}", body)

    async def read(self) -> FoundMarker:
        """How far the pod is. Raises StorageError."""
        for marker in READ_ORDER:
            body = await self._objects.get(f"{self._prefix}/{marker}")
            if body is not None:
                return FoundMarker(marker, body)
        return FoundMarker(Marker.NOT_STARTED)

    async def ends(self) -> Sequence[bytes]:
        """The bodies of all its final markers: a watcher may have written one beside its own. Raises StorageError."""
        bodies = [await self._objects.get(f"{self._prefix}/{marker}") for marker in FINAL]
        return [body for body in bodies if body is not None]

    async def clear(self) -> None:
        """Forget the pod's markers: another database's pod of this name left them. Raises StorageError."""
        for key in await self._objects.keys(self._prefix):
            await self._objects.delete(key)
