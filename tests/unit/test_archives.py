"""Archives that become a container's folder: what is packed is what unpacks, with owners and modes."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.pods.archives import ROOT, Folder, Owner, file

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
owners = st.builds(Owner, st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2))
contents = st.dictionaries(names, st.binary(max_size=2000), max_size=4)


def members(packed: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return archive.getmembers()


def content_of(packed: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        extracted = archive.extractfile(name)
        assert extracted is not None
        return extracted.read()


@given(paths, owners, contents, st.lists(names, unique=True, max_size=4), contents)
def test_what_is_packed_is_what_unpacks(
    path: str, owner: Owner, files: Mapping[str, bytes], fifos: list[str], programs: Mapping[str, bytes]
) -> None:
    packed = Folder(files, fifos, programs).packed(path, owner)
    found = members(packed)
    place = path.lstrip("/")
    above = [str(each) for each in reversed(PurePosixPath(place).parents)][1:]
    folders, rest = found[: len(above) + 1], found[len(above) + 1 :]

    assert [(each.name, each.isdir(), each.mode, each.uid, each.gid) for each in folders] == [
        *((name, True, 0o755, 0, 0) for name in above),
        (place, True, 0o770, owner.uid, owner.gid),
    ]
    assert [(each.name, each.type, each.mode) for each in rest] == [
        *((f"{place}/{name}", tarfile.REGTYPE, 0o400) for name in files),
        *((f"{place}/{name}", tarfile.REGTYPE, 0o500) for name in programs),
        *((f"{place}/{name}", tarfile.FIFOTYPE, 0o660) for name in fifos),
    ]
    assert all((each.uid, each.gid) == (owner.uid, owner.gid) for each in rest)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:  # by member: a name may stand in it twice
        bodies = [archive.extractfile(each).read() for each in rest if each.isreg()]  # type: ignore[union-attr]  # files have a reader
    assert bodies == [*files.values(), *programs.values()]


@given(paths, contents, st.lists(names, unique=True, max_size=4))
def test_everything_stays_below_the_folder(path: str, files: Mapping[str, bytes], fifos: list[str]) -> None:
    place = PurePosixPath(path.lstrip("/"))
    for each in members(Folder(files, fifos).packed(path, ROOT)):
        name = PurePosixPath(each.name)
        assert not name.is_absolute()
        assert ".." not in name.parts
        assert name.is_relative_to(place) or place.is_relative_to(name)
        assert each.isdir() or name.parent == place


def test_a_real_unpacking_makes_files_and_fifos(tmp_path: Path) -> None:
    me = Owner(os.getuid(), os.getgid())
    folder = Folder({"config.json": b"{}"}, ("in", "out"), {"sh": b"#!"})
    with tarfile.open(fileobj=io.BytesIO(folder.packed("/a/b", me))) as archive:
        archive.extractall(tmp_path, filter="fully_trusted")
    seen = {each.name: each.stat().st_mode for each in (tmp_path / "a" / "b").iterdir()}
    assert {name: (stat.S_IFMT(mode), stat.S_IMODE(mode)) for name, mode in seen.items()} == {
        "config.json": (stat.S_IFREG, 0o400),
        "sh": (stat.S_IFREG, 0o500),
        "in": (stat.S_IFIFO, 0o660),
        "out": (stat.S_IFIFO, 0o660),
    }
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o770
    assert (tmp_path / "a" / "b" / "config.json").read_bytes() == b"{}"


def test_an_empty_folder_is_a_folder() -> None:
    assert [each.name for each in members(Folder({}, ()).packed("/airbyte-pod", ROOT))] == ["airbyte-pod"]


@pytest.mark.parametrize("content", [b"", b"137\n", bytes(100_000)])
def test_one_file_for_a_folder_that_is_there(content: bytes) -> None:
    packed = file("/airbyte-pod/exit_code", content, Owner(5, 6))
    (member,) = members(packed)
    assert (member.name, member.isreg(), member.mode, member.uid, member.gid) == (
        "airbyte-pod/exit_code",
        True,
        0o644,
        5,
        6,
    )
    assert content_of(packed, member.name) == content
