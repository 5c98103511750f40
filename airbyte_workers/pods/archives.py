"""Tar archives that become a container's folder: files and FIFOs with the owner and mode they shall have there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

FOLDER_MODE, FILE_MODE, FIFO_MODE = 0o770, 0o400, 0o660
PROGRAM_MODE, PARENT_MODE = 0o500, 0o755
"""The group is the orchestrator's: it opens the FIFOs, deletes what is in the folder. Files are their owner's alone."""


@dataclass(frozen=True)
class Owner:
    """Numeric ids: the user that the image runs as, the group that the orchestrator is in."""

    uid: int
    gid: int


ROOT = Owner(0, 0)


@dataclass(frozen=True)
class Folder:
    """What one container of a pod finds in its folder."""

    files: Mapping[str, bytes]
    fifos: Iterable[str]
    programs: Mapping[str, bytes] = field(default_factory=dict)

    def packed(self, path: str, owner: Owner) -> bytes:
        """The archive that puts the folder at this absolute path when it is unpacked at the root."""
        packed = io.BytesIO()
        place = PurePosixPath(path.lstrip("/"))
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for parent in reversed(place.parents[:-1]):
                _add(archive, _entry(str(parent), tarfile.DIRTYPE, PARENT_MODE, ROOT))
            _add(archive, _entry(str(place), tarfile.DIRTYPE, FOLDER_MODE, owner))
            for name, content in self.files.items():
                _add(archive, _entry(f"{place}/{name}", tarfile.REGTYPE, FILE_MODE, owner), content)
            for name, content in self.programs.items():
                _add(archive, _entry(f"{place}/{name}", tarfile.REGTYPE, PROGRAM_MODE, owner), content)
            for name in self.fifos:
                _add(archive, _entry(f"{place}/{name}", tarfile.FIFOTYPE, FIFO_MODE, owner))
        return packed.getvalue()


def file(path: str, content: bytes, owner: Owner) -> bytes:
    """One file, for a folder that is there."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        _add(archive, _entry(path.lstrip("/"), tarfile.REGTYPE, 0o644, owner), content)
    return packed.getvalue()


def _entry(name: str, kind: bytes, mode: int, owner: Owner) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner.uid, owner.gid
    return entry


def _add(archive: tarfile.TarFile, entry: tarfile.TarInfo, content: bytes = b"") -> None:
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
