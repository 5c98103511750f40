"""What `doctor` sees of folders as they are on this host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_workers.doctor import folders
from airbyte_workers.doctor.folders import secret_files

WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
IMPORTED = "import sys; from pathlib import Path; from airbyte_workers.doctor.folders import secret_files, there; "
THERE = f"{IMPORTED} print(there(Path(sys.argv[1])))"
WRITABLE = f"{IMPORTED} print(*secret_files(Path(sys.argv[1]), in_container=False).writable)"
MAY_MOUNT = subprocess.run(("unshare", "--mount", "true"), capture_output=True, check=False).returncode == 0


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    made(folder, 0o755)
    return folder


def made(path: Path, mode: int) -> None:
    path.mkdir()
    path.chmod(mode)


def written(path: Path, mode: int) -> None:
    path.write_text("secret")
    path.chmod(mode)


def test_what_everybody_may_write_or_read_is_seen_and_links_are_not(secrets: Path) -> None:
    written(secrets / "all", 0o666)
    written(secrets / "own", 0o600)
    made(secrets / "open", 0o777)
    (secrets / "link").symlink_to("own")
    seen = secret_files(secrets, in_container=False)
    assert (seen.count, sorted(seen.writable)) == (2, [str(secrets / "all"), str(secrets / "open")])
    assert seen.readable == [str(secrets / "all")]


def test_in_a_sticky_folder_nobody_changes_files_of_others(secrets: Path) -> None:
    secrets.chmod(0o1777)
    written(secrets / "own", 0o600)
    assert secret_files(secrets, in_container=False).writable == []
    (secrets / "own").chmod(0o1602)  # of a file the bit says nothing
    assert secret_files(secrets, in_container=False).writable == [str(secrets / "own")]


def test_the_users_of_a_container_are_its_own_programs(secrets: Path) -> None:
    written(secrets / "all", 0o666)
    seen = secret_files(secrets, in_container=True)
    assert (seen.count, [*seen.writable, *seen.readable]) == (1, [])


@pytest.mark.skipif(not MAY_MOUNT, reason="this user may not mount anything")
def test_nobody_writes_on_a_read_only_file_system(secrets: Path) -> None:
    written(secrets / "all", 0o666)
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    look = (sys.executable, "-c", WRITABLE, str(secrets))
    assert said(*look) == str(secrets / "all")
    assert said("unshare", "--mount", "sh", "-c", mount, str(secrets), *look) == ""


def test_a_file_that_goes_while_it_is_looked_at_takes_nothing_with_it(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(secrets / "all", 0o666)
    written(secrets / "gone", 0o666)
    made(secrets / "left", 0o755)
    real = os.walk

    def walk(top: Path, **options: object) -> Iterator[object]:
        for found in real(top, **options):  # type: ignore[call-overload]  # passed on as they are
            (secrets / "gone").unlink(missing_ok=True)
            shutil.rmtree(secrets / "left", ignore_errors=True)
            yield found

    monkeypatch.setattr(folders.os, "walk", walk)
    seen = secret_files(secrets, in_container=False)
    assert (seen.count, seen.writable) == (1, [str(secrets / "all")])


def test_a_folder_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        secret_files(tmp_path / "none", in_container=False)


def test_below_a_folder_that_cannot_be_looked_into_that_one_is_the_nearest(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    made(closed, 0o755)
    if os.geteuid() == 0:
        os.chown(closed, 65534, 65534)
    closed.chmod(0)
    try:
        assert said(*WITHOUT_RIGHTS, sys.executable, "-c", THERE, str(closed / "a" / "b")) == str(closed)
    finally:
        closed.chmod(0o755)


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()
