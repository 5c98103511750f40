"""What the stand-ins of tests/images/compose.py are made of: programs that are installed here, or that Debian has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from airbyte_workers.pods.image_building import ImageBuildFailed
from airbyte_workers.pods.image_content import Entry, copy, text, tree
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.pg_binaries import installations
from airbyte_workers.runtime.stack.temporal import find_temporal

CONTEXT = "files"
BIN = f"{CONTEXT}/usr/local/bin"
PROGRAMS = Path(__file__).parent / "programs"
TEMPORAL_USER = """
RUN echo 'temporal:x:1000:1000::/home/temporal:/bin/sh' >>/etc/passwd && mkdir /home/temporal \\
    && chown 1000:1000 /home/temporal
USER temporal
"""
POSTGRES_LINES = """
RUN echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >>/etc/passwd && mkdir -p /var/lib/postgresql/data \\
    && chown -R 999:999 /var/lib/postgresql && chmod 1777 /tmp
ENV PATH="$PATH:{bin}" PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
USER postgres
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/usr/local/bin/postgres_start.sh"]
CMD ["postgres"]
"""
SCHEMAS = ("temporal", "visibility")


@dataclass(frozen=True)
class Recipe:
    """The files of an image and the lines of its Dockerfile; `debian`: packages whose files go in as well."""

    files: tuple[Entry, ...]
    lines: str
    debian: tuple[str, ...] = ()


def postgres() -> Recipe:
    """The server of this host, with an entrypoint as the official image has it."""
    binaries, files = _postgres()
    start = text(f"{BIN}/postgres_start.sh", (PROGRAMS.parent / "postgres_start.sh").read_text(encoding="utf-8"))
    return Recipe((start, *files), POSTGRES_LINES.format(bin=binaries))


def temporal() -> Recipe:
    """The `temporal` program, as Temporal's own image of it."""
    return Recipe((_temporal(),), TEMPORAL_USER + 'ENTRYPOINT ["temporal"]\n')


def temporal_server() -> Recipe:
    """A server on a schema in PostgreSQL: see programs/temporal_server.sh."""
    binaries, files = _postgres()
    start = _program("temporal_server.sh", f"{CONTEXT}/etc/temporal/entrypoint.sh")
    lines = f'ENV PATH="$PATH:{binaries}"\nWORKDIR /etc/temporal\nCMD ["/etc/temporal/entrypoint.sh"]\n'
    return Recipe((_temporal(), start, _program("nc.py", f"{BIN}/nc"), *files), TEMPORAL_USER + lines)


def admin_tools() -> Recipe:
    """The `temporal` program, and a tool that makes the version of a schema: see programs/sql_tool.sh."""
    binaries, files = _postgres()
    schema = f"{CONTEXT}/etc/temporal/schema/postgresql/v12"
    versions = (text(f"{schema}/{name}/versioned/v1.{n}/manifest.json", "{}") for name in SCHEMAS for n in range(3))
    lines = f'ENV PATH="$PATH:{binaries}"\n'
    return Recipe(
        (_temporal(), _program("sql_tool.sh", f"{BIN}/temporal-sql-tool"), *versions, *files), TEMPORAL_USER + lines
    )


def temporal_ui() -> Recipe:
    """Something at the port of Temporal's web page: see programs/temporal_ui.sh."""
    start = _program("temporal_ui.sh", f"{CONTEXT}/home/ui-server/start-ui-server.sh")
    lines = 'RUN mkdir -p /var/empty\nENTRYPOINT ["/home/ui-server/start-ui-server.sh"]\n'
    return Recipe((_temporal(), start), lines)


def seaweedfs() -> Recipe:
    """The server of the Python package, where the image has it."""
    weed = copy(Path(sys.executable).with_name("weed").resolve(), f"{CONTEXT}/usr/bin/weed")
    return Recipe((weed,), "VOLUME /data\n")


def prometheus() -> Recipe:
    """Debian's."""
    lines = """
RUN mkdir -p /prometheus && chown 65534:65534 /prometheus && ln -s /usr/bin/prometheus /bin/prometheus || true
USER 65534
VOLUME /prometheus
WORKDIR /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
"""
    return Recipe((), lines, debian=("prometheus",))


def grafana() -> Recipe:
    """A reader of what Grafana would read: see programs/grafana.py."""
    package = Path(yaml.__file__).parent
    files = (_program("grafana.py", f"{CONTEXT}/opt/grafana.py"), *tree(package, f"{CONTEXT}/opt/yaml"))
    lines = """
RUN mkdir -p /var/lib/grafana && chown 472:0 /var/lib/grafana
ENV PYTHONPATH=/opt
USER 472
ENTRYPOINT ["python", "/opt/grafana.py"]
"""
    return Recipe(files, lines)


def haproxy() -> Recipe:
    """Debian's, where the image has it, with the libraries that only it needs."""
    lines = "STOPSIGNAL SIGUSR1\nRUN ln -s /usr/sbin/haproxy /usr/local/bin/haproxy\n"
    return Recipe((), lines, debian=("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"))


RECIPES: dict[str, Callable[[], Recipe]] = {
    "postgres:17": postgres,
    "temporalio/temporal:1.9.1": temporal,
    "temporalio/server:1.32.0": temporal_server,
    "temporalio/admin-tools:1.32.0": admin_tools,
    "temporalio/ui:2.54.1": temporal_ui,
    "chrislusf/seaweedfs:4.48": seaweedfs,
    "prom/prometheus:v3.5.0": prometheus,
    "grafana/grafana:12.1.1": grafana,
    "haproxy:3.2-alpine": haproxy,
}


@contextmanager
def unpacked(packages: Iterable[str]) -> Iterator[tuple[Entry, ...]]:
    """The programs of Debian packages with the libraries they were linked with; nothing is installed here."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        root = place / "root"
        _downloaded(packages, place)
        for file in sorted(place.glob("*.deb")):
            _run("dpkg", "-x", str(file), str(root), cwd=place)
        programs = [file for folder in ("usr/bin", "usr/sbin") for file in (root / folder).glob("*")]
        files = [file for file in (*programs, *root.glob("usr/lib/*-linux-gnu/*.so*")) if file.is_file()]
        own = {file.name for file in files}
        libraries = {found for file in programs for found in _libraries(file) if found.name not in own}
        yield (
            *(copy(file, f"{CONTEXT}/{file.relative_to(root)}") for file in files),
            *(copy(found.resolve(), f"{CONTEXT}/usr/lib/standin/{found.name}") for found in sorted(libraries)),
        )


def _downloaded(packages: Iterable[str], place: Path) -> None:
    """As this Debian has them; its lists may be missing or old."""
    words = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages)
    try:
        _run(*words, cwd=place)
    except ImageBuildFailed:
        _run("apt-get", "-qq", "update", cwd=place)
        _run(*words, cwd=place)


def _libraries(program: Path) -> Iterator[Path]:
    said = subprocess.run(("ldd", str(program)), capture_output=True, text=True, check=False).stdout
    yield from (Path(found) for found in re.findall(r"=> (/\S+)", said))


def _run(*words: str, cwd: Path) -> None:
    if shutil.which(words[0]) is None:
        raise ImageBuildFailed(f"there is no {words[0]} here")
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise ImageBuildFailed(f"{' '.join(words)}: {done.stderr.strip()}")


def _temporal() -> Entry:
    return copy(Path(find_temporal()), f"{BIN}/temporal")


def _program(name: str, target: str) -> Entry:
    entry = text(target, (PROGRAMS / name).read_text(encoding="utf-8"))
    entry.info.mode = 0o755
    return entry


def _postgres() -> tuple[Path, list[Entry]]:
    """The folder of the newest PostgreSQL's programs there, and all its files.

    They find each other by where they are, so they may be elsewhere than here: a checkout can be below /tmp, which a
    container may have of its own.
    """
    try:
        found = installations()
    except StackError as error:
        raise ImageBuildFailed(str(error)) from None
    newest = found[max(found)]
    folders = (newest.folder, newest.libraries)
    above = Path(os.path.commonpath(folders))
    places = {each: Path("/opt/postgresql") / each.relative_to(above) for each in folders}
    files = [each for folder in folders for each in tree(folder, f"{CONTEXT}{places[folder]}", without=("include",))]
    return places[newest.folder] / "bin", files
