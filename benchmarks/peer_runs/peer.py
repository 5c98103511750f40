"""A peer, the ways to use it that are measured, and what one run of it costs."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.limits import Run
from benchmarks.peer_runs.environments import Environment, in_short
from benchmarks.records import Records

PROGRAMS = Path(__file__).parent / "programs"
_RUN_S = 1800
_FOREIGN = ("PYTHON", "VIRTUAL_ENV", "MELTANO_", "AIRBYTE_", "COVERAGE_", "PEER_RUNS_")
_QUIET = {
    "DO_NOT_TRACK": "1",  # nothing is to leave this machine, and no time is to be spent on it
    "AIRBYTE_OFFLINE_MODE": "1",
    "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
    "NO_COLOR": "1",
}


class PeerFailedError(Exception):
    """A peer was installed but did not move the records, or not all of them."""


@dataclass(frozen=True)
class PeerRun(Run):
    """One run; `seconds` and `cpu_s` are of the peer's own process while it moves records, its start left out."""

    peak_bytes: int = 0
    """Most memory the peer's process had, its start included."""
    whole_s: float = 0
    """As a user waits: from the start of the peer's program to its end."""


@dataclass(frozen=True)
class Place:
    """Where a run happens: the peer's environment, and an empty folder for what it leaves behind."""

    environment: Path
    folder: Path

    def program(self, name: str) -> str:
        """A program of the environment."""
        return str(self.environment / "bin" / name)

    def run(self, command: list[str], variables: dict[str, str]) -> str:
        """What the program says on stdout; PeerFailedError when it fails."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        logs = {"HOME": str(self.folder), "AIRBYTE_LOGGING_ROOT": str(self.folder / "logs")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=kept | _QUIET | logs | variables,
            capture_output=True,
            text=True,
            timeout=_RUN_S,
            check=False,
        )
        if done.returncode != 0:
            raise PeerFailedError(f"{command[0]} ended with {done.returncode}: {in_short(done.stderr)}")
        return done.stdout


@dataclass(frozen=True)
class Peer:
    """One way to use a peer; `way` gets the records, the folder of their files and the place to run in."""

    name: str
    how: str
    environment: Environment
    environments: Path
    way: Callable[[Records, Path, Place], PeerRun]
    fewer: int = 1
    """This way is so slow that it is enough to give it one of so many records."""

    @property
    def version(self) -> str:
        """The peer's, as its package has it."""
        return self.environment.version

    def prepare(self) -> Path:
        """The environment, made if it is missing; PeerUnavailableError when that cannot be."""
        return self.environment.prepared(self.environments)

    def run(self, records: Records, folder: Path) -> PeerRun:
        """Move the records, whose files stand in a folder or are made there; PeerFailedError unless all came out."""
        if records.streams != 1:
            raise ValueError("peers are measured with one stream: some of them read a source again for each")
        environment = self.prepare()
        with tempfile.TemporaryDirectory(prefix="peer-", dir=folder) as own:
            run = self.way(records, folder, Place(environment, Path(own)))
        if run.records != records.records:
            raise PeerFailedError(f"{self.name} moved {run.records:,} records of {records.records:,}")
        return run
