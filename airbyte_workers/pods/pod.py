"""What a pod is, whatever runs it: its containers, their files and connections, and what can be seen of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from airbyte_workers.names import CONNECTOR_ROLES, JobKind, Role


@dataclass(frozen=True)
class Program:
    """What a connector container runs: an image, or (where the host allows it) a command."""

    image: str | None = None
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The name by which people know the connector."""
        return self.image or self.command[0]


@dataclass(frozen=True)
class ContainerLimits:
    """What a container may use; None: no limit of its own. Processes of the host are not limited."""

    cpus: float | None = None
    memory_bytes: int | None = None
    pids: int | None = None


@dataclass(frozen=True)
class ContainerSpec:
    """One connector of a pod.

    `arguments` may contain `{folder}`: the launcher puts the path there that the connector sees its files under.
    `files` are written to that folder with mode 0400 before anything starts.
    """

    role: Role
    program: Program
    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: ContainerLimits = ContainerLimits()


@dataclass(frozen=True)
class PodSpec:
    """A pod to launch: its connectors and the program that reads them.

    `orchestrator_input` is the content of the orchestrator's own `input.json` (mode 0400; it holds the database
    address).
    `local_root` is the connectors' /local.
    """

    name: str
    kind: JobKind
    containers: tuple[ContainerSpec, ...]
    orchestrator: Role
    orchestrator_input: bytes = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    local_root: Path | None = None
    orchestrator_limits: ContainerLimits = ContainerLimits()

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every container's role, the pod's own program last."""
        return (*(container.role for container in self.containers), self.orchestrator)


@dataclass(frozen=True)
class ContainerStatus:
    """What the launcher sees of one container; `exit_code` is None while it runs and when nobody knows it."""

    role: Role
    running: bool
    exit_code: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class PodStatus:
    """What the launcher sees of a pod; no containers: it does not exist here."""

    name: str
    containers: tuple[ContainerStatus, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        return bool(self.containers)

    @property
    def running(self) -> bool:
        return any(container.running for container in self.containers)

    def container(self, role: Role) -> ContainerStatus | None:
        """The container in this role, if the pod has one."""
        return next((each for each in self.containers if each.role == role), None)


class LaunchFailed(Exception):
    """A pod could not be launched.

    `origin` is the role of the connector whose fault it is, or `airbyte_platform`. `retryable`: the same launch may
    work later (a registry that did not answer); otherwise the input must change.
    """

    def __init__(self, message: str, *, origin: str = "airbyte_platform", retryable: bool = False) -> None:
        super().__init__(message)
        self.origin = origin
        self.retryable = retryable


@contextmanager
def blaming(role: Role) -> Iterator[None]:
    """A launch that fails in here is the connector's own fault: its image is not what it should be."""
    try:
        yield
    except LaunchFailed as error:
        origin = role.value if role in CONNECTOR_ROLES else error.origin
        raise LaunchFailed(str(error), origin=origin, retryable=error.retryable) from error


class LauncherAway(Exception):
    """What runs the pods does not answer, or not as it should: nothing is known of them now, and they go on."""


class Launcher(Protocol):
    """Starts, inspects, stops and removes pods. Every call is idempotent and takes a bounded time.

    Every call but `problem`, `prepare`, `launch`, `kill` and `remove` may raise LauncherAway.
    """

    name: str

    async def problem(self) -> str | None:
        """What keeps every pod from being launched now, in words for people; None: nothing that is known."""

    async def prepare(self, program: Program) -> str:
        """Make the program startable (pull, install); returns what it resolved to. Raises LaunchFailed."""

    async def launch(self, spec: PodSpec) -> PodStatus:
        """Start the pod; a pod of this name that exists already is adopted as it is. Raises LaunchFailed."""

    async def inspect(self, pod: str) -> PodStatus:
        """What can be seen of the pod now."""

    async def journal(self, pod: str) -> bytes | None:
        """What the pod's orchestrator has left uncommitted (store/journals.py); None: nothing."""

    async def own_log(self, pod: str) -> bytes:
        """The end of what the pod's own program has logged (orchestrator/own_log.py); it goes with the pod."""

    async def report_exits(self, pod: str) -> None:
        """Tell the pod's own program of connectors that ended without being able to say so themselves."""

    async def list(self) -> list[PodStatus]:
        """Every pod of this launcher on this host, also those whose processes are gone."""

    async def terminate(self, pod: str) -> None:
        """Ask the orchestrator to end the pod in order: stop the source, drain, stop the destination. Does not wait."""

    async def kill(self, pod: str) -> None:
        """End every process of the pod at once and wait until they are gone."""

    async def remove(self, pod: str) -> None:
        """End what still runs and delete the pod's files. Raises RemovalFailed when something is left."""

    async def remains(self, pod: str) -> tuple[str, ...]:
        """What is still there of the pod, one line each; empty is the proof that nothing is."""


class RemovalFailed(Exception):
    """Something of a pod is still there after its removal."""
