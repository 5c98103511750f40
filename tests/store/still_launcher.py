"""A launcher that has no pods and does nothing: tests say only what theirs does."""

from __future__ import annotations

from airbyte_workers.pods.pod import PodSpec, PodStatus, Program


class StillLauncher:
    """Every call of a launcher, answered with nothing."""

    name = "process"

    async def problem(self) -> str | None:
        return None

    async def prepare(self, program: Program) -> str:
        return str(program)

    async def launch(self, spec: PodSpec) -> PodStatus:
        raise AssertionError("nothing is launched")

    async def inspect(self, pod: str) -> PodStatus:
        return PodStatus(pod)

    async def list(self) -> list[PodStatus]:
        return []

    async def journal(self, pod: str) -> bytes | None:
        return None

    async def own_log(self, pod: str) -> bytes:
        return b""

    async def report_exits(self, pod: str) -> None: ...

    async def terminate(self, pod: str) -> None: ...

    async def kill(self, pod: str) -> None: ...

    async def remove(self, pod: str) -> None: ...

    async def remains(self, pod: str) -> tuple[str, ...]:
        return ()
