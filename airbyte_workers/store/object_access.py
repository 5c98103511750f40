"""How object storage is opened: what the settings say of it in obstore's words, and which of that is secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from airbyte_workers.settings import Settings

_STORES: Mapping[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}  # each has a config of its own type
_RETRIES = 5
_FIRST_PAUSE_S = 0.1
_CONNECT_S = 5.0
_FORMS = "STORAGE_URL is file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBERS = re.compile(r"[0-9.]+|.*:.*")
_AZURE_DOMAIN = "core.windows.net"


@dataclass(frozen=True)
class Access:
    """What belongs to an address: obstore's `config`, and the secrets in it."""

    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    endpoint: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def access_of(settings: Settings) -> Access:
    """What the settings say of the storage at their address. Raises ValueError, which tells no value."""
    kinds: dict[str, Callable[[Settings], Access]] = {"s3": _s3, "gs": _google, "az": _azure}
    known = kinds.get(split(settings.storage).scheme)
    return known(settings) if known is not None else Access()


def split(url: str) -> SplitResult:
    """The parts of the address. Raises ValueError."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(_FORMS) from None


def open_store(url: str, access: Access, timeout: float) -> ObjectStore:
    """The store at the address, not yet asked for anything. Raises ValueError, OSError, obstore's BaseError."""
    parts = split(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True, automatic_cleanup=True)
    kind = _STORES.get(parts.scheme)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("STORAGE_URL holds no credentials and no parameters; settings of their own do")
    if kind is None or not _BUCKET.fullmatch(parts.netloc) or "//" in parts.path:
        raise ValueError(_FORMS)
    prefix = unquote(parts.path).strip("/") or None
    store: ObjectStore = kind(parts.netloc, prefix=prefix, config=dict(access.config), **_patience(access, timeout))
    return store


def _patience(access: Access, timeout: float) -> dict[str, Any]:
    """obstore tries again where that is of use, and is done before `timeout`: else nobody would learn why it failed."""
    tries = {
        "max_retries": _RETRIES,
        "retry_timeout": timedelta(seconds=timeout / 2),
        "backoff": {
            "init_backoff": timedelta(seconds=min(_FIRST_PAUSE_S, timeout / 8)),
            "max_backoff": timedelta(seconds=timeout / 8),
            "base": 2,
        },
    }
    client = {
        "timeout": timedelta(seconds=timeout),
        "connect_timeout": timedelta(seconds=min(_CONNECT_S, timeout / 4)),
        "allow_http": (access.endpoint or "").startswith("http://"),
    }
    return {"retry_config": tries, "client_options": client}


# --- S3 and whatever speaks like it ---


def _s3(settings: Settings) -> Access:
    endpoint = settings.minio_endpoint
    asked = endpoint and _s3_endpoint(settings, endpoint)
    config = {
        "access_key_id": settings.aws_access_key_id,
        "secret_access_key": settings.aws_secret_access_key,
        "session_token": settings.aws_session_token,
        "region": settings.aws_default_region,
        "virtual_hosted_style_request": not settings.s3_path_style_access,
        "endpoint": asked,
        "aws_endpoint_url_s3": asked,  # else obstore prefers the variable of this name
    }
    secrets = (settings.aws_secret_access_key, settings.aws_session_token)
    return Access(_set(config), endpoint, tuple(filter(None, secrets)))


def _s3_endpoint(settings: Settings, endpoint: str) -> str:
    """obstore wants the bucket to be in it where it is not in the path."""
    if settings.s3_path_style_access:
        return endpoint
    parts = urlsplit(endpoint)
    if _NUMBERS.fullmatch(parts.hostname or ""):
        raise ValueError("S3_PATH_STYLE_ACCESS=false needs the name of a host in MINIO_ENDPOINT, not its number")
    return parts._replace(netloc=f"{split(settings.storage).netloc}.{parts.netloc}").geturl()


# --- Google ---


def _google(settings: Settings) -> Access:
    key = settings.google_application_credentials
    if key is None:
        return Access()
    if not _is_json(key):
        return Access({"application_credentials": key})
    return Access({"service_account_key": key}, secrets=(key, *_private_key(key)))


def google_key_file(settings: Settings) -> Path | None:
    """The file of the key, where it is in one."""
    key = settings.google_application_credentials
    used = key is not None and split(settings.storage).scheme == "gs" and not _is_json(key)
    return Path(key) if key is not None and used else None


def _is_json(key: str) -> bool:
    return key.lstrip().startswith("{")


def _private_key(key: str) -> Iterator[str]:
    try:
        found = json.loads(key).get("private_key")
    except ValueError:
        return
    if isinstance(found, str):
        yield found


# --- Azure ---


def _azure(settings: Settings) -> Access:
    told = settings.azure_storage_connection_string
    if told is None:
        return Access()
    parts = dict(_connection_parts(told))
    account = parts.get("accountname")
    endpoint = parts.get("blobendpoint") or _azure_endpoint(account, parts)
    config = {
        "account_name": account or (urlsplit(endpoint or "").hostname or "").partition(".")[0] or None,
        "account_key": parts.get("accountkey"),
        "sas_key": parts.get("sharedaccesssignature"),
        "endpoint": endpoint and endpoint.rstrip("/"),
    }
    secrets = (told, parts.get("accountkey"), parts.get("sharedaccesssignature"))
    return Access(_set(config), endpoint, tuple(filter(None, secrets)))


def _connection_parts(told: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (each.strip() for each in told.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError("AZURE_STORAGE_CONNECTION_STRING is AccountName=...;AccountKey=...; and the like")
        yield name.lower(), value


def _azure_endpoint(account: str | None, parts: Mapping[str, str]) -> str | None:
    if account is None:
        return None
    scheme = parts.get("defaultendpointsprotocol", "https")
    return f"{scheme}://{account}.blob.{parts.get('endpointsuffix', _AZURE_DOMAIN)}"


def _set(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}
