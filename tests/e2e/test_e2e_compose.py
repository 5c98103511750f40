"""docker-compose.yml as it is: started, used from the host, its worker restarted, stopped, removed without a trace."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from e2e_compose import SECRETS, Stack, removal, running
from e2e_support import FAKER, Place, catalog, make_images, until

from airbyte_workers.client import Client
from airbyte_workers.settings import Settings
from tests import images
from tests.images.compose import POSTGRES, TEMPORAL

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]
TEMPORAL_COMMAND = str(Path(sys.executable).with_name("temporal"))
SERVICES = ("postgresql", "temporal", "worker")
FAKER_CONFIG = {"count": 200, "seed": 1, "always_updated": False}


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """docker-compose.yml alone."""
    make_images(images.PRODUCT, images.DEMO_DESTINATION, FAKER, POSTGRES, TEMPORAL)
    with running(
        tmp_path_factory.mktemp("compose"), {"AIRBYTE_WORKERS_MAX_WATCHES": "77", "MAX_SYNC_WORKERS": "2"}
    ) as stack:
        yield stack


@pytest.fixture
def place(compose: Stack) -> Place:
    return compose.host_place()


def _bytes(said: str) -> float:
    """As `docker stats` writes amounts."""
    number = said.rstrip("KMGiB")
    return float(number) * {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[said[len(number) :].removesuffix("B")]


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
    seen = compose.containers()
    assert {name: each["State"].get("Health", {}).get("Status") for name, each in seen.items()} == {
        **dict.fromkeys(SERVICES, "healthy"),
        "local-root": None,
    }
    published = [
        port for each in seen.values() for ports in each["NetworkSettings"]["Ports"].values() for port in ports or ()
    ]
    assert [port["HostIp"] for port in published] == ["127.0.0.1"] * 3
    assert compose.compose("exec", "-T", "worker", "id", "-u").strip() == "10001"


def test_an_idle_stack_has_less_than_a_gigabyte(compose: Stack) -> None:
    names = [f"{compose.name}-{service}-1" for service in SERVICES]
    said = compose.run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *names).out
    used = [_bytes(line.partition("/")[0].strip()) for line in said.splitlines()]
    assert len(used) == len(SERVICES)
    assert 0 < sum(used) < 1e9


def test_each_has_limits_and_a_root_that_it_cannot_write(compose: Stack) -> None:
    for name, each in compose.containers().items():
        host = each["HostConfig"]
        assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0, name
        assert host["ReadonlyRootfs"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name
        assert host["RestartPolicy"]["Name"] == ("no" if name == "local-root" else "unless-stopped"), name


def test_the_one_command_of_the_readme_syncs_into_a_folder_that_nobody_made(compose: Stack) -> None:
    said = compose.compose("run", "--rm", "demo", seconds=200)
    assert "1,000" in said
    assert len((compose.local / "demo" / "users.jsonl").read_bytes().splitlines()) == 1000
    assert "demo" not in compose.containers()


def test_no_password_is_in_what_the_engine_tells_of_a_container(compose: Stack) -> None:
    told = compose.compose("config") + json.dumps(compose.containers())
    assert [name for name in SECRETS if compose.mark(name) in told] == []
    environment = compose.compose("exec", "-T", "worker", "env")
    assert compose.mark("postgres_password") not in environment


def test_every_setting_in_the_env_file_reaches_the_worker(compose: Stack) -> None:
    environment = compose.compose("exec", "-T", "worker", "env").splitlines()
    assert {"AIRBYTE_WORKERS_MAX_WATCHES=77", "MAX_SYNC_WORKERS=2"} <= set(environment)


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


def test_a_program_that_dies_is_started_again(compose: Stack) -> None:
    before = compose.containers()["worker"]["RestartCount"]
    compose.run("docker", "compose", "exec", "-T", "worker", "sh", "-c", "kill -9 -1")
    until(lambda: compose.containers()["worker"]["RestartCount"] > before, "another start")
    until(lambda: compose.containers()["worker"]["State"]["Health"]["Status"] == "healthy", "a healthy worker")


def test_all_stop_in_order_before_their_grace_is_over_and_start_again(compose: Stack) -> None:
    compose.compose("stop", seconds=180)
    codes = {name: each["State"]["ExitCode"] for name, each in compose.containers().items()}
    assert codes == {"postgresql": 0, "temporal": 0, "worker": 0, "local-root": 0}
    compose.compose("up", "-d", "--wait", seconds=180)


def test_what_the_page_says_removes_everything_also_a_running_sync(compose: Stack, place: Place) -> None:
    assert compose.pods() == []
    ended = place.sync(content(place, "left", records=100_000, delay_ms=50), "--detach")
    assert ended.code == 0, ended.err
    until(lambda: rows(place, "left") >= 100, "records")
    for words in removal(compose.name):
        done = compose.run("sh", "-c", words)
        assert done.code == 0, f"{words}: {done.err}"
    assert compose.left() == []
