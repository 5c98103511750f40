"""The folder of a pod: what each container finds there, and the record of what was started."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import JOURNAL, JobKind, Role
from airbyte_workers.pods.pod import ContainerSpec, PodSpec
from airbyte_workers.pods.processes import Identity

POD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
FIFOS = {
    Role.SOURCE: ("out", "err", "control"),
    Role.MAIN: ("out", "err", "control"),
    Role.DESTINATION: ("in", "out", "err", "control"),
}
OWN_FIFOS = ("control",)
OURS = frozenset(
    {"in", "out", "err", "control", "exit_code", "exit_code.tmp", "out_of_memory", "out_of_memory.tmp"}
    | {"connector_wrapper.sh", "sh", "killed"}
)


class Record(msgspec.Struct, frozen=True):
    """`pod.json`: what was launched and which processes it became."""

    name: str
    kind: JobKind
    roles: tuple[Role, ...]
    orchestrator: Role
    labels: dict[str, str]
    local_root: str | None = None
    launcher: str = "process"
    processes: dict[str, Identity] = msgspec.field(default_factory=dict)
    launched: bool = False

    def started(self, role: Role, identity: Identity) -> Record:
        """The record after one more start."""
        return msgspec.structs.replace(self, processes=self.processes | {role.value: identity})

    def complete(self) -> Record:
        """The record after the last start."""
        return msgspec.structs.replace(self, launched=True)


@dataclass(frozen=True)
class PodFolders:
    """The folders of all pods of this host. A pod's folder appears with all its files or not at all."""

    root: Path

    def path(self, pod: str, role: Role | None = None) -> Path:
        """The folder of the pod, or of one of its containers."""
        folder = self.root / check_pod_name(pod)
        return folder / role if role else folder

    def label(self, pod: str) -> str:
        """What the pod's processes carry: pods of other folders on this host have the same names."""
        return str(self.path(pod).resolve())

    def lock(self, pod: str) -> Path:
        """The file that is locked by whoever launches or removes the pod."""
        return self.root / f".{self.path(pod).name}.lock"

    def make(self, spec: PodSpec, launcher: str, fill: Callable[[Path, ContainerSpec], None]) -> Record:
        """Put in everything that is read; `fill` sees to what is in a connector's own folder."""
        folder = self._under_way(spec.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        for container in spec.containers:
            check_file_names(container)
            own = folder / container.role
            own.mkdir(mode=0o700)
            fill(own, container)
        own = folder / spec.orchestrator
        own.mkdir(mode=0o700)
        _write_new(own / "input.json", spec.orchestrator_input)
        for name in OWN_FIFOS:
            os.mkfifo(own / name, 0o600)
        record = Record(
            name=spec.name,
            kind=spec.kind,
            launcher=launcher,
            roles=spec.roles,
            orchestrator=spec.orchestrator,
            labels=dict(spec.labels),
            local_root=str(spec.local_root) if spec.local_root else None,
        )
        _replace(folder / "pod.json", msgspec.json.encode(record))
        folder.rename(self.path(spec.name))
        return record

    def read(self, pod: str) -> Record | None:
        """The pod's record; None when there is no such pod."""
        try:
            return msgspec.json.decode((self.path(pod) / "pod.json").read_bytes(), type=Record)
        except FileNotFoundError:
            return None

    def write(self, record: Record) -> None:
        _replace(self.path(record.name) / "pod.json", msgspec.json.encode(record))

    def exit_code(self, pod: str, role: Role) -> int | None:
        """What the container's wrapper wrote when its program had ended."""
        try:
            return int((self.path(pod, role) / "exit_code").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def journal(self, pod: str) -> bytes | None:
        """What the pod's orchestrator has left uncommitted."""
        try:
            return (self.path(pod, Role.ORCHESTRATOR) / JOURNAL).read_bytes()
        except FileNotFoundError:
            return None

    def own_log(self, pod: str, longest: int) -> bytes:
        """The last so many bytes that the pod's own program has logged."""
        record = self.read(pod)
        if record is None:
            return b""
        try:
            with (self.path(pod, record.orchestrator) / "log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - longest))
                return log.read(longest)
        except FileNotFoundError:
            return b""

    def names(self, launcher: str) -> list[str]:
        """Every pod of this launcher that has a folder here."""
        if not self.root.is_dir():
            return []
        folders = sorted(each.name for each in self.root.iterdir() if each.is_dir() and POD_NAME.fullmatch(each.name))
        records = [record for name in folders if (record := self.read(name)) is not None]
        return [record.name for record in records if record.launcher == launcher]

    def delete(self, pod: str) -> None:
        for folder in (self._under_way(pod), self.path(pod)):
            shutil.rmtree(folder, ignore_errors=True)

    def left(self, pod: str) -> tuple[str, ...]:
        """The folders of the pod that are still there, one line each."""
        return tuple(f"folder {each}" for each in (self.path(pod), self._under_way(pod)) if each.exists())

    def _under_way(self, pod: str) -> Path:
        return self.root / f".{self.path(pod).name}.new"


def check_file_names(container: ContainerSpec) -> None:
    """Raises ValueError for a file that would leave its folder or take the place of one of ours."""
    for name in container.files:
        if name in OURS or name in ("", ".", "..") or Path(name).name != name:
            raise ValueError(f"not a name for a file of a container: {name[:80]!r}")


def check_pod_name(pod: str) -> str:
    """The name, if it is one. Raises ValueError."""
    if not POD_NAME.fullmatch(pod):
        raise ValueError(f"not a name of a pod: {pod[:80]!r}")
    return pod


def fill(own: Path, container: ContainerSpec) -> None:
    """A connector's files and FIFOs, for a connector that runs as this process's user."""
    failpoints.reached(Failpoint.POD_CREATED, container.role)
    for name, content in container.files.items():
        _write_new(own / name, content)
    failpoints.reached(Failpoint.FILES_WRITTEN, container.role)
    for name in FIFOS[container.role]:
        os.mkfifo(own / name, 0o600)
    failpoints.reached(Failpoint.FIFOS_MADE, container.role)


def leave_empty(own: Path, _: ContainerSpec) -> None:
    """The container engine puts a connector's files in, under the user of its image."""


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _replace(path: Path, content: bytes) -> None:
    """A reader sees the old content or the new one, also when the writer is killed."""
    partial = path.with_name(f"{path.name}.tmp")
    partial.write_bytes(content)
    partial.replace(path)
