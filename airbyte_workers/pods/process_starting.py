"""How a container of a pod becomes a process of this host: its words, its environment, its directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import POD_VARIABLE, Role
from airbyte_workers.pods.environments import Executable
from airbyte_workers.pods.folders import PodFolders, Record
from airbyte_workers.pods.host import allowed_variables, search_path
from airbyte_workers.pods.pod import ContainerSpec

SHELL = "/bin/sh"
WRAPPER = Path(__file__).with_name("connector_wrapper.sh")
ORCHESTRATOR_COMMAND = (sys.executable, "-m", "airbyte_workers.orchestrator")
ORCHESTRATOR_WORDS = {Role.ORCHESTRATOR: "replicate", Role.SIDECAR: "sidecar"}
START_ORDER = (Role.DESTINATION, Role.SOURCE, Role.MAIN)
"""After the orchestrator, which must be reading before anything writes."""
STARTED = {
    Role.DESTINATION: Failpoint.DESTINATION_STARTED,
    Role.SOURCE: Failpoint.SOURCE_STARTED,
    Role.MAIN: Failpoint.SOURCE_STARTED,
}


@dataclass(frozen=True)
class Start:
    """One container that is ready to be started."""

    role: Role
    words: tuple[str, ...]
    folder: Path
    directory: Path
    variables: Mapping[str, str] = field(repr=False)


def orchestrator(record: Record, folders: PodFolders, command: Sequence[str]) -> Start:
    """The orchestrator or sidecar: it gets its own folder and every connector's."""
    role = record.orchestrator
    own = folders.path(record.name, role)
    options = [
        word
        for each in record.roles
        for word in (f"--{'own' if each == role else each}", str(folders.path(record.name, each)))
    ]
    words = (*command, ORCHESTRATOR_WORDS[role], *options)
    return Start(role, words, own, own, allowed_variables() | {"PATH": search_path()})


def connector(record: Record, folders: PodFolders, spec: ContainerSpec, executable: Executable) -> Start:
    """A connector: its own folder only, and the shared /local as its directory."""
    folder = folders.path(record.name, spec.role)
    arguments = (each.replace("{folder}", str(folder)) for each in spec.arguments)
    variables = {**allowed_variables(), "PATH": search_path(*executable.folders), **spec.environment}
    directory = Path(record.local_root) if record.local_root else folder
    return Start(spec.role, (*executable.words, *arguments), folder, directory, variables)


def spawn(start: Start, label: str) -> subprocess.Popen[bytes]:
    """Start the container's wrapper in a session of its own, so that it outlives us."""
    mode = "program" if start.role in ORCHESTRATOR_WORDS else start.role.value
    start.directory.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [SHELL, str(WRAPPER), mode, str(start.folder), *start.words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**start.variables, POD_VARIABLE: label},
        cwd=start.directory,
        start_new_session=True,
    )
