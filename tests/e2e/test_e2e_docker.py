"""Syncs in containers as a person runs them: chosen, limited, killed, cancelled, adopted; nothing is left of any."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e_support import Place, catalog, make_images, misbehaving, misbehaving_image, until

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.timeout(240)]
SLEEPER = "airbyte-workers-test/sleeper:1"
NO_SHELL = "RUN rm /bin/sh && printf '#!/bin/busybox ash\\n/bin/busybox sleep 1000\\n' >/bin/sh && chmod 755 /bin/sh"
SECRET = "do-not-tell-anybody"


def content(place: Place, name: str, **source: Any) -> dict[str, Any]:
    return {
        "connection": f"{name}-{place.stack_name}-{place.work.name}"[:90],
        "local_root": str(place.work),
        "source": place.source("docker", **{"records": 1000, "state_every": 100, **source}),
        "destination": place.jsonl("docker"),
        "catalog": catalog("stream_0"),
    }


def slow(place: Place, name: str) -> dict[str, Any]:
    """It runs for as long as a test needs."""
    return content(place, name, records=100_000, delay_ms=50)


def container(place: Place, role: str) -> dict[str, Any]:
    """What the engine knows of the one container of a replication pod in this role."""
    (name,) = [each for each in place.containers(f"airbyte-workers.role={role}") if each.startswith("replication-")]
    seen = subprocess.run(["docker", "inspect", name], capture_output=True, check=True, timeout=60)
    return dict(json.loads(seen.stdout)[0])


def kill(place: Place, role: str) -> None:
    """`docker kill`, or what comes next to it for an orchestrator that is no container."""
    if role == "orchestrator" and "ORCHESTRATOR_IMAGE" not in place.variables:
        (record,) = (place.home / "pods").glob("replication-*/pod.json")
        pid = json.loads(record.read_text())["processes"]["orchestrator"]["pid"]
        for process in psutil.Process(pid).children(recursive=True):
            process.kill()
        return
    subprocess.run(["docker", "kill", container(place, role)["Id"]], capture_output=True, check=True, timeout=60)


# --- a sync ---


def test_a_sync_in_containers(docker_place: Place) -> None:
    asked = content(docker_place, "plain")
    ended = docker_place.run("sync", "-f", str(docker_place.write(asked)))
    assert ended.code == 0, ended.err
    assert ended.err.splitlines()[0].startswith("launcher: docker (Docker engine ")
    assert "1,000 records" in ended.out
    assert docker_place.ids("stream_0") == list(range(1000))
    assert docker_place.pods_left() == []
    again = docker_place.sync(asked | {"source": docker_place.source("docker", records=1500)})
    assert again.report["records_committed"] == 500


def test_nothing_of_a_sync_is_logged_by_the_engine_or_seen_in_its_inspection(docker_place: Place) -> None:
    asked = slow(docker_place, "secret")
    asked["source"]["config"]["crash_message"] = SECRET
    asked["source"]["resources"] = {"memory_limit": "256Mi", "cpu_limit": 0.5, "pids_limit": 64}
    with docker_place.started("sync", "-f", str(docker_place.write(asked)), "-o", "json") as sync:
        until(lambda: len(docker_place.lines("stream_0")) > 300, "records")
        for role in ("source", "destination"):
            seen = container(docker_place, role)
            assert seen["HostConfig"]["LogConfig"]["Type"] == "none"
            assert seen["LogPath"] == ""
            assert not list(Path("/var/lib/docker/containers", seen["Id"]).rglob("*json.log*"))
            assert SECRET not in json.dumps(seen)
            assert {"job", "attempt", "connection", "fence", "lease"} <= set(seen["Config"]["Labels"])
        host = container(docker_place, "source")["HostConfig"]
        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (256 * 2**20, 500_000_000, 64)
        sync.interrupt()
        assert sync.ended().code == 3
    assert docker_place.pods_left() == []


def test_a_source_that_needs_more_memory_than_it_may_have(docker_place: Place) -> None:
    make_images(misbehaving_image("huge-line"))
    greedy = misbehaving("huge-line", "docker", streams=["stream_0"], size=200_000_000)
    asked = content(docker_place, "memory") | {"source": greedy | {"resources": {"memory_limit": "48Mi"}}}
    report = docker_place.sync(asked, "--retries", "0").report
    first = report["failures"][0]
    assert (first["origin"], first["type"]) == ("source", "out_of_memory"), json.dumps(report)
    assert "its limit is 48 MiB" in first["message"]
    assert "source.resources.memory_limit" in first["message"]


def test_a_container_that_never_opens_its_pipes(container_stack: Place, tmp_path: Path) -> None:
    """Its shell does nothing but sleep: there is no wrapper, and nobody to tell anything."""
    make_images()
    tmp_path.chmod(0o1777)
    place = Place(tmp_path, container_stack.home, container_stack.variables)
    lines = ("FROM airbyte-workers-test/source-synthetic:1", "USER root", NO_SHELL, "USER 1000")
    build = ["docker", "build", "-q", "-t", SLEEPER, "-"]
    subprocess.run(build, input="\n".join(lines), text=True, capture_output=True, check=True, timeout=120)
    asked = content(place, "sleeper")
    asked["source"]["image"] = SLEEPER
    try:
        report = place.sync(asked, "--retries", "0").report
    finally:
        subprocess.run(["docker", "rmi", "-f", SLEEPER], capture_output=True, check=True, timeout=60)
    first = report["failures"][0]
    assert (first["origin"], first["type"]) == ("source", "never_opened"), json.dumps(report)
    assert first["message"] == "the check of the source ended without an answer: did not start within 8 s"
    assert place.pods_left() == []


# --- killed ---


@pytest.mark.parametrize(
    ("role", "origin", "type", "says"),
    [
        ("source", "source", "system_error", "the source exited with code 137"),
        ("destination", "destination", "system_error", "the destination exited with code 137"),
        ("orchestrator", "airbyte_platform", "orchestrator_lost", "orchestrator exited with 137"),
    ],
)
def test_docker_kill_in_mid_sync(docker_place: Place, role: str, origin: str, type: str, says: str) -> None:
    asked = slow(docker_place, f"kill-{role}")
    with docker_place.started("sync", "-f", str(docker_place.write(asked)), "-o", "json", "--retries", "0") as sync:
        until(lambda: len(docker_place.lines("stream_0")) > 300, "records")
        kill(docker_place, role)
        ended = sync.ended()
    report = ended.report
    first = report["failures"][0]
    assert (ended.code, first["origin"], first["type"]) == (1, origin, type), json.dumps(report)
    assert says in first["message"]
    assert report["records_committed"] >= 100
    assert docker_place.pods_left() == []
    rest = content(docker_place, f"kill-{role}", records=report["records_committed"] + 50)
    again = docker_place.sync(rest).report
    assert again["records_committed"] == 50
    assert set(range(report["records_committed"] + 50)) <= set(docker_place.ids("stream_0"))


def test_a_killed_supervisor_stops_no_sync(alone: Place) -> None:
    """The next Temporal worker finds the pod by its labels and goes on watching: one attempt, the same containers."""
    make_images()
    alone.work.chmod(0o1777)
    with alone.started(
        "sync", "-f", str(alone.write(content(alone, "adopt", records=6000, delay_ms=100))), "-o", "json"
    ) as sync:
        until(lambda: len(alone.lines("stream_0")) > 300, "records")
        before = container(alone, "source")["Id"]
        psutil.Process(alone.stack()["owner"]["pid"]).kill()
        until(lambda: len(alone.lines("stream_0")) > 1500, "records without a Temporal worker")
        assert container(alone, "source")["Id"] == before
        ended = sync.ended(120)
    assert (ended.code, len(ended.report["attempts"])) == (0, 1), ended.err
    assert ended.report["records_committed"] == 6000
    assert alone.ids("stream_0") == list(range(6000))
    assert alone.pods_left() == []


# --- cancelled ---


def test_ctrl_c_once_and_what_is_committed_stays(docker_place: Place) -> None:
    asked = slow(docker_place, "cancel")
    with docker_place.started("sync", "-f", str(docker_place.write(asked)), "-o", "json") as sync:
        until(lambda: len(docker_place.lines("stream_0")) > 300, "records")
        sync.interrupt()
        ended = sync.ended()
    assert (ended.code, ended.report["status"]) == (3, "cancelled")
    committed = ended.report["records_committed"]
    assert committed >= 100
    assert docker_place.pods_left() == []
    again = docker_place.sync(content(docker_place, "cancel", records=committed + 10)).report
    assert again["records_committed"] == 10


def test_ctrl_c_twice_ends_containers_that_ignore_sigterm_at_once(docker_place: Place) -> None:
    make_images(misbehaving_image("ignores-sigterm"))
    stubborn = misbehaving("ignores-sigterm", "docker", streams=["stream_0"])
    asked = content(docker_place, "twice") | {"source": stubborn}
    with docker_place.started("sync", "-f", str(docker_place.write(asked)), "-o", "json") as sync:
        until(lambda: docker_place.lines("stream_0"), "records")
        sync.interrupt()
        sync.until_said("cancelling the job")
        sync.process.send_signal(signal.SIGINT)
        ended = sync.ended()
    assert ended.code == 3
    assert docker_place.pods_left() == []


# --- chosen, and not to be had ---


def test_a_command_decides_for_local_programs(place: Place) -> None:
    asked = content(place, "mixed") | {"destination": place.jsonl()}
    ended = place.run("sync", "-f", str(place.write(asked)), "--retries", "0")
    assert ended.err.splitlines()[0] == "launcher: process (destination-jsonl is a command, not an image)"
    assert "airbyte-workers-test/source-synthetic is not a Python package; it needs Docker" in ended.err + ended.out


def test_an_image_that_nobody_has(container_stack: Place, tmp_path: Path) -> None:
    place = Place(tmp_path, container_stack.home, container_stack.variables)
    missing = {"image": "airbyte-workers-test/source-nowhere:1", "config": {}}
    asked = content(place, "missing") | {"source": missing}
    chosen = place.sync(asked, "--retries", "0")
    assert "launcher: process (airbyte-workers-test/source-nowhere:1 is not on this host" in chosen.err
    assert chosen.report["failures"][0]["type"] == "config_error"
    forced = place.sync(asked, "--retries", "0", "--launcher", "docker")
    first = forced.report["failures"][0]
    assert (forced.code, first["origin"]) == (1, "source"), forced.report
    assert "image airbyte-workers-test/source-nowhere:1" in first["message"]
    assert place.pods_left() == []


def test_without_an_engine_images_run_as_local_programs(alone: Place) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{alone.work}/no.sock"}
    asked = content(alone, "no-engine")
    chosen = alone.run("sync", "-f", str(alone.write(asked)), "--retries", "0", **nowhere)
    assert chosen.err.splitlines()[0] == "launcher: process (no Docker engine answers)"
    assert "is not a Python package; it needs Docker" in chosen.out + chosen.err


def test_an_image_without_a_program_for_us_is_the_sources_fault(docker_place: Place) -> None:
    """Python's own image: it has an entrypoint, but speaks no Airbyte."""
    asked = content(docker_place, "python") | {"source": {"image": "airbyte-workers-test/python:1", "config": {}}}
    report = docker_place.sync(asked, "--retries", "0").report
    assert (report["failures"][0]["origin"], report["records_committed"]) == ("source", 0), json.dumps(report)
    assert "exited with code 2" in report["failures"][0]["message"]
