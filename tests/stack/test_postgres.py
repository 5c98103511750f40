"""PostgreSQL where its user cannot go by itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from airbyte_workers.runtime.stack import pg_binaries, postgres
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import Home, open_home
from airbyte_workers.runtime.stack.pg_binaries import Installation, installations
from airbyte_workers.runtime.stack.ports import choose_ports
from airbyte_workers.runtime.stack.postgres import Postgres
from airbyte_workers.runtime.stack.processes import User
from airbyte_workers.runtime.stack.server import Server

pytestmark = [pytest.mark.embedded, pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")]


@pytest.fixture
def hidden(tmp_path: Path) -> Installation:
    """The programs in a folder that only root can enter, as below /root."""
    found = installations()[max(installations())]
    venv = tmp_path / "venv"
    venv.mkdir(mode=0o700)
    copy = Installation(found.version, venv / found.folder.parent.name / found.folder.name)
    shutil.copytree(found.folder, copy.folder, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    shutil.copytree(found.libraries, copy.libraries)
    return copy


@pytest.fixture
def shared_place() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


async def test_nobody_serves_what_only_root_reaches(
    tmp_path: Path, hidden: Installation, shared_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "UNPRIVILEGED", ("no such user", "nobody"))
    monkeypatch.setattr(postgres, "installations", lambda: {hidden.major: hidden})
    monkeypatch.setattr(pg_binaries, "SHARED_PLACES", ("/proc", str(shared_place)))
    home = open_home(tmp_path / "home")
    for _ in range(2):
        await _use(home)
    assert (home.cluster.stat().st_uid, home.postgres.stat().st_uid) == (65534, 0)
    assert [path.name for path in (shared_place / "airbyte-workers").iterdir()] == [
        f"postgresql-{hidden.version}-{hidden.tool('postgres').stat().st_size}"
    ]
    for path in (home.cluster, *home.cluster.rglob("*")):  # what `cp -r` by root makes of it
        os.chown(path, 0, 0)
    await _use(home)


async def _use(home: Home) -> None:
    kind = Postgres(home, choose_ports(home))
    server = Server(kind)
    try:
        await server.start()
        connection = await asyncpg.connect(kind.url)
        assert await connection.fetchval("SELECT count(*) FROM pg_timezone_names") > 100
        await connection.close()
    finally:
        await server.stop()


def test_a_shared_place_of_somebody_else_is_refused(
    hidden: Installation, shared_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pg_binaries, "SHARED_PLACES", (str(shared_place),))
    (shared_place / "airbyte-workers").mkdir()
    os.chown(shared_place / "airbyte-workers", 65534, 65534)
    with pytest.raises(StackError, match="Run as a normal user"):
        pg_binaries.usable_by(User(65534, 65534), hidden)
    assert list((shared_place / "airbyte-workers").iterdir()) == []
