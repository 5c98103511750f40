"""Secrets: references resolved late and within bounds, configs sealed with a key of their own."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, load_seal
from airbyte_workers.store.secrets import SecretError, resolve


def test_references_are_resolved_at_every_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_SECRET_KEY", "s3cret")
    (tmp_path / "token").write_text("t0ken\n")
    config = {"a": {"_secret": "env:AIRBYTE_SECRET_KEY"}, "b": [{"c": {"_secret": "file:token"}}], "d": 1}
    assert resolve(config, tmp_path) == {"a": "s3cret", "b": [{"c": "t0ken"}], "d": 1}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of secrets; beside it lies a file that is none."""
    (tmp_path / "outside").write_text("hunter2")
    root = tmp_path / "secrets"
    root.mkdir()
    return root


def refusal(reference: str, root: Path, **bound: int) -> str:
    """Why a reference gives nothing; what could have been read is never in it."""
    with pytest.raises(SecretError) as error:
        resolve({"a": [{"_secret": reference}]}, root, **bound)
    assert "hunter2" not in str(error.value)
    place, _, reason = str(error.value).partition(": ")
    assert place == "config.a[0]"
    return reason


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:HOME", "secret env:HOME: only variables that begin with AIRBYTE_SECRET_ may be used"),
        ("env:", "only variables that begin with AIRBYTE_SECRET_"),
        ("env:AIRBYTE_SECRET_MISSING", "secret env:AIRBYTE_SECRET_MISSING: the Temporal worker's environment has no"),
        ("env:AIRBYTE_SECRET_\ud800", "environment has no such variable"),
        ("file:../outside", "secret file:../outside: only files below"),
        ("file:/etc/passwd", "only files below"),
        ("file:missing", "secret file:missing: No such file or directory"),
        ("file:", "not a regular file"),
        ("file:.", "not a regular file"),
        ("file:a\0b", "no file can be reached by this name"),
        ("file:" + "x" * 300, "File name too long"),
        ("store:hunter2", "a secret reference begins with env: or file:"),
        ("hunter2", "a secret reference begins with env: or file:"),
    ],
)
def test_what_may_not_be_read_is_refused_with_the_reason(root: Path, reference: str, words: str) -> None:
    assert words in refusal(reference, root)


def test_a_link_out_of_the_folder_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    (root / "folder").symlink_to(root.parent)
    for reference in ("file:link", "file:folder/outside"):
        assert "only files below" in refusal(reference, root)


def test_a_link_inside_the_folder_is_followed(root: Path) -> None:
    """Kubernetes mounts secrets like this."""
    (root / "..data").mkdir()
    (root / "..data" / "token").write_text("t0ken")
    (root / "token").symlink_to("..data/token")
    assert resolve({"_secret": "file:token"}, root) == "t0ken"


def test_an_absolute_path_inside_the_folder_is_read(root: Path) -> None:
    (root / "token").write_text("t0ken")
    assert resolve({"_secret": f"file:{root}/token"}, root) == "t0ken"


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    assert refusal("file:a", root).startswith("secret file:a: ")


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_and_waits_for_nobody(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert "not a regular file" in refusal("file:pipe", root)


@pytest.mark.timeout(10)
def test_a_pipe_that_was_a_file_a_moment_ago_is_refused_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "token").write_text("hunter2")
    kind = (root / "token").lstat()
    os.mkfifo(root / "pipe")
    monkeypatch.setattr(Path, "lstat", lambda _path: kind)
    assert "not a regular file" in refusal("file:pipe", root)


def test_a_device_is_refused_without_being_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any) -> int:
        raise AssertionError("the device was opened")

    monkeypatch.setattr(os, "open", refuse)
    assert "not a regular file" in refusal("file:null", Path("/dev"))


def test_a_folder_is_refused(root: Path) -> None:
    (root / "folder").mkdir()
    assert "not a regular file" in refusal("file:folder", root)


def test_a_file_is_read_up_to_a_bound(root: Path) -> None:
    (root / "token").write_text("hunter2" * 10)
    assert resolve({"_secret": "file:token"}, root, max_bytes=70) == "hunter2" * 10
    assert "the file is larger than 69 bytes" in refusal("file:token", root, max_bytes=69)
    (root / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    assert "the file is larger than 1048576 bytes" in refusal("file:big", root)


def test_a_file_that_is_no_text_is_refused(root: Path) -> None:
    (root / "token").write_bytes(b"hunter2\xff")
    assert "the file is not text in UTF-8" in refusal("file:token", root)


@pytest.mark.parametrize(
    ("content", "value"),
    [("a\n", "a"), ("a\r\nb\r\n", "a\nb"), (" a \n\n", " a "), ("", ""), ("\u00e9\u4e2d", "\u00e9\u4e2d")],
)
def test_the_end_of_a_file_is_no_part_of_the_secret(root: Path, content: str, value: str) -> None:
    (root / "token").write_bytes(content.encode())
    assert resolve({"_secret": "file:token"}, root) == value


def test_an_empty_variable_is_an_empty_secret(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_SECRET_EMPTY", "")
    assert resolve({"_secret": "env:AIRBYTE_SECRET_EMPTY"}, root) == ""


def test_a_long_reference_is_cut(root: Path) -> None:
    assert len(refusal("env:" + "x" * 5000, root)) < 250


def test_what_only_looks_like_a_reference_stays(root: Path) -> None:
    config = {"a": {"_secret": 5}, "b": {"_secret": "env:HOME", "more": 1}}
    assert resolve(config, root) == config


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "secrets.key"
    sealed = load_seal(path).close({"password": "x"})
    assert load_seal(path).open(sealed) == {"password": "x"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secrets.key"]


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SealError, match="another key"):
        Seal(b"b" * 32).open(Seal(b"a" * 32).close(1))


@pytest.mark.parametrize("content", ["", "xyz", "ab" * 31])
def test_a_key_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(SealError, match="64 hex digits"):
        load_seal(tmp_path / "key")
