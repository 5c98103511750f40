"""The other compose files and the profiles, all at once: a server on PostgreSQL, the proxy, storage, monitoring."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from e2e_compose import PAGE, SECRETS, Stack, running
from e2e_support import FAKER, make_images, until

from tests import images
from tests.images.compose import HAPROXY, MONITORING, POSTGRES, PRODUCTION, STORAGE
from tests.monitoring import expressions
from tests.monitoring.expressions import Expression

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]
Found = Callable[[str], Sequence[dict[str, Any]]]
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
    "POSTGRES_CONNECTIONS": "90",
}
EXPRESSIONS = tuple(expressions.of_boards())
NOT_BEFORE_IT_HAPPENS = {
    "temporal_workflow_failed_total",
    "temporal_workflow_canceled_total",
    "temporal_activity_execution_failed_total",
    "temporal_workflow_task_execution_failed_total",
    "temporal_request_failure_total",
    "temporal_long_request_failure_total",
    "temporal_sticky_cache_miss_total",
    "service_errors",
    "attempt_failed_by_failure_origin_total",
    "workload_pods_cleaned_total",
    "database_pruning_jobs_deleted_total",
    "ALERTS",
}
"""Figures that there are none of before something has failed, was lost, or is old enough to be removed."""


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


def test_temporal_and_postgresql_are_told_how_many_connections_there_may_be(compose: Stack) -> None:
    asked = ("psql", "-U", "airbyte", "-At", "-c", "show max_connections")
    assert compose.compose("exec", "-T", "postgresql", *asked).strip() == "90"
    told = compose.containers()["temporal"]["Config"]["Env"]
    assert {"SQL_MAX_CONNS=10", "SQL_MAX_IDLE_CONNS=10", "SQL_VIS_MAX_CONNS=5", "SQL_VIS_MAX_IDLE_CONNS=5"} <= set(told)


@pytest.fixture
def found(compose: Stack) -> Found:
    """What Prometheus has for an expression; for what is none it raises HTTPError."""
    address = f"http://{compose.port('prometheus', 9090)}/api/v1/query"

    def ask(expression: str) -> Sequence[dict[str, Any]]:
        with urllib.request.urlopen(f"{address}?{urlencode({'query': expression})}", timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])

    return ask


def test_prometheus_has_figures_of_the_worker_and_of_temporal(found: Found) -> None:
    def asked(query: str) -> dict[str, str]:
        return {each["metric"]["job"]: each["value"][1] for each in found(query)}

    until(lambda: asked("up") == {"airbyte-workers": "1", "temporal": "1"}, "both to be up")
    assert "airbyte-workers" in asked("temporal_worker_task_slots_available")
    assert set(asked("service_requests")) == {"temporal"}


@pytest.mark.parametrize("asked", EXPRESSIONS, ids=lambda asked: asked.where)
def test_prometheus_has_what_the_dashboards_ask_for(found: Found, asked: Expression) -> None:
    assert asked.metrics
    if asked.metrics.keys() - {"process_began_secs"} <= NOT_BEFORE_IT_HAPPENS:  # which of them is new since then
        found(asked.plain)
    else:
        until(lambda: found(asked.plain), f"figures of {list(asked.metrics)}")


def test_prometheus_has_the_alert_rules_and_none_fires(compose: Stack) -> None:
    def rules() -> dict[str, str]:
        address = f"http://{compose.port('prometheus', 9090)}/api/v1/rules"
        with urllib.request.urlopen(address, timeout=10) as answer:
            groups = json.load(answer)["data"]["groups"]
        return {
            rule["name"]: f"{rule['health']} {rule.get('state', '')}" for group in groups for rule in group["rules"]
        }

    until(lambda: "unknown " not in " ".join(rules().values()), "each rule to be looked at")
    said = rules()
    assert said.keys() == {rule.where for rule in expressions.of_rules()}
    assert {name: state for name, state in said.items() if not state.startswith("ok ") or "firing" in state} == {}


def test_the_bucket_is_made_also_beside_one_whose_name_begins_like_its_own(compose: Stack) -> None:
    """A name is looked for as a whole."""
    shell = "weed shell -master=127.0.0.1:9333 2>&1"
    lines = "s3.bucket.create -name airbyte-old\ns3.bucket.delete -name airbyte\n"
    compose.compose("exec", "-T", "storage", "sh", "-c", f"printf '{lines}' | {shell}")
    compose.compose("kill", "storage")
    compose.compose("up", "-d", "--wait", "storage", seconds=120)
    listed = compose.compose("exec", "-T", "storage", "sh", "-c", f"echo s3.bucket.list | {shell}")
    assert {"airbyte", "airbyte-old"} <= set(listed.split())


def _answers(compose: Stack, calls: Sequence[tuple[str, str]]) -> list[int]:
    """The statuses of what the worker asks of the engine."""
    asked = """
import json, urllib.request
def code(method, path):
    try:
        return urllib.request.urlopen(urllib.request.Request("http://engine:2375" + path, b"{}", method=method)).status
    except urllib.error.HTTPError as error:
        return error.code
print(json.dumps([code(*each) for each in %s]))
"""
    said = compose.compose("exec", "-T", "worker", "python", "-c", asked % repr(calls))
    return list(json.loads(said))


def test_the_proxy_refuses_what_the_worker_does_not_ask(compose: Stack) -> None:
    """Among that: commands in other containers, volumes that belong to no pod."""
    other = f"/v1.41/containers/{compose.name}-postgresql-1"
    refused = [
        *(("POST", f"{other}/{word}") for word in ("exec", "stop", "restart", "update", "rename", "attach")),
        *(("GET", f"{other}/{word}") for word in ("export", "logs", "../../info")),
        ("DELETE", f"/v1.41/volumes/{compose.name}_postgresql"),
        ("POST", "/v1.41/build"),
        ("GET", "/v1.41/info"),
    ]
    assert _answers(compose, [("GET", "/_ping"), *refused]) == [200, *(403 for _ in refused)]
    mounts = {each["Destination"] for each in compose.containers()["worker"]["Mounts"]}
    assert "/var/run/docker.sock" not in mounts


def test_the_proxy_tells_no_container_from_another_as_its_page_says(compose: Stack) -> None:
    """What would change one is asked of a container that is not there: it is the engine that does not know it."""
    other = f"/v1.41/containers/{compose.name}-postgresql-1"
    seen = [("GET", f"{other}/json"), ("HEAD", f"{other}/archive?path=/run/secrets/postgres_password")]
    nobody = "/v1.41/containers/nobody"
    changed = [("POST", f"{nobody}/kill"), ("PUT", f"{nobody}/archive?path=/"), ("DELETE", nobody)]
    assert _answers(compose, [*seen, *changed]) == [200, 200, 404, 404, 404]
    assert PAGE.read_text(encoding="utf-8").count("go through for **any container**") == 2


def test_no_password_is_in_what_the_engine_tells_of_a_container(compose: Stack) -> None:
    told = compose.compose("config") + json.dumps(compose.containers())
    assert [name for name in SECRETS if compose.mark(name) in told] == []


def test_the_same_command_again_changes_nothing(compose: Stack) -> None:
    """The schema and the namespace that are there are left as they are."""
    before = {name: each["Id"] for name, each in compose.containers().items()}
    compose.compose("up", "-d", "--wait", seconds=180)
    after = compose.containers()
    assert {name: each["Id"] for name, each in after.items()} == before
    assert {name: after[name]["State"]["ExitCode"] for name in ONCE} == dict.fromkeys(ONCE, 0)


def test_down_with_its_volumes_leaves_nothing(compose: Stack) -> None:
    compose.compose("kill", "storage")  # asked to stop it waits 15 s for clients of its own
    compose.compose("--profile", "*", "down", "-v", seconds=180)
    assert compose.left() == []
