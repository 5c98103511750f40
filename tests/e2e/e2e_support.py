"""What the end-to-end tests share: places of their own, the real command line as a process, a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from airbyte_workers.names import FORK_SERVER_MODULE, POD_VARIABLE
from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.settings import Settings
from tests import images

PROGRAM = str(Path(sys.executable).with_name("airbyte-workers"))
TEMPORAL = str(Path(sys.executable).with_name("temporal"))
WAIT_S = 60.0
FAKER = "airbyte/source-faker:7.2.1"
TEST_IMAGES = "airbyte-workers-test"
"""Where images of the demo connectors are found by the docker launcher."""
QUICK: dict[str, str] = {
    "AIRBYTE_WORKERS_SHUTDOWN_GRACE_PERIOD_S": "2",
    "AIRBYTE_WORKERS_SHUTDOWN_TERM_PERIOD_S": "0.5",
    "AIRBYTE_WORKERS_EXIT_CODE_TIMEOUT_S": "1",
    "AIRBYTE_WORKERS_MARKER_POLL_INTERVAL_MS": "100",
    "AIRBYTE_WORKERS_PROGRESS_INTERVAL_S": "0.2",
    "AIRBYTE_WORKERS_HEARTBEAT_TIMEOUT_S": "5",
}
"""A stack that has little patience with connectors."""
KEPT = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_INDEX_URL"})


def until(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """Look again and again until there is something; never longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.05)
    return found


def processes_of(folder: Path) -> list[psutil.Process]:
    """Everything that has to do with this folder: by arguments, directory or environment. Zombies do not work."""
    mark, found = str(folder), []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            seen = [process.cwd(), *process.cmdline(), *process.environ().values()]
            if any(mark in each for each in seen):
                found.append(process)
    return found


def kill_all(folder: Path) -> None:
    """The last resort of a failed test."""
    while left := processes_of(folder):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything beside it is an error."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> str:
        """The one line that says what was wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("error: ")


@dataclass
class Running:
    """A command that runs; what it says is collected meanwhile."""

    process: subprocess.Popen[bytes]
    terminal: int | None = None
    _said: dict[str, bytearray] = field(default_factory=lambda: {"out": bytearray(), "err": bytearray()})
    _threads: list[threading.Thread] = field(default_factory=list)

    def listen(self, **pipes: int) -> None:
        """Collect what comes from these descriptors until their end."""
        for name, descriptor in pipes.items():
            thread = threading.Thread(target=self._collect, args=(name, descriptor), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _collect(self, name: str, descriptor: int) -> None:
        with suppress(OSError):  # a terminal's end is an error
            while block := os.read(descriptor, 65536):
                self._said[name] += block

    @property
    def out(self) -> str:
        return self._said["out"].decode(errors="replace")

    @property
    def err(self) -> str:
        return self._said["err"].decode(errors="replace")

    def until_said(self, text: str, seconds: float = WAIT_S) -> None:
        """Wait until the text appears on stdout, stderr or the terminal."""

        def told() -> bool:
            return text in self.out or text in self.err

        try:
            until(lambda: told() or self.process.poll() is not None, repr(text), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; stdout: {self.out!r}, stderr: {self.err!r}") from None
        for thread in self._threads if self.process.poll() is not None else ():
            thread.join(5)
        assert told(), f"{text!r} was not said before the end; stdout: {self.out!r}, stderr: {self.err!r}"

    def interrupt(self) -> None:
        """What `kill -INT` does: the signal reaches this process alone."""
        self.process.send_signal(signal.SIGINT)

    def type(self, keys: str) -> None:
        """Press keys: Ctrl-C reaches every process of the terminal's foreground group."""
        assert self.terminal is not None
        os.write(self.terminal, keys.encode())

    def ended(self, seconds: float = WAIT_S) -> Ended:
        """Wait for the end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds:g} s: {self.out!r} {self.err!r}") from None
        for thread in self._threads:
            thread.join(5)
        return Ended(code, self.out, self.err)


@dataclass(frozen=True)
class Place:
    """A working directory, and the folder of the stack that commands started in it use."""

    work: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        names = [name for name in os.environ if name in KEPT or name.upper().endswith("_PROXY")]
        kept = {name: os.environ[name] for name in names}  # pytest writes its own meanwhile, and tests are in threads
        return {**kept, "AIRBYTE_WORKERS_HOME": str(self.home), **self.variables}

    def run(self, *words: str, seconds: float = 120.0, **variables: str) -> Ended:
        """Run a command to its end."""
        with self.started(*words, **variables) as command:
            return command.ended(seconds)

    def sync(self, content: Mapping[str, Any], *options: str, seconds: float = 120.0) -> Ended:
        """Run `sync -f FILE -o json` for what is described."""
        return self.run("sync", "-f", str(self.write(content)), "-o", "json", *options, seconds=seconds)

    @contextmanager
    def started(self, *words: str, program: str = PROGRAM, **variables: str) -> Iterator[Running]:
        """A command that is ended with the block, come what may."""
        with subprocess.Popen(
            [program, *words],
            cwd=self.work,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            command = Running(process)
            command.listen(out=process.stdout.fileno(), err=process.stderr.fileno())
            try:
                yield command
            finally:
                process.kill()
                process.wait()
                for thread in command._threads:
                    thread.join(5)

    @contextmanager
    def serving(self, *words: str, ready: str, program: str = PROGRAM, **variables: str) -> Iterator[Running]:
        """A command that goes on for ever: it is ready, and stops in order with the block."""
        with self.started(*words, program=program, **variables) as command:
            command.until_said(ready)
            yield command
            command.process.send_signal(signal.SIGTERM)
            assert command.ended().code == 0, command.err

    def local(self) -> AbstractContextManager[Running]:
        """The embedded stack in the foreground."""
        return self.serving("local", ready="ready; Ctrl-C stops it")

    @contextmanager
    def on_terminal(self, *words: str, columns: int = 80, **variables: str) -> Iterator[Running]:
        """The same in a terminal of its own, of which it is the foreground job."""
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [PROGRAM, *words],
            cwd=self.work,
            env=self.environment | {"TERM": "xterm"} | variables,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no other way to give it one
        )
        os.close(its)
        command = Running(process, terminal=ours)
        command.listen(out=ours)
        try:
            yield command
        finally:
            process.kill()
            process.wait()
            for thread in command._threads:
                thread.join(5)
            os.close(ours)

    def write(self, content: Mapping[str, Any]) -> Path:
        """The sync file of this name."""
        path = self.work / f"{content['connection']}.yaml"
        path.write_text(yaml.safe_dump(dict(content)))
        return path

    def source(self, launcher: str = "process", **config: Any) -> dict[str, Any]:
        return connector(launcher, ["source-synthetic"], "source-synthetic:1", config)

    def jsonl(self, launcher: str = "process", **config: Any) -> dict[str, Any]:
        """With the docker launcher its files are here only if the sync's local_root is `work`."""
        folder = str(self.work / "out") if launcher == "process" else "/local/out"
        return connector(launcher, ["destination-jsonl"], "destination-jsonl:1", {"path": folder, **config})

    def described(self, name: str, **source: Any) -> dict[str, Any]:
        """A sync of one stream into files."""
        return {
            "connection": name,
            "source": self.source(**source),
            "destination": self.jsonl(),
            "catalog": catalog("stream_0"),
        }

    def lines(self, stream: str) -> list[dict[str, Any]]:
        """What destination-jsonl has of a stream; a line that it is still writing is none yet."""
        file = self.work / "out" / f"{stream}.jsonl"
        written = file.read_bytes() if file.exists() else b""
        return [json.loads(line) for line in written.splitlines(keepends=True) if line.endswith(b"\n")]

    def ids(self, stream: str) -> list[int]:
        return [row["id"] for row in self.lines(stream)]

    def job(self, job_id: int) -> dict[str, Any]:
        """A job as `jobs show -o json` tells it."""
        return self.run("jobs", "show", str(job_id), "-o", "json").report

    def jobs(self, *options: str) -> list[dict[str, Any]]:
        """What `jobs list` has."""
        return list(json.loads(self.run("jobs", "list", "-o", "json", *options).out))

    def log(self, job_id: int, *options: str) -> str:
        return self.run("jobs", "logs", str(job_id), *options).out

    def stack(self) -> dict[str, Any]:
        """What the stack tells its clients; empty while there is none."""
        try:
            return dict(json.loads((self.home / "stack.json").read_text()))
        except (OSError, ValueError):
            return {}

    def pod_processes(self) -> list[psutil.Process]:
        """Every process of the pods that run."""
        return [each for each in processes_of(self.home / "pods") if _pod_of(each)]

    def pod_program(self, role: str) -> psutil.Process:
        """The connector itself, or the orchestrator, of the one replication pod that runs; not its wrapper."""
        (record,) = (self.home / "pods").glob("replication-*/pod.json")
        wrapper = psutil.Process(json.loads(record.read_text())["processes"][role]["pid"])
        (program,) = (
            each
            for each in wrapper.children(recursive=True)
            if not any("connector_wrapper" in w for w in each.cmdline())
        )
        return program

    def pods_left(self, job_id: int | None = None) -> list[str]:
        """What is there of pods, of one job or of all; nothing is the proof that none is left."""
        pod = "" if job_id is None else f"replication-job-{job_id}-"
        folders = [str(each) for each in (self.home / "pods").glob(f"{pod or '[!.]'}*")]
        processes = [str(each) for each in self.pod_processes() if Path(_pod_of(each)).name.startswith(pod)]
        return [*folders, *processes, *self._on_engine(job_id)]

    @property
    def stack_name(self) -> str:
        """What the stack's containers carry."""
        return Settings(home=self.home).stack_name

    def containers(self, *labels: str) -> list[str]:
        """The names of this stack's containers, running or not."""
        return _docker("ps", "-a", "--format", "{{.Names}}", *_filters(f"{STACK_LABEL}={self.stack_name}", *labels))

    def _on_engine(self, job_id: int | None) -> list[str]:
        if shutil.which("docker") is None:
            return []
        labels = () if job_id is None else (f"job={job_id}",)
        filters = _filters(f"{STACK_LABEL}={self.stack_name}", *labels)
        volumes = _docker("volume", "ls", "-q", *filters)
        return [*self.containers(*labels), *volumes, *_docker("network", "ls", "-q", *filters)]


def _pod_of(process: psutil.Process) -> str:
    """The pod it says it belongs to, or is a program of; empty for every other process, and for one that is gone."""
    with suppress(psutil.Error):
        if FORK_SERVER_MODULE in process.cmdline() and process.cwd() != "/":
            return str(Path(process.cwd()).parent)
        return process.environ().get(POD_VARIABLE, "")
    return ""


def _filters(*labels: str) -> list[str]:
    return [word for label in labels for word in ("--filter", f"label={label}")]


def _docker(*words: str) -> list[str]:
    """The lines that the `docker` program says; none without an engine."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=WAIT_S)
    return done.stdout.split()


def make_images(*tags: str) -> None:
    """Have the images on the engine that the docker launcher is to run."""
    client = images.client()
    try:
        images.ensure(client, f"{TEST_IMAGES}/source-synthetic:1", f"{TEST_IMAGES}/destination-jsonl:1", *tags)
    finally:
        client.close()


def misbehaving_image(mode: str) -> str:
    return f"{TEST_IMAGES}/misbehaving:{mode}"


def connector(launcher: str, command: Sequence[str], image: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A demo connector as this launcher runs it: from this environment, or from its image."""
    how = {"image": f"{TEST_IMAGES}/{image}"} if launcher == "docker" else {"command": list(command)}
    return {**how, "config": dict(config)}


def misbehaving(mode: str, launcher: str = "process", **config: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "demo_connectors.misbehaving", mode]
    return connector(launcher, command, f"misbehaving:{mode}", config)


def catalog(
    *names: str, sync_mode: str = "incremental", destination_sync_mode: str = "append", namespace: str | None = None
) -> dict[str, Sequence[Any]]:
    """A configured catalog as Airbyte's users paste it."""
    return {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                    "source_defined_cursor": True,
                    "default_cursor_field": ["id"],
                    **({"namespace": namespace} if namespace else {}),
                },
                "sync_mode": sync_mode,
                "destination_sync_mode": destination_sync_mode,
                "cursor_field": ["id"],
                "primary_key": [["id"]],
            }
            for name in names
        ]
    }


def temporal(place: Place, *words: str) -> dict[str, Any]:
    """What `temporal workflow ...` tells as JSON."""
    done = subprocess.run(
        [TEMPORAL, "workflow", *words, "--address", str(place.stack()["temporal_address"])],
        cwd=place.work,
        env=place.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return dict(json.loads(done.stdout))
