"""The files of an image, as a tar stream that is never whole in memory, and a cheap fingerprint of them."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

BLOCK_BYTES = 1 << 20
TAR_BLOCK_BYTES = 512
CACHES = "__pycache__"


class Entry(NamedTuple):
    """One file, folder or link; `stamp` is what changes when the file's content does."""

    info: tarfile.TarInfo
    content: Path | bytes = b""
    stamp: int = 0


def folder(target: str | PurePath, mode: int = 0o755, owner: int = 0) -> Entry:
    """A folder; its group is the owner's number."""
    info = _info(target, tarfile.DIRTYPE, mode)
    info.uid = info.gid = owner
    return Entry(info)


def text(target: str | PurePath, content: str) -> Entry:
    """A file that anybody may read."""
    info = _info(target, tarfile.REGTYPE, 0o644)
    data = content.encode()
    info.size = len(data)
    return Entry(info, data)


def link(target: str | PurePath, to: str | PurePath) -> Entry:
    """A symbolic link."""
    info = _info(target, tarfile.SYMTYPE, 0o777)
    info.linkname = str(to)
    return Entry(info)


def copy(source: Path, target: str | PurePath) -> Entry:
    """The file that `source` leads to, root's, readable by anybody, executable by anybody if by its owner."""
    return _file(source, source.stat(), target)


def tree(source: Path, target: str | PurePath, without: Collection[str] = ()) -> Iterator[Entry]:
    """A folder with everything in it, links as links; files and folders named in `without` are left out."""
    yield folder(target)
    with os.scandir(source) as listing:
        found = sorted(listing, key=lambda each: each.name)
    for each in found:
        if each.name in without:
            continue
        place = PurePath(target) / each.name
        if each.is_symlink():
            yield link(place, Path(each.path).readlink())
        elif each.is_dir():
            yield from tree(Path(each.path), place, without)
        elif each.is_file():
            yield _file(Path(each.path), each.stat(), place)


def with_parents(entries: Iterable[Entry], existing: Collection[str]) -> Iterator[Entry]:
    """The same, each target once, with the folders above it that are neither `existing` nor among the entries."""
    seen = {".", *(name.lstrip("/") for name in existing)}
    for entry in entries:
        if entry.info.name in seen:
            continue
        for parent in reversed(PurePath(entry.info.name).parents):
            if str(parent) not in seen:
                seen.add(str(parent))
                yield folder(parent)
        seen.add(entry.info.name)
        yield entry


def fingerprint(entries: Iterable[Entry]) -> str:
    """Changes with names, modes, sizes and times of files; bytecode is left out, it follows from its source."""
    digest = hashlib.sha256()
    for info, content, stamp in entries:
        if CACHES not in info.name:
            digest.update(f"{info.name}\0{info.linkname}\0{info.mode}\0{info.size}\0{stamp}\n".encode())
            digest.update(content if isinstance(content, bytes) else b"")
    return digest.hexdigest()


def stream(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The tar archive, in blocks of about a megabyte. Raises OSError when a file shrinks while it is read."""
    block = bytearray()
    for piece in _pieces(entries):
        block += piece
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block) + bytes(2 * TAR_BLOCK_BYTES)


def _pieces(entries: Iterable[Entry]) -> Iterator[bytes]:
    for info, content, _ in entries:
        yield info.tobuf(tarfile.PAX_FORMAT)
        if isinstance(content, bytes):
            yield content
        else:
            yield from _read(content, info.size)
        yield bytes(-info.size % TAR_BLOCK_BYTES)


def _read(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size:
            piece = file.read(min(size, BLOCK_BYTES))
            if not piece:
                raise OSError(f"{path} became shorter while it was read")
            size -= len(piece)
            yield piece


def _file(source: Path, status: os.stat_result, target: str | PurePath) -> Entry:
    info = _info(target, tarfile.REGTYPE, 0o755 if status.st_mode & stat.S_IXUSR else 0o644)
    info.size, info.mtime = status.st_size, int(status.st_mtime)
    return Entry(info, source, status.st_mtime_ns)


def _info(target: str | PurePath, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(str(target).lstrip("/"))
    info.type, info.mode = kind, mode
    return info
