"""Secrets that settings take from files: the database's password, the key of object storage."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from pydantic import ValidationError

from airbyte_workers.settings import Settings
from airbyte_workers.store.object_access import access_of
from airbyte_workers.store.objects import open_objects

AWKWARD = "a@b/c:%41 d#?"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MINIO_ENDPOINT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{AWKWARD}\na second line\n")
    return file


@pytest.mark.parametrize(
    ("url", "user", "rest"),
    [
        ("postgresql://me@h:5432/d", "me", "h:5432"),
        ("postgresql://me:@h/d", "me", "h"),
        ("postgresql://h/d", "", "h"),
        ("postgresql:///d?host=/tmp", "", ""),
    ],
)
def test_the_password_goes_into_an_address_that_has_none(file: Path, url: str, user: str, rest: str) -> None:
    made = urlsplit(Settings(database_url=url, database_password_file=file).database_url or "")
    assert unquote(made.password or "") == AWKWARD
    assert (made.username or "", made.netloc.rpartition("@")[2]) == (user, rest)
    assert (made.path, made.query) == (urlsplit(url).path, urlsplit(url).query)


@pytest.mark.parametrize("url", ["postgresql://me:x@h/d", "postgresql://me@h/d?password=x", "postgresql://[h"])
def test_an_address_with_a_password_and_one_that_is_none_stay_as_they_are(file: Path, url: str) -> None:
    assert Settings(database_url=url, database_password_file=file).database_url == url


def test_without_an_address_the_file_is_not_read(tmp_path: Path) -> None:
    assert Settings(database_password_file=tmp_path / "missing").database_url is None


def test_an_empty_file_holds_no_password(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    settings = Settings(database_url="postgresql://me@h/d", database_password_file=tmp_path / "empty")
    assert settings.database_url == "postgresql://me@h/d"


def test_the_key_of_object_storage_is_read_where_it_is_not_given(file: Path) -> None:
    settings = Settings(aws_access_key_id="me", aws_secret_access_key_file=file)
    assert settings.aws_secret_access_key == AWKWARD
    assert Settings(aws_secret_access_key_file=file, aws_secret_access_key="k").aws_secret_access_key == "k"


def test_without_a_key_its_file_is_not_read_and_the_machine_has_a_role(tmp_path: Path) -> None:
    settings = Settings(storage_url="s3://bucket", aws_secret_access_key_file=tmp_path / "missing")
    assert settings.aws_secret_access_key is None
    assert not {"access_key_id", "secret_access_key"} & set(access_of(settings).config)
    assert open_objects(settings).address == "s3://bucket"


def test_a_password_from_a_file_is_not_in_what_is_printed_of_the_settings(file: Path) -> None:
    files = {"database_password_file": file, "aws_secret_access_key_file": file}
    settings = Settings(database_url="postgresql://me@h/d", aws_access_key_id="me", **files)
    assert quote(AWKWARD, safe="") in (settings.database_url or "")
    for secret in (AWKWARD, quote(AWKWARD, safe="")):
        assert secret not in f"{settings!r}{settings}"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read"),
        (b"\xff\xfe", "is not text"),
        (b"x" * (64 * 1024 + 1), "has more than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_its_content_is_not(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    for given in (
        {"database_url": "postgresql://me@h/d", "database_password_file": file},
        {"aws_access_key_id": "me", "aws_secret_access_key_file": file},
    ):
        with pytest.raises(ValidationError) as caught:
            Settings.model_validate(given)
        assert told in str(caught.value)
        assert str(file) in str(caught.value)
        assert "xxxx" not in str(caught.value)


def test_settings_with_what_was_read_come_back_from_json_without_the_file(file: Path) -> None:
    """A pod does not have the file."""
    settings = Settings(aws_access_key_id="me", aws_secret_access_key_file=file)
    told = settings.model_dump(mode="json")
    file.unlink()
    assert Settings.model_validate(told) == settings
