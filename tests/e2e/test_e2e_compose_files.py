"""The other compose files and the profiles, all at once: a server on PostgreSQL, the proxy, storage, monitoring."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from e2e_compose import ROOT, SECRETS, Stack, running
from e2e_support import FAKER, make_images, until

from tests import images
from tests.images.compose import HAPROXY, MONITORING, POSTGRES, PRODUCTION, STORAGE

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]
ONCE = ("local-root", "temporal-schema", "temporal-namespace")
LASTING = ("postgresql", "temporal", "temporal-ui", "worker", "engine", "storage", "prometheus", "grafana")
SETTINGS = {
    "COMPOSE_FILE": "docker-compose.yml:docker-compose.postgresql.yml:docker-compose.socket-proxy.yml",
    "COMPOSE_PROFILES": "storage,monitoring",
    "TEMPORAL_NAMESPACE": "airbyte",
    "STORAGE_URL": "s3://airbyte/workers",
    "MINIO_ENDPOINT": "http://storage:8333",
    "AWS_ACCESS_KEY_ID": "airbyte",
    "DOCKER_GID": "65533",
}


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    make_images(images.PRODUCT, images.DEMO_DESTINATION, FAKER, POSTGRES, *PRODUCTION, *STORAGE, *MONITORING, HAPROXY)
    with running(tmp_path_factory.mktemp("compose"), SETTINGS) as stack:
        yield stack


def test_all_are_healthy_and_what_runs_once_has_ended_well(compose: Stack) -> None:
    seen = compose.containers()
    assert {
        name: each["State"]["Health"]["Status"] for name, each in seen.items() if name not in ONCE
    } == dict.fromkeys(LASTING, "healthy")
    assert {name: seen[name]["State"]["ExitCode"] for name in ONCE} == dict.fromkeys(ONCE, 0)


def test_all_of_them_have_limits_and_none_is_reached_from_elsewhere(compose: Stack) -> None:
    for name, each in compose.containers().items():
        assert each["HostConfig"]["Memory"] > 0, name
        assert "no-new-privileges:true" in each["HostConfig"]["SecurityOpt"], name
        published = [port for ports in each["NetworkSettings"]["Ports"].values() for port in ports or ()]
        assert {port["HostIp"] for port in published} <= {"127.0.0.1"}, name


def test_a_sync_goes_through_all_of_them(compose: Stack) -> None:
    compose.compose("run", "--rm", "demo", seconds=200)
    assert len((compose.local / "demo" / "users.jsonl").read_bytes().splitlines()) == 1000
    listed = compose.compose("exec", "-T", "worker", "ls", "storage").split()
    assert listed == []  # markers and logs are in the bucket
    logs = compose.compose("exec", "-T", "worker", "airbyte-workers", "jobs", "logs", "1")
    assert "both connectors run" in logs


def test_the_schema_is_in_postgresql_and_the_namespace_in_temporal(compose: Stack) -> None:
    for name in ("temporal", "temporal_visibility"):
        asked = ("psql", "-U", "airbyte", "-At", "-c", "select curr_version from schema_version", name)
        assert compose.compose("exec", "-T", "postgresql", *asked).strip() == "1.2"
    told = compose.compose("logs", "--no-log-prefix", "temporal-namespace")
    assert "airbyte" in told


def test_prometheus_has_figures_of_the_worker_and_of_temporal(compose: Stack) -> None:
    address = f"http://{compose.port('prometheus', 9090)}/api/v1/query?query="

    def asked(query: str) -> dict[str, str]:
        with urllib.request.urlopen(address + query, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return {each["metric"]["job"]: each["value"][1] for each in found}

    until(lambda: asked("up") == {"airbyte-workers": "1", "temporal": "1"}, "both to be up")
    assert "airbyte-workers" in asked("temporal_worker_task_slots_available")
    assert set(asked("service_requests")) == {"temporal"}


def test_the_proxy_refuses_what_the_worker_does_not_ask(compose: Stack) -> None:
    """Among that: commands in other containers, volumes that belong to no pod."""
    asked = """
import json, urllib.request
def code(method, path):
    try:
        return urllib.request.urlopen(urllib.request.Request("http://engine:2375" + path, b"{}", method=method)).status
    except urllib.error.HTTPError as error:
        return error.code
print(json.dumps([code(*each) for each in %s]))
"""
    calls = [
        ("GET", "/_ping"),
        ("POST", f"/v1.41/containers/{compose.name}-postgresql-1/exec"),
        ("POST", f"/v1.41/containers/{compose.name}-postgresql-1/stop"),
        ("DELETE", f"/v1.41/volumes/{compose.name}_postgresql"),
        ("POST", "/v1.41/build"),
        ("GET", f"/v1.41/containers/{compose.name}-postgresql-1/../../info"),
        ("GET", "/v1.41/info"),
    ]
    said = compose.compose("exec", "-T", "worker", "python", "-c", asked % repr(calls))
    assert json.loads(said) == [200, 403, 403, 403, 403, 403, 403]
    mounts = {each["Destination"] for each in compose.containers()["worker"]["Mounts"]}
    assert "/var/run/docker.sock" not in mounts


def test_no_password_is_in_what_the_engine_tells_of_a_container(compose: Stack) -> None:
    told = compose.compose("config") + json.dumps(compose.containers())
    assert [name for name in SECRETS if compose.secret(name) in told] == []


def test_the_same_command_again_changes_nothing(compose: Stack) -> None:
    """The schema and the namespace that are there are left as they are."""
    before = {name: each["Id"] for name, each in compose.containers().items()}
    compose.compose("up", "-d", "--wait", seconds=180)
    after = compose.containers()
    assert {name: each["Id"] for name, each in after.items()} == before
    assert {name: after[name]["State"]["ExitCode"] for name in ONCE} == dict.fromkeys(ONCE, 0)


def test_down_with_its_volumes_leaves_nothing(compose: Stack) -> None:
    compose.compose("--profile", "*", "down", "-v", seconds=180)
    assert compose.left() == []


def test_the_dashboard_asks_for_what_is_there() -> None:
    """Grafana itself is not here; its file is one dashboard of the data source that is provisioned."""
    board = json.loads((ROOT / "deploy" / "compose" / "grafana" / "dashboards" / "temporal.json").read_text())
    assert board["title"]
    places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in board["panels"]]
    assert len(set(places)) == len(places)
    for panel in board["panels"]:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")"), panel["title"]
