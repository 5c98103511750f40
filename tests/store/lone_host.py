"""The host of a pod that is alone: what somebody finds there who comes to remove it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lone_pod import Pod
from still_launcher import StillLauncher

from airbyte_workers.names import JOURNAL


@dataclass
class Host(StillLauncher):
    """Where a pod's folder is."""

    pod: Pod
    killed: list[str] = field(default_factory=list)

    async def journal(self, pod: str) -> bytes | None:
        return content(self.pod)

    async def kill(self, pod: str) -> None:
        self.killed.append(pod)


def content(pod: Pod) -> bytes | None:
    path = pod.own / JOURNAL
    return path.read_bytes() if path.exists() else None
