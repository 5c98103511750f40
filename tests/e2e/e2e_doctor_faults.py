"""Faults for `doctor` to find, each of them real: injected before it looks, and taken away afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from e2e_addressed import SERVERS
from e2e_bad_ways import TEMPORAL, execute, new_database
from e2e_support import TEST_IMAGES, Place, make_images, until

from airbyte_workers.names import SEARCH_ATTRIBUTES
from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.store.database import connected, migrate
from airbyte_workers.store.sealing import load_seal
from tests import images
from tests.s3_server import running_s3

NOBODY = "127.0.0.1:1"
PASSWORD = "never-shown-7f"
UNPRIVILEGED = 65534
IS_ROOT = os.geteuid() == 0
MAY_MOUNT = bool(int(Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0], 16) & 1 << 21)
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if IS_ROOT else ()
"""Root to whom no file is open that is not its own."""
NO_CONTAINER = """
import os
_real = os.stat
def _stat(path, *args, **kwargs):
    if str(path) in ("/.dockerenv", "/run/.containerenv"):
        raise FileNotFoundError(path)
    return _real(path, *args, **kwargs)
os.stat = _stat
"""
A_SIGN = """
insert into dataplanes values ('busy', now() + interval '1 hour', now(), now(), now() + interval '1 hour');
"""
A_BUSY_HOST = (
    A_SIGN
    + """
with job as (
    insert into jobs (kind, status, workflow_id, run_id, input) select 'sync', status, 'sync/' || status, status,
    '\\x{sealed}' from (values ('running'), ('queued')) as given (status) returning id, status)
insert into workloads (pod, kind, job_id, attempt, dataplane, launcher, fence, lease_until)
select 'busy', 'sync', id, 0, 'busy', 'process', 1, now() + interval '1 hour' from job where status = 'running'
"""
)
AN_HOUR_AHEAD = "import time\n_real = time.time\ntime.time = lambda: _real() + 3600\n"


@dataclass(frozen=True)
class Site:
    """Where `doctor` is run: a place of its own, which has the addresses of a stack that is well."""

    place: Place
    stack: Place

    @property
    def work(self) -> Path:
        return self.place.work

    @property
    def database(self) -> str:
        return str(self.stack.stack()["database_url"])

    def temporal(self, *words: str) -> str:
        address = str(self.stack.stack()["temporal_address"])
        command = [TEMPORAL, *words, "--address", address]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=self.work)
        return done.stdout


Variables = Mapping[str, str]
Injection = Callable[[Site], AbstractContextManager[Variables]]


@dataclass(frozen=True)
class Fault:
    """`check` must say `seen` (a pattern) with this `verdict`; with `mended` (another pattern) `--fix` must mend it,
    and say so."""

    check: str
    seen: str
    inject: Injection
    mended: str = ""
    run_as: Sequence[str] = ()
    verdict: str = "fault"


def told(**variables: str) -> Injection:
    return lambda _: nullcontext(variables)


# --- Temporal ---------------------------------------------------------------------------------------------------------


@contextmanager
def a_namespace_without_attributes(site: Site) -> Iterator[Variables]:
    name = f"doctor-{secrets.token_hex(4)}"
    site.temporal("operator", "namespace", "create", "--namespace", name)
    with a_worker(site, name) as variables:
        for each in SEARCH_ATTRIBUTES:  # the worker has registered them when it started, and looks again much later
            site.temporal("operator", "search-attribute", "remove", "--namespace", name, "--name", each, "--yes")
        yield variables


@contextmanager
def a_worker(site: Site, namespace: str, *options: str) -> Iterator[Variables]:
    """A Temporal worker with a database of its own."""
    url = new_database(site.database, namespace)
    variables = {"TEMPORAL_NAMESPACE": namespace, "DATABASE_URL": url}
    slow = {"AIRBYTE_WORKERS_SEARCH_ATTRIBUTES_CHECK_S": "3600"}
    with site.place.serving("worker", *options, ready="polling ", **variables, **slow):
        yield variables


@contextmanager
def queues_that_nobody_polls(site: Site, *more: str) -> Iterator[Variables]:
    name = f"doctor-{secrets.token_hex(4)}"
    site.temporal("operator", "namespace", "create", "--namespace", name)
    with a_worker(site, name, "--only", "workflows", "--only", "spec", "--only", "check", *more) as variables:
        yield variables


@contextmanager
def queues_that_are_full(site: Site) -> Iterator[Variables]:
    """As the job database tells of them while a busy host has no slot left."""
    sealed = load_seal(site.stack.home / "secrets.key").close({})
    with queues_that_nobody_polls(site, "--only", "discover") as variables:
        execute(variables["DATABASE_URL"], A_BUSY_HOST.format(sealed=sealed.hex()))
        yield variables


@contextmanager
def a_namespace_without_workers(site: Site) -> Iterator[Variables]:
    name = f"doctor-{secrets.token_hex(4)}"
    site.temporal("operator", "namespace", "create", "--namespace", name)
    types = [word for each, kind in SEARCH_ATTRIBUTES.items() for word in ("--name", each, "--type", kind)]
    site.temporal("operator", "search-attribute", "create", "--namespace", name, *types)
    yield {"TEMPORAL_NAMESPACE": name}


@contextmanager
def a_mistyped_queue(site: Site) -> Iterator[Variables]:
    run = ("--workflow-id", "sync/lost")
    words = ("--type", "Sync", "--task-queue", "airbytes", "--input", '{"connection": "lost"}')
    site.temporal("workflow", "start", *run, *words)
    try:
        until(lambda: "sync/lost" in site.temporal("workflow", "list", "--query", "TaskQueue='airbytes'"), "the run")
        yield {}
    finally:
        site.temporal("workflow", "terminate", *run)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@contextmanager
def a_server_that_says_nothing(_: Site) -> Iterator[Variables]:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        url = f"postgresql://user:{PASSWORD}@127.0.0.1:{deaf.getsockname()[1]}/name"
        yield {"DATABASE_URL": url, "AIRBYTE_WORKERS_DOCTOR_TIMEOUT_S": "3"}


@contextmanager
def an_empty_database(site: Site) -> Iterator[Variables]:
    yield {"DATABASE_URL": new_database(site.database, f"doctor-{secrets.token_hex(4)}")}


def a_database_after(statement: str) -> Injection:
    """One with our schema, in which somebody else did this."""

    @contextmanager
    def inject(site: Site) -> Iterator[Variables]:
        url = new_database(site.database, f"doctor-{secrets.token_hex(4)}")
        asyncio.run(_migrated(url))
        execute(url, statement)
        yield {"DATABASE_URL": url}

    return inject


async def _migrated(url: str) -> None:
    async with connected(url, size=1, timeout=30) as pool:
        await migrate(pool)


# --- the engine -------------------------------------------------------------------------------------------------------


@contextmanager
def a_socket_of_others(site: Site) -> Iterator[Variables]:
    path = _socket_path(site)
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0o600 if IS_ROOT else 0)
        if IS_ROOT:
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        try:
            yield {"LAUNCHER": "docker", "DOCKER_HOST": f"unix://{path}"}
        finally:
            path.unlink()


def _socket_path(site: Site) -> Path:
    """The kernel knows no path of more than 108 bytes."""
    return Path("/tmp") / f"doctor-{site.work.name[-20:]}-{secrets.token_hex(3)}.sock"


class _Engine(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    version: Mapping[str, Any]
    info: Mapping[str, Any] | None


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        engine = self.server
        assert isinstance(engine, _Engine)
        told: Any = []
        if self.path.endswith("/version"):
            told = {"ApiVersion": "1.43", "MinAPIVersion": "1.12", **engine.version}
        elif self.path.endswith("/info"):
            told = engine.info
        body = b"denied" if told is None else json.dumps(told).encode()
        self.send_response(403 if told is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass


def an_engine(version: Mapping[str, Any], info: Mapping[str, Any] | None) -> Injection:
    """One that answers for an engine which cannot be had here; over a real socket. `info`: None where it is refused."""

    @contextmanager
    def inject(site: Site) -> Iterator[Variables]:
        path = _socket_path(site)
        with _Engine(str(path), _Answers) as server:
            server.version, server.info = version, info
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield {"LAUNCHER": "docker", "DOCKER_HOST": f"unix://{path}"}
            finally:
                server.shutdown()
                path.unlink()

    return inject


@contextmanager
def a_pod_that_is_logged(site: Site) -> Iterator[Variables]:
    """A container with the label of our pods, as an engine makes it that knows better which logs are wanted."""
    make_images()
    image = f"{TEST_IMAGES}/source-synthetic:1"
    with closing(images.client()) as client:
        labels = {STACK_LABEL: site.place.stack_name}
        made = client.create_container(image, command=["spec"], labels=labels, name=f"doctor-{secrets.token_hex(4)}")
        try:
            yield {"LAUNCHER": "docker"}
        finally:
            client.remove_container(made["Id"], force=True)


# --- this host --------------------------------------------------------------------------------------------------------


@contextmanager
def a_full_disk(site: Site) -> Iterator[Variables]:
    """A file system without room; where none may be mounted, a limit above what is free."""
    elsewhere = {"STORAGE_URL": (site.work / "storage").as_uri()}
    if not MAY_MOUNT:
        yield {**elsewhere, "AIRBYTE_WORKERS_DOCTOR_DISK_FAULT_BYTES": str(2**62)}
        return
    disk = site.work / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True, timeout=30)
    try:
        (disk / "filled").write_bytes(bytes(1024 * 1024))
        yield {**elsewhere, "AIRBYTE_WORKERS_HOME": str(disk), "AIRBYTE_WORKERS_DOCTOR_DISK_FAULT_BYTES": "100000"}
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=30)


def python_with(files: Mapping[str, str], **variables: str) -> Injection:
    """Files that the Python of `doctor` finds before what is installed."""

    @contextmanager
    def inject(site: Site) -> Iterator[Variables]:
        folder = site.work / "python"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        yield {"PYTHONPATH": str(folder), **variables}

    return inject


@contextmanager
def a_folder_of_others(site: Site) -> Iterator[Variables]:
    pods = site.place.home / "pods"
    pods.mkdir()
    pods.chmod(0o555)
    if IS_ROOT:
        os.chown(pods, UNPRIVILEGED, UNPRIVILEGED)
    yield {}
    pods.chmod(0o755)


@contextmanager
def a_missing_bucket(site: Site) -> Iterator[Variables]:
    folder = site.work / "s3"
    folder.mkdir()
    with running_s3(folder) as server:
        yield server.variables("doctor", STORAGE_URL="s3://nowhere/doctor")


def a_key_with_mode(mode: int, *, at_home: bool) -> Injection:
    """The right one, in the home of `doctor` or elsewhere."""

    @contextmanager
    def inject(site: Site) -> Iterator[Variables]:
        key = (site.place.home if at_home else site.work) / "everybody.key"
        shutil.copy(site.stack.home / "secrets.key", key)
        key.chmod(mode)
        yield {"SECRETS_KEY_FILE": str(key)}

    return inject


@contextmanager
def another_key(site: Site) -> Iterator[Variables]:
    key = site.work / "another.key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    yield {"SECRETS_KEY_FILE": str(key)}


@contextmanager
def storage_below_a_folder_of_others(site: Site) -> Iterator[Variables]:
    """Whether it is there cannot be known: the folder above cannot be looked into."""
    (site.work / "closed" / "storage").mkdir(parents=True)
    with closed_to_us(site.work / "closed") as closed:
        yield {"STORAGE_URL": (closed / "storage").as_uri()}


@contextmanager
def closed_to_us(folder: Path) -> Iterator[Path]:
    """A folder of somebody else that only root can look into."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0)
    if IS_ROOT:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    try:
        yield folder
    finally:
        folder.chmod(0o755)


@contextmanager
def secrets_for_everybody(site: Site) -> Iterator[Variables]:
    """On a host: in a container, as where CI runs, modes do not matter."""
    with python_with({"sitecustomize.py": NO_CONTAINER})(site) as variables:
        yield {**variables, **_secrets(site)}


def _secrets(site: Site) -> Variables:
    folder = site.work / "secrets"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o666)
    return {"SECRETS_DIR": str(folder)}


class _NotOurs(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def an_address_in_use(_: Site) -> Iterator[Variables]:
    with HTTPServer(("127.0.0.1", 0), _NotOurs) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield {"METRICS_ADDRESS": f"127.0.0.1:{server.server_port}"}
        finally:
            server.shutdown()


@contextmanager
def a_killed_supervisor(site: Site) -> Iterator[Variables]:
    """Servers of an embedded stack that nobody looks after any more."""
    own = replace(site.place, variables=dict(site.stack.variables))
    with own.started(SERVERS, program=sys.executable) as servers:
        servers.until_said("ready")
        servers.process.send_signal(signal.SIGKILL)
        servers.process.wait()
    yield {"DATABASE_URL": "", "TEMPORAL_ADDRESS": ""}
