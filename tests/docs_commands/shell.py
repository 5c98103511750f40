"""One real shell for the commands of a page: what a command changes (folder, variables) counts for those after it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START_S = 120.0
STOP_S = 120.0
_SHELL = ("bash", "--noprofile", "--norc")


class Overdue(Exception):
    """A command did not do in time what it should."""


@dataclass(frozen=True)
class Said:
    """The end of a command."""

    code: int
    output: str


@dataclass
class Lasting:
    """A command that goes on until somebody presses Ctrl-C."""

    text: str
    pid: int
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def runs(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        return False

    def until_said(self, text: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said():
            if not self.runs() and text not in self.said():
                raise Overdue(f"ended without saying {text!r}")
            if time.monotonic() > deadline:
                raise Overdue(f"did not say {text!r} within {seconds:g} s")
            time.sleep(0.05)

    def interrupt(self) -> None:
        """What Ctrl-C does: the signal reaches every process of the job."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)


@dataclass
class Shell:
    """Started by its first command; `stop` ends it and whatever it waits for."""

    folder: Path
    environment: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = None
    _count: int = 0
    _files: Path = field(init=False)

    def __post_init__(self) -> None:
        self._files = self.folder.parent / "shell"
        self._files.mkdir()

    def run(self, text: str, *, seconds: float, typed: str = "") -> Said:
        """To its end. Raises Overdue; what it had started is killed then."""
        script, output = self._written(text)
        asked = script.with_suffix(".in")
        asked.write_text(typed)
        code = self._ask(f"source {script} <{asked} >{output} 2>&1; echo $?", seconds, output)
        return Said(int(code), output.read_text(errors="replace"))

    def begin(self, text: str) -> Lasting:
        """In the background, as a job of its own: it has its own Ctrl-C."""
        script, output = self._written(text)
        pid = self._ask(f"set -m; source {script} </dev/null >{output} 2>&1 & set +m; echo $!", START_S, output)
        return Lasting(text, int(pid), output)

    def ended(self, job: Lasting, seconds: float = STOP_S) -> Said:
        """Wait for a job's end."""
        code = self._ask(f"wait {job.pid}; echo $?", seconds, job.log)
        return Said(int(code), job.said())

    def stop(self) -> None:
        if self._process is None:
            return
        self._kill_children()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def _written(self, text: str) -> tuple[Path, Path]:
        self._count += 1
        script = self._files / f"{self._count:03}.sh"
        script.write_text(f"{text}\n")
        output = script.with_suffix(".out")
        output.touch()
        return script, output

    def _ask(self, line: str, seconds: float, output: Path) -> str:
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as answers:
            answers.register(process.stdout, selectors.EVENT_READ)
            if not answers.select(seconds):
                self._kill_children()
                raise Overdue(f"still runs after {seconds:g} s; it said {output.read_text(errors='replace')[-2000:]!r}")
        return process.stdout.readline().decode().strip()

    def _started(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            _SHELL, cwd=self.folder, env=dict(self.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(b"set -o pipefail\n")
        return self._process

    def _kill_children(self) -> None:
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(children, timeout=5)
