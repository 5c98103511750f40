"""docker-compose.yml as it is: started, used from the host, its worker restarted, removed without a trace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from e2e_support import FAKER, Ended, Place, catalog, make_images, until

from airbyte_workers.client import Client
from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.settings import Settings
from tests import images
from tests.images.compose import POSTGRES, TEMPORAL

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-with-compose.md"
TEMPORAL_COMMAND = str(Path(sys.executable).with_name("temporal"))
SERVICES = ("postgresql", "temporal", "worker")
FAKER_CONFIG = {"count": 200, "seed": 1, "always_updated": False}


@dataclass(frozen=True)
class Stack:
    """One project of the compose file, with a name and ports of its own; nothing of a developer's .env counts."""

    folder: Path
    name: str = field(default_factory=lambda: f"awtest-{uuid4().hex[:8]}")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "COMPOSE_FILE": "docker-compose.yml",
            "COMPOSE_PROJECT_NAME": self.name,
            "AIRBYTE_WORKERS_IMAGE": images.PRODUCT,
            "DOCKER_GID": str(Path("/var/run/docker.sock").stat().st_gid),
            "LOCAL_ROOT": str(self.folder),
            "POSTGRES_PASSWORD": "for-tests-alone",
            **dict.fromkeys(("POSTGRES_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT"), "0"),
        }

    def run(self, *words: str, seconds: float = 60.0) -> Ended:
        done = subprocess.run(
            words, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def compose(self, *words: str, seconds: float = 60.0) -> str:
        done = self.run("docker", "compose", *words, seconds=seconds)
        assert done.code == 0, f"{words}: {done.err} {self.run('docker', 'compose', 'logs').out}"
        return done.out

    def container(self, service: str) -> dict[str, Any]:
        found = self.run("docker", "inspect", f"{self.name}-{service}-1")
        return dict(json.loads(found.out)[0])

    def host_place(self) -> Place:
        """Where a person of this host types commands."""
        database = self.compose("port", "postgresql", "5432").strip()
        variables = {
            "DATABASE_URL": f"postgresql://airbyte:for-tests-alone@{database}/airbyte",
            "TEMPORAL_ADDRESS": self.compose("port", "temporal", "7233").strip(),
        }
        return Place(self.folder, self.folder / "home", variables)

    def pods(self) -> list[str]:
        """Containers and volumes of pods."""
        return self._labelled(f"{STACK_LABEL}={self.name}")

    def left(self) -> list[str]:
        """Everything that the engine has of this project and of its pods."""
        return [*self.pods(), *self._labelled(f"com.docker.compose.project={self.name}")]

    def _labelled(self, label: str) -> list[str]:
        lists = (("ps", "-a", "--format", "{{.Names}}"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
        return [
            name for words in lists for name in self.run("docker", *words, "--filter", f"label={label}").out.split()
        ]


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack as `docker compose up` leaves it; whatever the tests do, nothing of it stays."""
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o1777)  # images have users of their own
    stack = Stack(folder)
    if stack.run("docker", "compose", "version").code != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("these tests need `docker compose`, and there is none")
        pytest.skip("no docker compose")
    make_images(images.PRODUCT, FAKER, POSTGRES, TEMPORAL)
    try:
        stack.compose("up", "-d", "--wait", seconds=120)
        yield stack
    finally:
        for words in removal(stack.name):
            stack.run("sh", "-c", words)


@pytest.fixture
def place(compose: Stack) -> Place:
    return compose.host_place()


def removal(name: str) -> list[str]:
    """The lines that the page says to type, for this project."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Remove")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = block[1].strip().splitlines()
    return [line.replace(f"{STACK_LABEL}=airbyte-workers", f"{STACK_LABEL}={name}") for line in lines]


def content(place: Place, name: str, **source: Any) -> dict[str, Any]:
    return {
        "connection": name,
        "source": place.source("docker", **source),
        "destination": place.jsonl("docker", path=f"/local/{name}"),
        "catalog": catalog("stream_0"),
    }


def rows(place: Place, name: str, stream: str = "stream_0") -> int:
    """How many lines the destination has written."""
    file = place.work / name / f"{stream}.jsonl"
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def started_by_temporal(place: Place, type: str, input: dict[str, Any]) -> dict[str, Any]:
    """The result of a workflow that the `temporal` command starts, and then waits for."""
    named = ("--workflow-id", f"{type}-{uuid4().hex[:8]}", "--address", place.variables["TEMPORAL_ADDRESS"])
    asked = ("--type", type, "--task-queue", "airbyte", "--input", json.dumps(input))
    for words in (("start", *named, *asked), ("result", *named, "-o", "json")):
        with place.started("workflow", *words, program=TEMPORAL_COMMAND) as command:
            ended = command.ended()
        assert ended.code == 0, ended.out + ended.err
    assert ended.report["status"] == "COMPLETED"
    return dict(ended.report["result"])


def test_all_three_are_healthy_and_only_this_host_reaches_them(compose: Stack) -> None:
    seen = {service: compose.container(service) for service in SERVICES}
    assert {each["State"]["Health"]["Status"] for each in seen.values()} == {"healthy"}
    published = [
        port for each in seen.values() for ports in each["NetworkSettings"]["Ports"].values() for port in ports or ()
    ]
    assert [port["HostIp"] for port in published] == ["127.0.0.1"] * 3
    assert compose.compose("exec", "-T", "worker", "id", "-u").strip() == "10001"


def test_the_command_line_of_the_host_syncs_real_connectors(place: Place) -> None:
    asked = {
        "connection": "people",
        "source": {"image": FAKER, "config": FAKER_CONFIG},
        "destination": place.jsonl("docker", path="/local/people"),
        "streams": [{"name": "users", "sync_mode": "incremental", "destination_sync_mode": "append"}],
    }
    ended = place.sync(asked, seconds=200)
    assert (ended.code, ended.report["records_committed"]) == (0, 200), ended.err
    assert rows(place, "people", "users") == 200


def test_temporal_starts_a_sync(place: Place) -> None:
    report = started_by_temporal(place, "Sync", content(place, "by-hand", records=50))
    assert (report["status"], report["records_committed"]) == ("succeeded", 50)
    assert rows(place, "by-hand") == 50


async def test_a_check_by_command_line_by_temporal_and_by_the_client(place: Place) -> None:
    config = {"records": 10}
    image = place.source("docker")["image"]
    file = place.work / "source.json"
    file.write_text(json.dumps(config))
    ended = place.run("check", image, "--config", str(file), "-o", "json")
    assert (ended.code, ended.report["status"]) == (0, "succeeded"), ended.err
    assert started_by_temporal(place, "Check", {"image": image, "config": config})["status"] == "succeeded"
    addresses = {name.lower(): value for name, value in place.variables.items()}
    async with Client.connect(Settings(home=place.home, **addresses)) as client:
        answer = await client.check({"image": image, "config": config})
    assert answer.status == "succeeded"


def test_a_worker_that_is_restarted_in_mid_sync_costs_no_attempt(compose: Stack, place: Place) -> None:
    asked = content(place, "restarted", records=6000, state_every=100, delay_ms=100)
    with place.started("sync", "-f", str(place.write(asked)), "-o", "json") as sync:
        until(lambda: rows(place, "restarted") >= 300, "records")
        before = compose.pods()
        compose.compose("restart", "worker")
        assert before
        assert compose.pods() == before
        ended = sync.ended()
    assert (ended.code, len(ended.report["attempts"])) == (0, 1), ended.err
    assert (ended.report["records_committed"], rows(place, "restarted")) == (6000, 6000)


def test_what_the_page_says_removes_everything_also_a_running_sync(compose: Stack, place: Place) -> None:
    assert compose.pods() == []
    ended = place.sync(content(place, "left", records=100_000, delay_ms=50), "--detach")
    assert ended.code == 0, ended.err
    until(lambda: rows(place, "left") >= 100, "records")
    for words in removal(compose.name):
        done = compose.run("sh", "-c", words)
        assert done.code == 0, f"{words}: {done.err}"
    assert compose.left() == []
