"""Pods as processes of this host: no engine needed, no isolation promised.

They survive the Temporal worker that started them (each has a session of its own), but not its container or cgroup.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import Role
from airbyte_workers.pods import process_starting
from airbyte_workers.pods.environments import Environments, Executable
from airbyte_workers.pods.folders import PodFolders, fill
from airbyte_workers.pods.host_processes import COLD, HostProcesses, OwnProgram
from airbyte_workers.pods.locks import exclusive, to_its_end
from airbyte_workers.pods.pod import ContainerSpec, LaunchFailed, PodSpec, PodStatus, Program, RemovalFailed, blaming
from airbyte_workers.pods.process_starting import START_ORDER, STARTED
from airbyte_workers.settings import Settings


class ProcessLauncher:
    """The launcher `process`. Any number of them may work on the same folder, in any number of processes."""

    name = "process"

    def __init__(self, settings: Settings, *, program: OwnProgram = COLD) -> None:
        self._settings = settings
        self._folders = PodFolders(settings.pods_dir.absolute())
        self._environments = Environments(settings)
        self._processes = HostProcesses(settings, self._folders, program)

    async def problem(self) -> str | None:
        """None: a program of this host needs nobody."""

    async def prepare(self, program: Program) -> str:
        """Install the connector or find it; returns the path of what will be started. Raises LaunchFailed."""
        return (await self._environments.executable(program)).words[0]

    async def launch(self, spec: PodSpec) -> PodStatus:
        """Start the pod, or adopt the one of this name. Raises LaunchFailed, and then nothing of it is left."""
        if not await self._launched(spec.name):
            executables = {each.role: await self._executable(each) for each in spec.containers}
            async with exclusive(self._folders.lock(spec.name)):
                if not await self._launched(spec.name):
                    await self._start_all(spec, executables)
        return await self.inspect(spec.name)

    async def inspect(self, pod: str) -> PodStatus:
        """What can be seen of the pod now."""
        return await asyncio.to_thread(self._look, pod)

    async def journal(self, pod: str) -> bytes | None:
        """What the pod's orchestrator has left uncommitted."""
        return await asyncio.to_thread(self._folders.journal, pod)

    async def own_log(self, pod: str) -> bytes:
        """The end of what the pod's own program has logged."""
        return await asyncio.to_thread(self._folders.own_log, pod, self._settings.pod_log_bytes)

    async def report_exits(self, pod: str) -> None:
        """Nothing to tell: a wrapper that was killed may have left its connector running."""

    async def list(self) -> list[PodStatus]:
        """Every pod that has a folder here, also those whose processes are gone."""
        seen = await asyncio.to_thread(lambda: [self._look(pod) for pod in self._folders.names(self.name)])
        return [status for status in seen if status.exists]

    async def terminate(self, pod: str) -> None:
        """Ask the orchestrator to end the pod in order. Does not wait."""
        await self._processes.terminate_orchestrator(pod)

    async def kill(self, pod: str) -> None:
        """End every process of the pod at once and wait until they are gone. Raises RemovalFailed."""
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._processes.kill(pod)
        except TimeoutError:
            raise await self._not_removed(pod) from None

    async def remove(self, pod: str) -> None:
        """End what still runs and delete the pod's folder. Raises RemovalFailed when something is left."""
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._processes.kill(pod)  # ends a launch that is under way, too: its orchestrator is gone
                await failpoints.passed(Failpoint.TEARDOWN_HALF_DONE, pod)
                async with exclusive(self._folders.lock(pod)):
                    await self._processes.clear(
                        pod, looks=1
                    )  # whoever has the lock knows that nothing is being started
                    await to_its_end(self._folders.lock(pod).unlink, missing_ok=True)
        except TimeoutError:
            raise await self._not_removed(pod) from None
        if await self.remains(pod):
            raise await self._not_removed(pod)

    async def remains(self, pod: str) -> tuple[str, ...]:
        """What is still there of the pod; empty is the proof that nothing is."""
        return await asyncio.to_thread(self._processes.remains, pod)

    # --- starting ---

    async def _launched(self, pod: str) -> bool:
        try:
            record = await asyncio.to_thread(self._folders.read, pod)
        except ValueError as error:
            raise LaunchFailed(str(error)) from error
        return record is not None and (record.launched or set(record.roles) <= set(record.processes))

    async def _executable(self, container: ContainerSpec) -> Executable:
        with blaming(container.role):
            return await self._environments.executable(container.program)

    async def _start_all(self, spec: PodSpec, executables: dict[Role, Executable]) -> None:
        await self._processes.clear(spec.name)  # what a launcher that was killed half-way left
        try:
            record = await to_its_end(self._folders.make, spec, self.name, fill)
            record = await self._processes.start_orchestrator(record)
            for container in sorted(spec.containers, key=lambda each: START_ORDER.index(each.role)):
                start = process_starting.connector(record, self._folders, container, executables[container.role])
                record = await self._processes.start(record, start)
                await failpoints.passed(STARTED[container.role], container.role)
            await to_its_end(self._folders.write, record.complete())
        except (OSError, ValueError) as error:
            await self._abandon(spec.name)
            passing = isinstance(error, OSError)
            raise LaunchFailed(f"pod {spec.name} could not be started: {error}", retryable=passing) from error
        except BaseException:
            await self._abandon(spec.name)
            raise

    # --- looking and ending ---

    def _look(self, pod: str) -> PodStatus:
        record = self._folders.read(pod)
        if record is None:
            return PodStatus(pod)
        return PodStatus(pod, tuple(self._processes.look(record, role) for role in record.roles), record.labels)

    async def _abandon(self, pod: str) -> None:
        """A launch failed or was cancelled: end what it started. What resists is left to the reaper."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._processes.clear(pod)

    async def _not_removed(self, pod: str) -> RemovalFailed:
        left = await self.remains(pod)
        return RemovalFailed(
            f"pod {pod} is still there after its removal: {'; '.join(left) or 'a process still holds its lock'}"
        )
