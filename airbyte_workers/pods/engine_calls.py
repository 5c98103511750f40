"""Where the engine is, what its API takes more than one line to ask, and what its errors say."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError
from docker.utils import kwargs_from_env

MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Endpoint:
    """An engine: `name` begins sentences about it, `connection` says where it is now, as APIClient takes that."""

    name: str
    connection: Callable[[], Mapping[str, Any]]


class PullFailed(Exception):
    """What a registry said after the engine had begun its answer."""


def connection() -> dict[str, Any]:
    """Where the engine is: DOCKER_HOST (with its TLS variables), else the current context of the `docker` program."""
    given: dict[str, Any] = kwargs_from_env()
    if "base_url" in given:
        return given
    name = os.environ.get("DOCKER_CONTEXT")  # the package knows the choice in the config file alone
    context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    if context is None or not context.Host:
        return {}
    return {"base_url": context.Host, **({"tls": context.TLSConfig} if context.TLSConfig else {})}


DOCKER = Endpoint("the Docker engine", connection)


def listed(client: docker.APIClient, filters: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = client.containers(all=True, filters=dict(filters))
    return found


def asked(client: docker.APIClient, name: str) -> bool:
    client.reload_config()  # a `docker login` may be newer than our client
    return bool(client.inspect_distribution(name))


def pulled(client: docker.APIClient, name: str) -> None:
    """Errors that come after the first byte of the answer are lines of its stream."""
    client.reload_config()
    repository, tag = docker.utils.parse_repository_tag(name)
    for line in client.pull(repository, tag=tag or "latest", stream=True, decode=True):
        if error := line.get("error"):
            raise PullFailed(error)


def has(client: docker.APIClient, container: str, path: str) -> bool:
    """The package has no call for this question of the API."""
    address = f"{client.base_url}/v{client.api_version}/containers/{container}/archive"
    answer = client.head(address, params={"path": path}, timeout=client.timeout)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return False
    answer.raise_for_status()
    return True


def read(client: docker.APIClient, container: str, path: str, longest: int) -> bytes:
    stream, _ = client.get_archive(container, path)
    packed = bytearray()
    for chunk in stream:
        packed += chunk
        if len(packed) > longest + 10 * tarfile.BLOCKSIZE:
            break
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r|") as archive:
        member = archive.next()
        content = archive.extractfile(member) if member is not None and member.isreg() else None
        return content.read(longest) if content is not None else b""


def said(error: APIError) -> str:
    words = error.explanation or error.response.reason if error.response is not None else error.explanation
    return " ".join(str(words or error).split())[:500]


def unreachable(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    words = " ".join(str(error).split())
    return f"{words[:300]} (is it running, and may this user reach it?)" if "onnection" in words else words[:500]
