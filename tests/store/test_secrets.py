"""Secrets: references resolved late and within bounds, configs sealed with a key of their own."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from airbyte_workers.store.sealing import Seal, SealError, load_seal
from airbyte_workers.store.secrets import SecretError, resolve


def test_references_are_resolved_at_every_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_SECRET_KEY", "s3cret")
    (tmp_path / "token").write_text("t0ken\n")
    config = {"a": {"_secret": "env:AIRBYTE_SECRET_KEY"}, "b": [{"c": {"_secret": "file:token"}}], "d": 1}
    assert resolve(config, tmp_path) == {"a": "s3cret", "b": [{"c": "t0ken"}], "d": 1}


@pytest.mark.parametrize(
    "reference",
    ["env:HOME", "env:AIRBYTE_SECRET_MISSING", "file:../outside", "file:/etc/passwd", "file:missing", "store:x", "x"],
)
def test_what_may_not_be_read_is_refused(tmp_path: Path, reference: str) -> None:
    (tmp_path / "outside").write_text("no")
    root = tmp_path / "secrets"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    for each in (reference, "file:link"):
        with pytest.raises(SecretError) as error:
            resolve({"a": {"_secret": each}}, root)
        assert "no" not in str(error.value).split("'")


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
