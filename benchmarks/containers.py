"""Connectors in containers: an image of this machine's own programs, and the pipe that Docker's command makes."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from benchmarks.limits import Run
from benchmarks.pods import CONNECTOR, IMAGE

_TOOLS = ("sh", "cat", "grep", "date", "mv", "sleep", "setsid", "rm")
_CALL_S = 120
NO_LOG = ("--log-driver", "none")


def engine_answers() -> bool:
    """Whether there is a Docker engine and its command."""
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "version"], capture_output=True, timeout=_CALL_S, check=False)
    return asked.returncode == 0


def make_image() -> None:
    """A shell, `cat`, `grep` and what they need: as small and quick as a connector can be."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, file in _files():
            info = archive.gettarinfo(file, name)
            info.uid = info.gid = 0
            with file.open("rb") as source:
                archive.addfile(info, source)
        for name in ("tmp", "local", "proc", "dev"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(info)
    changes = ('ENV AIRBYTE_ENTRYPOINT="/bin/sh /connector.sh /local/bench"', "ENV PATH=/bin")
    words = [word for change in changes for word in ("--change", change)]
    entry = ["--change", 'ENTRYPOINT ["/bin/sh","/connector.sh","/local/bench"]']
    subprocess.run(
        ["docker", "import", *words, *entry, "-", IMAGE],
        input=content.getvalue(),
        stdout=subprocess.DEVNULL,
        timeout=_CALL_S,
        check=True,
    )


def remove_image() -> None:
    """Leave nothing behind."""
    subprocess.run(["docker", "image", "rm", "-f", IMAGE], stdout=subprocess.DEVNULL, timeout=_CALL_S, check=False)


def docker_run_pipe(folder: Path, records: int, size: int, options: tuple[str, ...] = ()) -> Run:
    """`docker run source | docker run -i destination`, the start of both left out. `options`: more for both."""
    both = time.perf_counter()
    _pipe(folder, options, "true", "true")
    starts = time.perf_counter() - both
    began = time.perf_counter()
    _pipe(folder, options, "read", "write")
    return Run(max(1e-3, time.perf_counter() - began - starts), records, size)


def bare_container_s(folder: Path, word: str) -> float:
    """Seconds of `docker run --rm IMAGE word`."""
    began = time.perf_counter()
    subprocess.run([*_run(folder), IMAGE, word], stdout=subprocess.DEVNULL, timeout=_CALL_S, check=True)
    return time.perf_counter() - began


def _pipe(folder: Path, options: tuple[str, ...], source: str, destination: str) -> None:
    run = [*_run(folder), *options]
    with subprocess.Popen([*run, IMAGE, source], stdout=subprocess.PIPE) as reading:
        writing = subprocess.run(
            [*run, "-i", IMAGE, destination],
            stdin=reading.stdout,
            stdout=subprocess.DEVNULL,
            timeout=_CALL_S * 10,
            check=True,
        )
        assert reading.stdout is not None
        reading.stdout.close()
    if reading.returncode or writing.returncode:
        raise RuntimeError(f"docker run ended with {reading.returncode} and {writing.returncode}")


def _run(folder: Path) -> list[str]:
    return ["docker", "run", "--rm", "--network", "none", "-v", f"{folder}:/local/bench"]


def _files() -> list[tuple[str, Path]]:
    """Path in the image, file of this machine."""
    tools = {name: Path(found) for name in _TOOLS if (found := shutil.which(name, path="/usr/bin:/bin"))}
    said = subprocess.run(["ldd", *tools.values()], capture_output=True, text=True, timeout=_CALL_S, check=False).stdout
    libraries = {Path(path) for path in re.findall(r"^\s.*?(/\S.*) \(0x[0-9a-f]+\)$", said, re.MULTILINE)}
    programs = [(f"bin/{name}", file.resolve()) for name, file in tools.items()]
    return [
        ("connector.sh", CONNECTOR),
        *programs,
        *((str(each).lstrip("/"), each.resolve()) for each in sorted(libraries)),
    ]
