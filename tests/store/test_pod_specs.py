"""From a job's row to its pod: who runs, with which files, and what each container may use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rows import CATALOG, open_attempt, request, sync_input

from activities.launch_configs import LaunchConfigs
from activities.pod_specs import Author
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.input import ReplicationInput
from airbyte_workers.pods.pod import ContainerLimits, PodSpec
from airbyte_workers.settings import Settings
from airbyte_workers.store import jobs, opening, reaping
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
MIB = 2**20
SOURCE = {"image": "airbyte/source-faker:7.2.1", "config": {"password": "hunter2"}}
DESTINATION = {"image": "airbyte/destination-null:1", "config": {"path": "out"}}
NO_LIMIT = ContainerLimits(pids=4096)


async def job(db: asyncpg.Pool, seal: Seal, **changes: Any) -> jobs.Job:
    asked = request(sync_input(**({"source": SOURCE, "destination": DESTINATION} | changes)))
    job_id = await opening.open_sync(db, seal, asked)
    await jobs.set_catalog(db, await jobs.read_job(db, seal, job_id), CATALOG, "sha")
    return await jobs.read_job(db, seal, job_id)


async def replication(db: asyncpg.Pool, seal: Seal, settings: dict[str, Any], **changes: Any) -> PodSpec:
    opened = await job(db, seal, **changes)
    attempt = await open_attempt(db, opened.id, 0)
    known = Settings(**({"home": Path("/h"), "database_url": "postgresql://secret@h/d"} | settings))
    author = Author(db, known, LaunchConfigs(db, seal, known))
    return await author.replication(opened, attempt)


def resources(spec: PodSpec) -> dict[Role, ContainerLimits]:
    return {each.role: each.limits for each in spec.containers} | {spec.orchestrator: spec.orchestrator_limits}


LIMITED = {"job_main_container_cpu_limit": "500m", "job_main_container_memory_limit": "1Gi", "container_pids_limit": 99}


async def test_without_any_limit_only_processes_are_counted(db: asyncpg.Pool, seal: Seal) -> None:
    assert resources(await replication(db, seal, {})) == {
        Role.SOURCE: NO_LIMIT,
        Role.DESTINATION: NO_LIMIT,
        Role.ORCHESTRATOR: NO_LIMIT,
    }


async def test_limits_of_the_settings_are_those_of_both_connectors(db: asyncpg.Pool, seal: Seal) -> None:
    limits = ContainerLimits(cpus=0.5, memory_bytes=1024 * MIB, pids=99)
    seen = resources(await replication(db, seal, LIMITED))
    assert (seen[Role.SOURCE], seen[Role.DESTINATION]) == (limits, limits)


async def test_what_a_connector_says_is_for_itself_alone(db: asyncpg.Pool, seal: Seal) -> None:
    own = {"cpu_limit": 1, "memory_limit": "2Gi", "pids_limit": 1}
    seen = resources(await replication(db, seal, LIMITED, source=SOURCE | {"resources": own}))
    assert seen[Role.SOURCE] == ContainerLimits(cpus=1, memory_bytes=2048 * MIB, pids=1)
    assert seen[Role.DESTINATION] == ContainerLimits(cpus=0.5, memory_bytes=1024 * MIB, pids=99)


async def test_the_orchestrator_has_limits_of_its_own(db: asyncpg.Pool, seal: Seal) -> None:
    settings = {"replication_orchestrator_cpu_limit": "2", "replication_orchestrator_memory_limit": "256Mi"}
    seen = resources(await replication(db, seal, settings, source=SOURCE | {"resources": {"cpu_limit": 1}}))
    assert seen[Role.ORCHESTRATOR] == ContainerLimits(cpus=2, memory_bytes=256 * MIB, pids=4096)
    assert seen[Role.DESTINATION] == NO_LIMIT


async def test_files_and_words_of_both_connectors(db: asyncpg.Pool, seal: Seal) -> None:
    spec = await replication(db, seal, {})
    seen = {each.role: each for each in spec.containers}
    assert [each.role for each in spec.containers] == [Role.DESTINATION, Role.SOURCE]
    assert seen[Role.SOURCE].arguments == (
        "read",
        *("--config", "{folder}/config.json"),
        *("--catalog", "{folder}/catalog.json"),
    )
    assert seen[Role.DESTINATION].arguments[0] == "write"
    assert json.loads(seen[Role.SOURCE].files["config.json"]) == {"password": "hunter2"}
    assert seen[Role.SOURCE].environment["WORKER_CONNECTOR_IMAGE"] == "airbyte/source-faker:7.2.1"


async def test_only_the_orchestrator_is_told_where_the_database_is(db: asyncpg.Pool, seal: Seal) -> None:
    spec = await replication(db, seal, {"database_url": "postgresql://secret@h/d"})
    given = json.loads(spec.orchestrator_input)
    assert given["database_url"] == "postgresql://secret@h/d"
    assert "database_url" not in given["settings"]
    for container in spec.containers:
        assert b"postgresql://" not in b"".join(container.files.values())
        assert "postgresql://" not in "".join((*container.environment.values(), *container.arguments))


@pytest.mark.parametrize("key", [None, "me"])
@pytest.mark.parametrize("content", ["", "k3y\n"])
async def test_the_orchestrator_reads_no_file_of_the_workers(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, key: str | None, content: str
) -> None:
    """Compose mounts files with secrets into the worker's container; in a pod there are none, empty or not."""
    files = {name: tmp_path / name for name in ("aws_secret_access_key_file", "database_password_file")}
    for file in files.values():
        file.write_text(content)
    spec = await replication(db, seal, {"aws_access_key_id": key, **files})
    for file in files.values():
        file.unlink()
    read = ReplicationInput.model_validate_json(spec.orchestrator_input).read_settings()
    assert (read.aws_access_key_id, read.aws_secret_access_key) == (key, "k3y" if key and content else None)


async def test_a_pod_carries_its_labels(db: asyncpg.Pool, seal: Seal) -> None:
    spec = await replication(db, seal, {"lease_seconds": 90})
    job_id = spec.name.split("-")[2]
    labels = {"job": job_id, "attempt": "0", "connection": "demo", "fence": "1", "lease": "90"}
    run = (await jobs.read_job(db, seal, int(job_id))).run_id
    assert spec.labels == labels | {"run": run, "database": await reaping.installation(db)}
