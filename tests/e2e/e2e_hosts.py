"""Two hosts on one machine: each has an engine, a home and a name of its own; servers, storage and files are one."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from e2e_support import TEST_IMAGES, Place, kill_all, processes_of, until

from airbyte_workers.pods.container_plan import STACK_LABEL

IMAGES = (f"{TEST_IMAGES}/source-synthetic:1", f"{TEST_IMAGES}/destination-jsonl:1")
# An engine without a bridge deletes the `docker0` that it finds, which is the machine's own engine's: hence a network
# namespace, in which there is none.
_ALONE = ("unshare", "--net", "dockerd", "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
_STOPS_WITHIN_S = 30


@dataclass
class Engine:
    """A Docker engine of a test's own, below a folder whose path is short enough for sockets."""

    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def start(self) -> None:
        words = [*_ALONE, "-H", self.address, "--pidfile", f"{self.folder}/docker.pid"]
        words += ["--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(
            lambda: self.asked("version", "--format", "{{.Server.Version}}", check=False).strip(),
            f"the engine in {self.folder}",
        )

    def asked(self, *words: str, check: bool = True) -> str:
        """What `docker` says of this engine."""
        command = ["docker", "-H", self.address, *words]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60).stdout

    def load(self, *images: str) -> None:
        """Have images that the machine's own engine has."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            load = ["docker", "-H", self.address, "load"]
            subprocess.run(load, stdin=saving.stdout, capture_output=True, check=True, timeout=120)
        assert saving.returncode == 0

    def running(self) -> list[str]:
        """The containers of pods that run."""
        return self.asked("ps", "--format", "{{.Names}}", "--filter", f"label={STACK_LABEL}").split()

    def containers(self) -> list[str]:
        """The same, and those that have ended."""
        return self.asked("ps", "-a", "--format", "{{.Names}}", "--filter", f"label={STACK_LABEL}").split()

    def kill(self) -> None:
        """As when the power fails: containers, engine and what lies between them are gone in a moment."""
        names = self.asked("ps", "-q").split()
        seen = json.loads(self.asked("inspect", *names)) if names else []
        kill_all(self.folder)
        for pid in [each["State"]["Pid"] for each in seen]:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def remove(self) -> None:
        """Nothing of it stays: no process, no mount, no file."""
        if self.process is not None:
            if self.process.poll() is None and (left := self.asked("ps", "-aq").split()):
                self.asked("rm", "-f", *left)
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOPS_WITHIN_S)
        kill_all(self.folder)
        for place in sorted(self._mounts(), reverse=True):
            subprocess.run(["umount", "-l", place], check=True, timeout=30)
        shutil.rmtree(self.folder)

    def _mounts(self) -> list[str]:
        words = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
        return [each[1] for each in words if each[1].startswith(f"{self.folder}/")]


@contextmanager
def engine() -> Iterator[Engine]:
    """A second engine beside the machine's own, with the images of the tests."""
    made = Engine(Path(tempfile.mkdtemp(prefix="awe-")))
    try:
        made.start()
        made.load(*IMAGES)
        yield made
    finally:
        made.remove()


def host(servers: Place, name: str, **variables: str) -> Place:
    """What a worker on the host of this name has: it shares servers, storage, key and files with every other."""
    home = servers.home.parent / f"home-{name}"
    home.mkdir(mode=0o700)
    shared = {
        "AIRBYTE_WORKERS_DATAPLANE": name,
        "STORAGE_URL": (servers.work / "storage").as_uri(),
        "SECRETS_KEY_FILE": str(servers.home / "secrets.key"),
        "LAUNCHER": "docker",
    }
    return replace(servers, home=home, variables=servers.variables | shared | variables)


def pods_of(place: Place) -> list[str]:
    """What a host's disk and process table have of pods, whatever its engine says."""
    folders = [str(each) for each in (place.home / "pods").glob("[!.]*")]
    return folders + [str(each) for each in place.pod_processes()]


def die(place: Place, its: Engine) -> None:
    """The host is gone with everything on it."""
    its.kill()
    kill_all(place.home)
    until(lambda: not processes_of(place.home), f"the end of {place.home}")


def events_of(job: dict[str, Any], event: str) -> list[str]:
    """The reasons of what happened to a job under this name."""
    return [each["reason"] for each in job["events"] if each["event"] == event]
