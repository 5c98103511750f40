"""Where a page's commands are typed: a folder, a home, a PATH, servers and a database of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.settings import Settings
from tests import images
from tests.docs_commands.pages import ROOT
from tests.docs_commands.shell import START_S, Lasting, Shell
from tests.docs_commands.surroundings import PORTS, Surroundings
from tests.e2e.e2e_support import FAKER, KEPT, kill_all, processes_of, until
from tests.images import connectors
from tests.s3_server import running_s3

STAND_INS = Path(__file__).with_name("stand_ins")
SERVERS = ROOT / "tests" / "e2e" / "e2e_servers.py"
LOCAL, READY = "airbyte-workers local", "ready; Ctrl-C stops it"
CLONED = ("Makefile", "pyproject.toml", "requirements.lock", "Dockerfile", "deploy", "docker-compose.yml",
          "docker-compose.postgresql.yml", "docker-compose.socket-proxy.yml")  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """One page's; `root` is removed with it."""

    root: Path
    shell: Shell
    values: dict[str, str]

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def stack(self) -> dict[str, Any]:
        """What the stack that commands use tells its clients; empty while there is none."""
        return _stack(_data(self.home))

    def tell_temporal(self) -> None:
        """The `temporal` command asks at Temporal's own port unless it is told of another."""
        file = self.home / ".config" / "temporalio" / "temporal.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'[profile.default]\naddress = "{self.stack().get("temporal_address", "127.0.0.1:7233")}"\n')

    def number(self, numbers: Mapping[str, int]) -> None:
        """From now on the rows of these tables are counted from here."""
        asyncio.run(_restart(str(self.stack()["database_url"]), numbers))


@contextmanager
def desk(needs: Surroundings) -> Iterator[Desk]:
    """Nothing of it stays: no process, no folder."""
    root = Path(tempfile.mkdtemp(prefix="awdocs-"))
    try:
        with ExitStack() as held:
            environment, values = _environment(root, needs), _values(root)
            _furnish(root, needs)
            if needs.servers:
                told = _addresses(held.enter_context(_servers(root, environment)))
                environment |= told if needs.addressed else {}
                values |= {name.lower(): text for name, text in told.items()}
            if needs.s3:
                values |= {name.lower(): text for name, text in held.enter_context(_s3(root)).items()}
            environment |= {name: filled(text, values) for name, text in needs.variables.items()}
            _write(needs.files, root, values)
            yield _opened(held, root, environment, values)
        until(lambda: not processes_of(root), f"the end of {processes_of(root)}")
    finally:
        kill_all(root)
        if needs.docker:
            _remove_pods(root)
        shutil.rmtree(root, ignore_errors=True)


def _remove_pods(root: Path) -> None:
    """What a page that failed may have left on the engine."""
    label = f"label={STACK_LABEL}={Settings(home=_data(root / 'home')).stack_name}"
    for words, remove in (("ps -aq", "rm -f"), ("volume ls -q", "volume rm")):
        line = f"docker {words} --filter {label} | xargs -r docker {remove}"
        subprocess.run(["sh", "-c", line], stdout=subprocess.DEVNULL, timeout=START_S, check=True)


def _data(home: Path) -> Path:
    return home / ".local" / "share" / "airbyte-workers"


def _opened(held: ExitStack, root: Path, environment: Mapping[str, str], values: dict[str, str]) -> Desk:
    shell = Shell(root / "work", environment)
    held.callback(shell.stop)
    return Desk(root, shell, values)


def _environment(root: Path, needs: Surroundings) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name in KEPT or name.upper().endswith("_PROXY")}
    programs = [str(root / "bin"), str(Path(sys.executable).parent), kept["PATH"]]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    mine = {
        "HOME": str(root / "home"),
        "PATH": os.pathsep.join(programs),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(cache / "uv")),
        "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")),
        "CI": "true",
        "DOCS_ROOT": str(root),
    }
    if not needs.docker:
        mine["DOCKER_HOST"] = f"unix://{root}/no-engine"
    return kept | mine


def _values(root: Path) -> dict[str, str]:
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in PORTS}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        ports = {name.lower(): str(each.getsockname()[1]) for name, each in sockets.items()}
    venv = str(Path(sys.executable).parents[1])
    return {"root": str(root), "venv": venv, "token": root.name, **ports}


def filled(text: str, values: Mapping[str, str]) -> str:
    """With the values of this desk in the places of their names in braces."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@contextmanager
def _s3(root: Path) -> Iterator[dict[str, str]]:
    (root / "s3").mkdir()
    with running_s3(root / "s3") as server:
        yield server.variables("docs")


def _furnish(root: Path, needs: Surroundings) -> None:
    for name in ("work", "home", "bin"):
        (root / name).mkdir()
    data = _data(root / "home")
    data.mkdir(parents=True, mode=0o700)
    if needs.connectors:
        installed = Path(connectors.words(FAKER)[0]).parents[1]
        (data / "connectors").mkdir()
        (data / "connectors" / installed.name).symlink_to(installed)
    for program in STAND_INS.glob("*.py"):
        command = root / "bin" / program.stem
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
        command.chmod(0o755)
    if needs.clone:
        _clone(root / "work")
    if needs.images:
        _make_images(needs.images)


def _write(files: Mapping[str, str], root: Path, values: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = root / "work" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(filled(text, values))
        file.chmod(0o755 if text.startswith("#!") else 0o644)


def _clone(work: Path) -> None:
    for name in CLONED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, work / name)
    (work / ".venv").symlink_to(Path(sys.executable).parents[1])
    for name in ("pyproject.toml", "requirements.lock"):  # older than the environment: it is made
        os.utime(work / name, (0, 0))


def _make_images(tags: tuple[str, ...]) -> None:
    engine = images.client()
    try:
        images.ensure(engine, *tags)
    finally:
        engine.close()


@contextmanager
def _servers(root: Path, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    (root / "servers").mkdir()
    shell = Shell(root / "servers" / "work", {**environment, "AIRBYTE_WORKERS_HOME": str(root / "servers" / "home")})
    shell.folder.mkdir()
    try:
        running = shell.begin(f"{sys.executable} {SERVERS}")
        running.until_said("ready", START_S)
        yield _stack(root / "servers" / "home")
        running.interrupt()
        assert shell.ended(running).code == 0, running.said()
    finally:
        shell.stop()


def _addresses(stack: Mapping[str, Any]) -> dict[str, str]:
    return {"TEMPORAL_ADDRESS": stack["temporal_address"], "DATABASE_URL": stack["database_url"]}


def _stack(home: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((home / "stack.json").read_text()))
    except (OSError, ValueError):
        return {}


async def _restart(database_url: str, numbers: Mapping[str, int]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for table, number in numbers.items():
            await connection.execute(f"alter table {table} alter column id restart with {number}")
    finally:
        await connection.close()


def started_local(desk: Desk) -> Lasting:
    """The embedded stack, as somebody keeps it running in another terminal."""
    running = desk.shell.begin(LOCAL)
    running.until_said(READY, START_S)
    desk.values["temporal_address"] = desk.stack()["temporal_address"]
    return running
