"""Pulling images, from a real registry on this machine that asks for a password."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import docker
import pytest
from docker.errors import APIError
from docker_bench import Workshop

from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.pod import LaunchFailed, Program
from airbyte_workers.settings import Settings
from tests import images

pytestmark = pytest.mark.docker
USER, PASSWORD = "puller", "pull-me"
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuBp.n58v886n7kD7.z9i0nzqxtQ8I2P."
LIMIT_S = 20


@dataclass(frozen=True)
class Registry:
    """`name`: an image that only the registry has; `pinned`: the same by its digest."""

    address: str
    name: str
    pinned: str


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    program = shutil.which("docker-registry")
    assert program, "the tests of pulls need Debian's package docker-registry"
    (folder / "htpasswd").write_text(f"{HTPASSWD}\n")
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with subprocess.Popen([program, "serve", str(folder / "config.yml")], stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/")
            yield
        finally:
            server.kill()


def wait_for(address: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with suppress(URLError):
            urllib.request.urlopen(address, timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody answers at {address}")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, workshop: Workshop) -> Iterator[Registry]:
    port = free_port()
    with serving(tmp_path_factory.mktemp("registry"), port):
        address = f"127.0.0.1:{port}"
        workshop.client.tag(images.PYTHON, f"{address}/team/source-x", "1.0")
        credentials = {"username": USER, "password": PASSWORD}
        said = workshop.client.push(
            f"{address}/team/source-x", "1.0", stream=True, decode=True, auth_config=credentials
        )
        (pushed,) = [line["aux"]["Digest"] for line in said if "aux" in line]
        name = f"{address}/team/source-x"
        yield Registry(address, f"{name}:1.0", f"{name}@{pushed}")
        forget(workshop.client, name)


def forget(client: docker.APIClient, repository: str) -> None:
    for image in client.images(repository):
        for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
            with suppress(APIError):
                client.remove_image(name, force=True)


@pytest.fixture
def missing(registry: Registry, workshop: Workshop) -> Registry:
    """The registry, its image not on this host."""
    forget(workshop.client, registry.name.rpartition(":")[0])
    return registry


def log_in(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str, password: str = PASSWORD) -> None:
    """What `docker login` writes."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[DockerLauncher]:
    async with aclosing(DockerLauncher(settings(tmp_path))) as launcher:
        yield launcher


def settings(folder: Path, **changes: object) -> Settings:
    return Settings(home=folder / "home").model_copy(update=changes)


async def test_an_image_is_pulled_with_the_login_of_this_host(
    missing: Registry, launcher: DockerLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    log_in(tmp_path, monkeypatch, missing.address)

    assert await launcher.knows(missing.name)
    pulled = await launcher.prepare(Program(image=missing.name))

    assert pulled == workshop.client.inspect_image(missing.name)["Id"]


async def test_a_login_that_came_after_our_start_counts(
    missing: Registry, launcher: DockerLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(tmp_path, monkeypatch, missing.address, "wrong")
    with pytest.raises(LaunchFailed):
        await launcher.prepare(Program(image=missing.name))
    log_in(tmp_path, monkeypatch, missing.address)

    assert await launcher.prepare(Program(image=missing.name))


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_without_the_right_login_a_person_is_told_what_to_do(
    missing: Registry,
    launcher: DockerLauncher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    password: str | None,
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if password is not None:
        log_in(tmp_path, monkeypatch, missing.address, password)

    with pytest.raises(LaunchFailed, match="docker login") as failure:
        await launcher.prepare(Program(image=missing.name))

    assert not failure.value.retryable
    assert PASSWORD not in str(failure.value)
    with pytest.raises(EngineError):
        await launcher.knows(missing.name)


async def test_an_image_that_the_registry_does_not_have_is_a_wrong_name(
    registry: Registry, launcher: DockerLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(tmp_path, monkeypatch, registry.address)

    with pytest.raises(LaunchFailed, match="the name may be wrong") as failure:
        await launcher.prepare(Program(image=f"{registry.address}/team/no-such-source:1"))

    assert not failure.value.retryable


async def test_a_name_that_is_no_name_is_told(launcher: DockerLauncher) -> None:
    with pytest.raises(LaunchFailed, match=r"could not be pulled|name may be wrong") as failure:
        await launcher.prepare(Program(image="Not A Name"))

    assert not failure.value.retryable


async def test_a_digest_pins_the_image(
    missing: Registry, launcher: DockerLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    log_in(tmp_path, monkeypatch, missing.address)

    pulled = await launcher.prepare(Program(image=missing.pinned))

    assert missing.pinned in workshop.client.inspect_image(pulled)["RepoDigests"]
    other = f"{missing.pinned[:-4]}0000"
    with pytest.raises(LaunchFailed) as failure:
        await launcher.prepare(Program(image=other))
    assert not failure.value.retryable


async def test_an_image_that_is_here_is_not_pulled(
    missing: Registry, launcher: DockerLauncher, tmp_path: Path, workshop: Workshop
) -> None:
    """Its registry would refuse us."""
    workshop.client.tag(images.PYTHON, missing.name.rpartition(":")[0], "1.0")

    assert await launcher.prepare(Program(image=missing.name))
    always = DockerLauncher(settings(tmp_path, image_pull_policy="Always"))
    async with aclosing(always):
        with pytest.raises(LaunchFailed, match="docker login"):
            await always.prepare(Program(image=missing.name))


async def test_images_are_not_pulled_where_that_is_not_wanted(missing: Registry, tmp_path: Path) -> None:
    never = DockerLauncher(settings(tmp_path, image_pull_policy="Never"))
    async with aclosing(never):
        assert not await never.knows(missing.name)
        with pytest.raises(LaunchFailed, match="images are not pulled") as failure:
            await never.prepare(Program(image=missing.name))
    assert not failure.value.retryable


async def test_a_registry_that_is_away_can_be_tried_again(launcher: DockerLauncher) -> None:
    with pytest.raises(LaunchFailed, match="could not be pulled") as failure:
        await launcher.prepare(Program(image=f"127.0.0.1:{free_port()}/team/source-x:1.0"))

    assert failure.value.retryable


async def test_a_registry_that_does_not_answer_has_a_time_limit(tmp_path: Path) -> None:
    impatient = DockerLauncher(settings(tmp_path, image_pull_timeout_s=0.5))
    with closing(socket.socket()) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        async with aclosing(impatient):
            with pytest.raises(LaunchFailed, match=r"within 0\.5 s") as failure:
                await impatient.prepare(Program(image=f"127.0.0.1:{deaf.getsockname()[1]}/team/source-x:1.0"))
    assert failure.value.retryable
