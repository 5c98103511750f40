"""The containers of this stack on one engine: made under the right name, found again by their labels, looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_workers.names import Role, container_name
from airbyte_workers.pods.container_plan import (
    POD_LABEL,
    ROLE_LABEL,
    STACK_LABEL,
    ContainerPlan,
    container_labels,
    find_user,
    user_parts,
)
from airbyte_workers.pods.engine import Engine, EngineError, is_conflict
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed, PodSpec

_RUNNING = frozenset({"running", "paused", "restarting"})


class Creator:
    """Makes and finds the containers of one stack."""

    def __init__(self, engine: Engine, stack: str) -> None:
        self.engine = engine
        self._stack = stack

    def filters(self, pod: str | None = None, role: Role | None = None) -> list[str]:
        """The labels by which the engine finds what is ours."""
        filters = [f"{STACK_LABEL}={self._stack}"]
        filters += [f"{POD_LABEL}={pod}"] if pod is not None else []
        return filters + ([f"{ROLE_LABEL}={role}"] if role is not None else [])

    def labels(self, spec: PodSpec, role: Role) -> dict[str, str]:
        """What the container in this role carries."""
        return container_labels(self._stack, spec, role)

    async def create(self, pod: str, role: Role, plan: ContainerPlan) -> str:
        """The id of the new container, whose limits are verified to be in force. Raises LaunchFailed, EngineError.

        Its name is the pod's; where another stack on this engine has a pod of that name, with ours behind it.
        """
        plain = container_name(pod, role)
        try:
            created = await self.engine.create(plain, plan.config())
        except EngineError as error:
            if not is_conflict(error):
                raise
            await self._refuse_own(plain, pod)
            created = await self.engine.create(f"{plain}-{self._stack}", plan.config())
        await self._verify(created, plan, plain)
        return created

    async def _refuse_own(self, name: str, pod: str) -> None:
        taken = await self.engine.inspect(name)
        if taken is not None and _labels(taken).get(STACK_LABEL) == self._stack:
            raise LaunchFailed(f"pod {pod} is being launched by somebody else", retryable=True)

    async def _verify(self, created: str, plan: ContainerPlan, name: str) -> None:
        seen = await self.engine.inspect(created) or {}
        if refused := "; ".join(plan.refused(seen)):
            await self.engine.remove(created)
            raise LaunchFailed(
                f"{self.engine.name} did not take over what container {name} needs: {refused}"
                " (a limit that is not asked for is not needed: see the settings of containers)"
            )

    async def containers(self, pod: str | None = None) -> Sequence[Mapping[str, Any]]:
        """The pod's containers as the engine lists them, or those of every pod."""
        return await self.engine.list(self.filters(pod))

    async def find(self, pod: str, role: Role) -> str | None:
        """The id of one container."""
        found = await self.engine.list(self.filters(pod, role))
        return str(found[0]["Id"]) if found else None

    async def status(self, role: Role, container: str) -> ContainerStatus:
        """How a container is, with its exit code once it has ended: the engine's word is the truth."""
        seen = await self.engine.inspect(container)
        if seen is None:
            return ContainerStatus(role, running=False, detail="gone")
        state = seen.get("State") or {}
        if state.get("Status") in _RUNNING:
            return ContainerStatus(role, running=True)
        if state.get("Status") == "created":
            return ContainerStatus(role, running=False, detail=str(state.get("Error") or "not started"))
        return ContainerStatus(role, running=False, exit_code=state.get("ExitCode"), detail=_why(seen))


def role_of(container: Mapping[str, Any]) -> Role:
    """The role of a container as the engine lists it."""
    return Role(container["Labels"][ROLE_LABEL])


def was_started(container: Mapping[str, Any]) -> bool:
    """Whether a listed container was ever started."""
    return container.get("State") != "created"


def is_running(container: Mapping[str, Any]) -> bool:
    """Whether a listed container runs."""
    return container.get("State") in _RUNNING


def memory_killed(seen: Mapping[str, Any]) -> int | None:
    """The memory limit in bytes at which the kernel killed something of an inspected container; 0: it has none."""
    if not (seen.get("State") or {}).get("OOMKilled"):
        return None
    return int((seen.get("HostConfig") or {}).get("Memory") or 0)


async def user_of(engine: Engine, container: str, user: str, image: str) -> tuple[int, int]:
    """The numeric user and group that the image's USER stands for. Raises LaunchFailed."""
    name, group = user_parts(user)
    if name.isdecimal() and group.isdecimal():
        return int(name), int(group)
    found = find_user(name, await engine.get(container, "/etc/passwd") or b"")
    if found is None and not name.isdecimal():
        raise LaunchFailed(f"image {image} runs as user {name}, whom its /etc/passwd does not know")
    uid, gid = found or (int(name), 0)
    return uid, int(group) if group.isdecimal() else gid


def _labels(seen: Mapping[str, Any]) -> Mapping[str, str]:
    return (seen.get("Config") or {}).get("Labels") or {}


def _why(seen: Mapping[str, Any]) -> str:
    limit = memory_killed(seen)
    if limit is not None:
        return f"out of memory, limit {limit / 2**20:,.0f} MiB" if limit else "out of memory"
    return str((seen.get("State") or {}).get("Error") or "")
