"""What the settings say of object storage: how it is opened, what a pod is given of it, and what nobody is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airbyte_workers.inputs import read_settings
from airbyte_workers.orchestrator.desk import own_redactor
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.runs import InvalidInput
from airbyte_workers.settings import Settings
from airbyte_workers.store.object_access import access_of
from airbyte_workers.store.objects import StorageError, carried, open_objects

SECRETS = {
    "aws_access_key_id": "AKIA-not-shown",
    "aws_secret_access_key": "s3cret/of+aws=",
    "aws_session_token": "t0ken-of-aws",
    "google_application_credentials": json.dumps({"type": "service_account", "private_key": "k3y-of-google"}),
    "azure_storage_connection_string": "AccountName=acme;AccountKey=YXp1cjNLZXk=;EndpointSuffix=core.example.net",
}
SHOWN_BY = {"s3": ["s3cret/of+aws=", "t0ken-of-aws"], "gs": ["k3y-of-google"], "az": ["YXp1cjNLZXk="]}
URLS = {"s3": "s3://bucket/prefix", "gs": "gs://bucket/prefix", "az": "az://container/prefix"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "MINIO_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in SECRETS:
        monkeypatch.delenv(name.upper(), raising=False)


def settings(scheme: str, **more: Any) -> Settings:
    return Settings(storage_url=URLS[scheme], **SECRETS | more)


@pytest.mark.parametrize("name", SECRETS)
def test_a_credential_has_upstreams_name_and_ours(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for prefix in ("AIRBYTE_WORKERS_", ""):
        monkeypatch.setenv(f"{prefix}{name.upper()}", SECRETS[name])
        assert getattr(Settings(), name) == SECRETS[name]
        monkeypatch.delenv(f"{prefix}{name.upper()}")


@pytest.mark.parametrize("name", ["MINIO_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
def test_the_endpoint_has_upstreams_name_and_amazons(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://minio:9000/")
    assert Settings().minio_endpoint == "http://minio:9000"


@pytest.mark.parametrize(
    "text",
    ["minio:9000", "ftp://minio", "http://", "http://a b:1", "http://key:pass@minio", "http://m?x=1", "http://m:port"],
)
def test_an_endpoint_that_is_none_is_refused_by_its_name_alone(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MINIO_ENDPOINT", text)
    with pytest.raises(InvalidInput) as caught:
        read_settings()
    assert "MINIO_ENDPOINT: must be http://host:port or https://host:port" in str(caught.value)
    assert text not in str(caught.value).replace("must be http://host:port or https://host:port", "")


@pytest.mark.parametrize("scheme", URLS)
def test_no_credential_is_seen_in_what_is_printed_of_the_settings_or_of_the_way_in(scheme: str) -> None:
    shown = repr(settings(scheme)) + str(settings(scheme)) + repr(access_of(settings(scheme)))
    for secret in (*SECRETS.values(), *SHOWN_BY[scheme]):
        assert secret not in shown


def test_a_value_that_is_refused_beside_them_tells_none() -> None:
    with pytest.raises(ValidationError) as caught:
        settings("s3", minio_endpoint="no address", launcher="nobody")
    for secret in SECRETS.values():
        assert secret not in str(caught.value)


@pytest.mark.parametrize("scheme", URLS)
def test_a_pod_s_program_has_the_credentials_and_tells_none_of_them(scheme: str) -> None:
    told = json.loads(settings(scheme).model_dump_json(exclude={"database_url"}))
    given = ConnectorInput.model_validate(
        {"pod": "p", "settings": told, "operation": "check", "origin": "source", "log_prefix": "l"}
    )
    assert access_of(given.read_settings()) == access_of(settings(scheme))
    redact = own_redactor(given)
    for secret in SHOWN_BY[scheme]:
        assert secret not in redact(f"cannot use {secret} there")


# --- S3 ---


def test_what_is_not_said_of_s3_is_left_to_the_machine() -> None:
    access = access_of(Settings(storage_url="s3://bucket"))
    assert dict(access.config) == {"virtual_hosted_style_request": False}
    assert (access.endpoint, access.secrets) == (None, ())


def test_the_bucket_stands_in_the_path_or_in_the_name_of_the_host() -> None:
    asked = {"storage_url": "s3://bucket/prefix", "minio_endpoint": "https://s3.example.com:9000"}
    path = access_of(Settings(**asked)).config
    host = access_of(Settings(**asked, s3_path_style_access=False)).config
    assert (path["endpoint"], path["virtual_hosted_style_request"]) == ("https://s3.example.com:9000", False)
    assert (host["endpoint"], host["virtual_hosted_style_request"]) == ("https://bucket.s3.example.com:9000", True)


# --- Google ---


def test_the_key_of_google_goes_to_a_pod_with_what_is_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(SECRETS["google_application_credentials"])
    here = settings("gs", google_application_credentials=str(file))
    assert dict(access_of(here).config) == {"application_credentials": str(file)}
    assert carried(here) == {"google_application_credentials": SECRETS["google_application_credentials"]}
    assert dict(access_of(settings("gs")).config) == {"service_account_key": SECRETS["google_application_credentials"]}


def test_a_file_is_carried_only_where_it_is_used_and_only_if_it_is_there(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.json")
    assert carried(settings("s3", google_application_credentials=nowhere)) == {}
    assert carried(settings("gs")) == {}
    assert carried(Settings(storage_url=URLS["gs"])) == {}
    with pytest.raises(StorageError, match=r"GOOGLE_APPLICATION_CREDENTIALS: cannot read .*nowhere.json: No such file"):
        carried(settings("gs", google_application_credentials=nowhere))


# --- Azure ---


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5PT0=;EndpointSuffix=core.windows.net",
            {"account_name": "acme", "account_key": "a2V5PT0=", "endpoint": "https://acme.blob.core.windows.net"},
        ),
        (
            "BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=a%3D;",
            {"account_name": "acme", "sas_key": "sv=1&sig=a%3D", "endpoint": "https://acme.blob.core.windows.net"},
        ),
        (
            "AccountName=dev;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/dev",
            {"account_name": "dev", "account_key": "a2V5", "endpoint": "http://127.0.0.1:10000/dev"},
        ),
    ],
)
def test_a_connection_string_is_read_as_azure_writes_it(text: str, config: dict[str, str]) -> None:
    access = access_of(settings("az", azure_storage_connection_string=text))
    assert dict(access.config) == config
    assert text in access.secrets
    assert {config.get("account_key", config.get("sas_key"))} <= set(access.secrets)


def test_a_connection_string_that_is_none_is_not_told() -> None:
    with pytest.raises(ValueError, match=r"^AZURE_STORAGE_CONNECTION_STRING is AccountName=\.\.\.") as caught:
        access_of(settings("az", azure_storage_connection_string="hunter2"))
    assert "hunter2" not in str(caught.value)


# --- opened ---


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_storage_of_others_is_opened_by_its_address_and_shows_nothing_of_its_key(scheme: str) -> None:
    told = {"google_application_credentials": None} if scheme == "gs" else {}
    objects = open_objects(settings(scheme, **told))
    assert objects.address == URLS[scheme]
    assert "YXp1cjNL" not in repr(objects) + repr(vars(objects))


def test_a_key_that_cannot_be_used_is_not_told() -> None:
    with pytest.raises(StorageError, match="cannot use object storage gs://bucket/prefix") as caught:
        open_objects(settings("gs"))
    assert "k3y" not in str(caught.value)
