"""What a pod's container is asked of the engine: pure, from a spec and what is known of its image to the API's body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airbyte_workers.names import Role
from airbyte_workers.pods.pod import ContainerLimits, LaunchFailed, PodSpec

FOLDER = "/airbyte-pod"
"""Where a connector's container sees its folder; not below /airbyte, where images keep their code."""
SHELL = "/bin/sh"
OWN_SHELL = f"{FOLDER}/sh"
WRAPPER_NAME = "connector_wrapper.sh"
LOCAL = "/local"
LABEL = "airbyte-workers"
STACK_LABEL, POD_LABEL, ROLE_LABEL = f"{LABEL}.stack", f"{LABEL}.pod", f"{LABEL}.role"
ROLES_LABEL, OWN_LABELS = f"{LABEL}.roles", f"{LABEL}.labels"
EVALUATE = 'eval "set -- $AIRBYTE_ENTRYPOINT \\"\\$@\\""; exec "$@"'
"""Keeps quotes and arguments of the variable; what comes after it is never evaluated (decisions.md, "The pod")."""


@dataclass(frozen=True)
class ImageFacts:
    """What of an image decides how its program is started."""

    name: str
    id: str
    entrypoint: tuple[str, ...] = ()
    has_variable: bool = False
    user: str = ""

    @classmethod
    def of(cls, name: str, seen: Mapping[str, Any]) -> ImageFacts:
        """Read what the engine tells of an image."""
        config = seen.get("Config") or {}
        variables = dict(each.partition("=")[::2] for each in config.get("Env") or ())
        return cls(
            name=name,
            id=str(seen["Id"]),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            has_variable=bool(variables.get("AIRBYTE_ENTRYPOINT", "").strip()),
            user=str(config.get("User") or ""),
        )

    def words(self, arguments: Sequence[str], shell: str = SHELL) -> tuple[str, ...]:
        """The connector's command line. AIRBYTE_ENTRYPOINT comes first, as upstream. Raises LaunchFailed."""
        if self.has_variable:
            return (shell, "-c", EVALUATE, "sh", *arguments)
        if self.entrypoint:
            return (*self.entrypoint, *arguments)
        raise LaunchFailed(f"{self.name} is not a connector: it has neither AIRBYTE_ENTRYPOINT nor an entrypoint")


@dataclass(frozen=True)
class Mount:
    """A folder of the engine's host, or a named volume, inside a container."""

    source: str
    target: str
    volume: bool = False
    relabel: bool = False

    def __post_init__(self) -> None:
        if ":" in self.source:
            raise LaunchFailed(f"{self.source} cannot be mounted into a container: there is a colon in its path")

    def __str__(self) -> str:
        """As the API's `Binds` has it; SELinux hosts let a container use a folder only under a label of its own."""
        return f"{self.source}:{self.target}:rw" + (",z" if self.relabel else "")


@dataclass(frozen=True)
class ContainerPlan:
    """One container, before the engine is asked for it."""

    image: ImageFacts
    words: tuple[str, ...]
    labels: Mapping[str, str]
    network: str
    mounts: tuple[Mount, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    user: str | None = None

    def config(self) -> dict[str, Any]:
        """The body of the API's `create`. No standard streams, nothing logged, nothing kept by the engine."""
        body: dict[str, Any] = {
            "Image": self.image.name,
            "Entrypoint": list(self.words[:1]),
            "Cmd": list(self.words[1:]),
            "Env": [f"{name}={value}" for name, value in self.variables.items()],
            "Labels": dict(self.labels),
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": self._host_config(),
        }
        return body if self.user is None else {**body, "User": self.user}

    def _host_config(self) -> dict[str, Any]:
        limits = self.limits
        return {
            "Init": True,  # a first process that hands signals on and reaps what its children leave
            "LogConfig": {"Type": "none", "Config": {}},
            "NetworkMode": self.network,
            "Binds": [str(mount) for mount in self.mounts],
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["MKNOD"],  # its folder may be one of this host's, where a device would be a real one
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,  # its exit code is read before it goes
            **({"NanoCpus": round(limits.cpus * 1e9)} if limits.cpus else {}),
            **({"Memory": limits.memory_bytes, "MemorySwap": limits.memory_bytes} if limits.memory_bytes else {}),
            **({"PidsLimit": limits.pids} if limits.pids else {}),
        }

    def refused(self, seen: Mapping[str, Any]) -> Iterator[str]:
        """What the engine did not take over, one phrase each: a limit that is not in force is no limit."""
        given = seen.get("HostConfig") or {}
        for name, wanted in self._host_config().items():
            if name in _VERIFIED and _plain(given.get(name)) != _plain(wanted):
                yield f"{_VERIFIED[name]} is {_plain(given.get(name))} instead of {_plain(wanted)}"


_VERIFIED = {
    "Init": "init process",
    "LogConfig": "log driver",
    "NanoCpus": "CPU limit (in 10^-9 cores)",
    "Memory": "memory limit",
    "PidsLimit": "limit of processes",
}


def _plain(value: Any) -> Any:
    return value.get("Type") if isinstance(value, Mapping) else value


def wrapped(words: Sequence[str], mode: str, folder: str, shell: str = SHELL) -> tuple[str, ...]:
    """The command line of a container: the wrapper, which starts the words joined to the folder's FIFOs."""
    return (shell, f"{folder}/{WRAPPER_NAME}", mode, folder, *words)


def container_labels(stack: str, spec: PodSpec, role: Role) -> dict[str, str]:
    """The pod's own labels as they are, and ours by which containers are found again."""
    ours = {STACK_LABEL: stack, POD_LABEL: spec.name, ROLE_LABEL: role}
    return {**found_labels(spec.labels, spec.roles), **ours}


def found_labels(own: Mapping[str, str], roles: Sequence[Role]) -> dict[str, str]:
    """What `pod_labels` and `pod_roles` read."""
    return {**own, ROLES_LABEL: ",".join(roles), OWN_LABELS: ",".join(own)}


def pod_labels(seen: Mapping[str, str]) -> dict[str, str]:
    """The pod's own labels among those of a container, to which its image adds others."""
    names = [name for name in seen.get(OWN_LABELS, "").split(",") if name]
    return {name: seen[name] for name in names if name in seen}


def pod_roles(seen: Mapping[str, str]) -> tuple[Role, ...]:
    """Every role of the pod, as each of its containers carries them."""
    return tuple(Role(name) for name in seen.get(ROLES_LABEL, "").split(",") if name)


def user_parts(user: str) -> tuple[str, str]:
    """The user and the group of an image's USER; empty where it does not say."""
    name, _, group = user.partition(":")
    return name or "0", group


def find_user(name: str, passwd: bytes) -> tuple[int, int] | None:
    """The numeric user and group of a name (or number) in /etc/passwd."""
    for line in passwd.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and name in (fields[0], fields[2]) and fields[2].isdecimal() and fields[3].isdecimal():
            return int(fields[2]), int(fields[3])
    return None
