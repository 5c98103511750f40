"""Checks of folders: room on their disks, FIFOs for pods, object storage, files of secrets."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airbyte_workers.doctor.engine import root_of
from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import apart
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import StorageError, open_objects

LEAST_FILES = 1000
"""Free inodes below which a pod's files may not fit any more."""
_GB = 10**9
_NAMED = 3
_PROBE = b"through"
_IN_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))


def there(path: Path) -> Path:
    """The folder, or the nearest one above it that exists: where it would be made."""
    path = path.expanduser().absolute()
    return next(each for each in (path, *path.parents) if is_there(each))


def is_there(path: Path) -> bool:
    """Whether it can be seen; Path.exists of older Pythons raises what keeps us from it."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


# --- room ---


@dataclass(frozen=True)
class Disk:
    """A file system, by what of ours is on it; `files` is None where they are not counted."""

    path: Path
    uses: tuple[str, ...]
    free: int
    files: int | None


async def look_at_disks(means: Means) -> Sequence[Finding]:
    used = dict(await apart(lambda: _folders(means.settings)))
    with suppress(Skip):
        view = await means.engine.through()
        used |= {"the Docker engine": root} if (root := await apart(lambda: root_of(view))) else {}
    return judge_disks(await apart(lambda: _disks(used)), means.settings)


def _folders(settings: Settings) -> Mapping[str, Path]:
    folders = {"AIRBYTE_WORKERS_HOME": settings.home, "LOCAL_ROOT": settings.local_root}
    storage = file_storage(settings)
    return folders | {"STORAGE_URL": storage} if storage is not None else folders


def file_storage(settings: Settings) -> Path | None:
    """The folder of object storage, where it is one."""
    parts = urlsplit(settings.storage)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _disks(used: Mapping[str, Path]) -> Sequence[Disk]:
    by_device = defaultdict[int, dict[str, Path]](dict)
    for name, path in used.items():
        place = there(path)
        by_device[place.stat().st_dev][name] = place
    return [_disk(each) for each in by_device.values()]


def _disk(used: Mapping[str, Path]) -> Disk:
    path = next(iter(used.values()))
    told = os.statvfs(path)
    return Disk(path, tuple(used), told.f_bavail * told.f_frsize, told.f_favail if told.f_files else None)


def judge_disks(disks: Sequence[Disk], settings: Settings) -> Sequence[Finding]:
    short = [found for disk in disks if (found := _judged(disk, settings)) is not None]
    told = "; ".join(f"{disk.free / _GB:,.1f} GB for {', '.join(disk.uses)}" for disk in disks)
    return short or [ok(f"free: {told}")]


def _judged(disk: Disk, settings: Settings) -> Finding | None:
    where = f"the disk of {disk.path} ({', '.join(disk.uses)})"
    advice = "make room (airbyte-workers gc removes what is old), or name a folder on another disk"
    if disk.files is not None and disk.files < LEAST_FILES:
        return fault(f"only {disk.files} more files fit on {where}", advice)
    seen = f"only {disk.free / _GB:,.2f} GB are free on {where}"
    if disk.free < settings.doctor_disk_fault_bytes:
        return fault(seen, advice)
    return warning(seen, advice) if disk.free < settings.doctor_disk_warning_bytes else None


# --- FIFOs ---


async def look_at_fifos(means: Means) -> Sequence[Finding]:
    settings = means.settings
    if settings.launcher == "docker" and settings.orchestrator_image is not None:
        raise Skip("pods' pipes are in volumes of the engine (ORCHESTRATOR_IMAGE)")
    folder = await apart(lambda: there(settings.pods_dir))
    advice = "AIRBYTE_WORKERS_HOME must be a folder of this user on a local Linux file system"
    try:
        came = await apart(lambda: _through_a_fifo(folder))
    except OSError as error:
        return [fault(f"no FIFO can be used in {folder}: {error.strerror}", advice)]
    return [
        ok(f"they work in {folder}") if came == _PROBE else fault(f"what goes into a FIFO in {folder} is lost", advice)
    ]


def _through_a_fifo(folder: Path) -> bytes:
    """What comes out of one. Raises OSError."""
    probe = Path(tempfile.mkdtemp(prefix=".doctor-", dir=folder))
    try:
        fifo = probe / "fifo"
        os.mkfifo(fifo, 0o600)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(writer, _PROBE)
                return os.read(reader, len(_PROBE))
            finally:
                os.close(writer)
        finally:
            os.close(reader)
    finally:
        shutil.rmtree(probe, ignore_errors=True)


# --- object storage ---


async def look_at_storage(means: Means) -> Sequence[Finding]:
    folder = await apart(lambda: file_storage(means.settings))
    if folder is not None and not await apart(lambda: is_there(folder)):
        return [await apart(lambda: _judge_unmade(folder))]
    patient = means.settings.model_copy(update={"storage_timeout_s": means.limit_s})
    try:
        objects = await apart(lambda: open_objects(patient))
        await objects.check()
    except StorageError as error:
        return [fault(str(error), "markers and logs cannot be kept without it: see STORAGE_URL and the settings named")]
    return [ok(f"an object was written, read, listed and deleted in {objects.address}")]


def _judge_unmade(folder: Path) -> Finding:
    above = there(folder)
    if os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        return ok(f"{folder} is made on first use")
    return fault(f"{folder} cannot be made: {above} is not writable", "make it, or set STORAGE_URL")


# --- files of secrets ---


@dataclass(frozen=True)
class SecretFiles:
    """What is below SECRETS_DIR, by whom others than its owner may do what."""

    folder: Path
    count: int
    writable: Sequence[str] = ()
    readable: Sequence[str] = ()


async def look_at_secret_files(means: Means) -> Sequence[Finding]:
    folder = means.settings.secrets_dir
    try:
        files = await apart(lambda: secret_files(folder, in_container=any(map(is_there, _IN_CONTAINER))))
    except FileNotFoundError:
        raise Skip(f"there is no {folder}: `file:` references cannot be used") from None
    except OSError as error:
        advice = "SECRETS_DIR must be a folder that the Temporal worker's user can read"
        return [fault(f"{folder} cannot be read: {error.strerror}", advice)]
    return judge_secret_files(files)


def secret_files(folder: Path, *, in_container: bool) -> SecretFiles:
    """`in_container`: its users are its own programs. Raises OSError."""
    modes = dict(_modes(folder))
    count = sum(map(stat.S_ISREG, modes.values()))
    if in_container:
        return SecretFiles(folder, count)
    closed = not modes[str(folder)] & stat.S_IXOTH
    writable = [path for path, mode in modes.items() if _may_all_write(mode) and not (closed and path != str(folder))]
    readable = [path for path, mode in modes.items() if stat.S_ISREG(mode) and mode & stat.S_IROTH and not closed]
    return SecretFiles(folder, count, [path for path in writable if not _is_read_only(path)], readable)


def _modes(folder: Path) -> Iterator[tuple[str, int]]:
    """Of the folder and of what is below, without links; what goes meanwhile is left out."""
    yield str(folder), folder.stat().st_mode
    for base, folders, files in os.walk(folder, onerror=lambda error: _raised(error, folder)):
        for path in (Path(base, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):
                if not stat.S_ISLNK(mode := path.lstat().st_mode):
                    yield str(path), mode


def _may_all_write(mode: int) -> bool:
    """In a sticky folder everybody makes files, and changes only those of his own."""
    return bool(mode & stat.S_IWOTH) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)


def _is_read_only(path: str) -> bool:
    """Whether its file system is mounted so: nobody writes there, whatever the mode."""
    with suppress(OSError):
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def _raised(error: OSError, folder: Path) -> None:
    if not isinstance(error, FileNotFoundError) or error.filename == str(folder):
        raise error


def judge_secret_files(files: SecretFiles) -> Sequence[Finding]:
    """Who can write there decides what connectors log in with; who can read there knows it."""
    if files.writable:
        return [fault(f"every user of this host may write {_some(files.writable)}", "take the right away: chmod o-w")]
    if files.readable:
        return [warning(f"every user of this host may read {_some(files.readable)}", "take the right away: chmod o-r")]
    return [ok(f"{files.count} files in {files.folder}")]


def _some(paths: Sequence[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
