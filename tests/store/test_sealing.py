"""Sealing: what one key closed no other opens, clients close without a key, the key file is made once."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, load_seal, seal_for

SEAL, OTHER = Seal(b"k" * 32), Seal(b"o" * 32)
CONFIG = {"password": "hunter2"}
STORED_1 = bytes.fromhex(
    "018c269a46334589c9fa310835882d35d8497b3be6ac2ac66e1d691313235a9ae007d3e43c052f0e059f496f05d8f083d79cdc"
)
STORED_2 = bytes.fromhex(
    "02fe6bac67f4b928cab3dffa115697a2f26bf1692ecce8a28a637222d47593c973"
    "dfb8c6f8b255ca07737fad269746c939968e445abd03320aa220c967177ccc4d5dc6ee85742a9fa4226bfbe3efa49dae2d04"
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
sealers = st.sampled_from([SEAL.close, lambda value: seal_for(SEAL.public_key, value)])
both_forms = pytest.mark.parametrize("sealed", [STORED_1, STORED_2], ids=["own", "public"])
whenever = settings(deadline=None)  # the machine that runs the examples is shared


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def opened(seal: Seal, sealed: bytes) -> Any:
    """By the way in which it was sealed."""
    return seal.open_handed(sealed) if sealed[:1] == b"\x02" else seal.open(sealed)


# --- both ways of sealing ---


@whenever
@given(values, sealers)
def test_what_is_sealed_opens_to_the_same_value(value: Any, sealed_by: Any) -> None:
    assert opened(SEAL, sealed_by(value)) == value


@whenever
@given(values, sealers)
def test_another_key_opens_nothing(value: Any, sealed_by: Any) -> None:
    with pytest.raises(SealError, match="another key"):
        opened(OTHER, sealed_by(value))


@whenever
@given(values, sealers)
def test_the_same_value_is_never_sealed_to_the_same_bytes(value: Any, sealed_by: Any) -> None:
    assert sealed_by(value) != sealed_by(value)


@whenever
@given(values, sealers, st.data())
def test_a_changed_byte_is_refused_wherever_it_is(value: Any, sealed_by: Any, data: st.DataObject) -> None:
    sealed = bytearray(sealed_by(value))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        opened(SEAL, bytes(sealed))


@both_forms
def test_a_change_of_any_single_bit_is_refused(sealed: bytes) -> None:
    """X25519 itself ignores the highest bit of a public key; we do not."""
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealError):
            opened(SEAL, bytes(changed))


@both_forms
def test_a_value_that_was_cut_off_or_added_to_is_refused(sealed: bytes) -> None:
    for damaged in (*(sealed[:length] for length in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(SealError):
            opened(SEAL, damaged)


@whenever
@given(st.sampled_from([b"", b"\x01", b"\x02", b"\x02" + bytes(32)]), st.binary(max_size=120))
def test_garbage_is_refused(beginning: bytes, rest: bytes) -> None:
    with pytest.raises(SealError):
        opened(SEAL, beginning + rest)


@both_forms
def test_what_earlier_versions_stored_stays_readable(sealed: bytes) -> None:
    assert opened(SEAL, sealed) == CONFIG


def test_the_form_of_a_newer_version_is_told_from_another_key() -> None:
    with pytest.raises(SealError, match="newer airbyte-workers wrote it"):
        SEAL.open(b"\x03" + STORED_1[1:])


@pytest.mark.parametrize(
    "sealed_by", [SEAL.close, lambda value: seal_for(SEAL.public_key, value)], ids=["own", "public"]
)
@pytest.mark.parametrize("value", [object(), "hunter2\ud800", nested(100_000)], ids=["object", "surrogate", "deep"])
def test_a_value_that_is_not_json_is_refused_without_telling_it(sealed_by: Any, value: Any) -> None:
    with pytest.raises(SealError, match="cannot be written as JSON") as refused:
        sealed_by({"password": "hunter2", "x": value})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("plain", [b"\xff", b"", b"[" * 100_000], ids=["binary", "empty", "deep"])
def test_a_sealed_value_that_is_not_json_is_refused(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are not ours alone: whoever has the public key can seal anything."""
    monkeypatch.setattr(msgspec.json, "encode", lambda _value: plain)
    sealed = seal_for(SEAL.public_key, CONFIG)
    with pytest.raises(SealError, match="is not JSON"):
        SEAL.open_handed(sealed)


def test_what_anybody_can_make_never_passes_for_what_was_stored() -> None:
    """Whoever can write rows, and has no key, could forge a connection else."""
    with pytest.raises(SealError, match="a form that"):
        SEAL.open(seal_for(SEAL.public_key, CONFIG))
    with pytest.raises(SealError, match="a form that"):
        SEAL.open_handed(SEAL.close(CONFIG))


# --- the public key ---


def test_every_worker_with_the_key_has_the_same_public_key_and_others_have_not() -> None:
    assert Seal(b"k" * 32).public_key == SEAL.public_key != OTHER.public_key
    assert len(SEAL.public_key) == 32


def test_the_public_key_does_not_open_what_is_sealed_to_it() -> None:
    with pytest.raises(SealError):
        Seal(SEAL.public_key).open(STORED_2)


@pytest.mark.parametrize(
    "public_key", [b"", bytes(31), b"k" * 33, bytes(32), b"\x01" + bytes(31)], ids=["0", "31", "33", "zero", "one"]
)
def test_nothing_is_sealed_to_what_is_no_public_key(public_key: bytes) -> None:
    """The last two have the right length, and everybody knows the secrets that they give."""
    with pytest.raises(SealError, match="public key"):
        seal_for(public_key, CONFIG)


# --- the key file ---


def test_of_processes_that_make_the_key_at_once_all_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "home" / "key"
    together = Barrier(8)

    def start(_number: int) -> bytes:
        together.wait()
        return load_seal(path).public_key

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_another_process_made_a_moment_earlier_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link = tmp_path / "key", os.link

    def late(fresh: Path, to: Path) -> None:
        path.write_text("6b" * 32)
        path.chmod(0o600)
        link(fresh, to)

    monkeypatch.setattr(os, "link", late)
    assert load_seal(path).public_key == SEAL.public_key
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_key_file_that_others_can_read_works_and_is_warned_of(tmp_path: Path, mode: int, warned: bool) -> None:
    path = tmp_path / "key"
    path.write_text("6b" * 32)
    path.chmod(mode)
    with capture_logs() as logs:
        assert load_seal(path).open(STORED_1) == CONFIG
    told = [(each["event"], each["path"], each["log_level"]) for each in logs]
    assert told == ([("secrets key file is readable by others", str(path), "warning")] if warned else [])


@pytest.mark.parametrize("step", ["mkdir", "open", "link", "unlink"])
def test_a_folder_that_takes_no_key_file_is_named_with_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path = tmp_path / "home" / "key"
    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(SealError, match=r"make its folder writable.*SECRETS_KEY_FILE") as refused:
        load_seal(path)
    assert f"cannot make the key file {path}" in str(refused.value)


def test_a_folder_of_the_path_that_is_a_file_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(SealError, match="cannot make the key file"):
        load_seal(tmp_path / "home" / "key")


def test_a_key_file_that_cannot_be_read_is_named_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff" * 32)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("key", "binary", "link"):
        with pytest.raises(SealError, match=rf"cannot read the key file .*/{name}: .*SECRETS_KEY_FILE"):
            load_seal(tmp_path / name)
