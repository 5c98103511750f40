"""What a connector's container may use: what the connector says, else the settings, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from activities.launch_configs import LaunchConfigs
from activities.pod_specs import Author
from airbyte_workers.models import AttemptRef, JobStatus, SyncInput
from airbyte_workers.names import JobKind, Role
from airbyte_workers.pods.pod import ContainerLimits, PodSpec
from airbyte_workers.settings import Settings
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.sealing import Seal

MIB = 2**20
LIMITED = {"job_main_container_cpu_limit": "500m", "job_main_container_memory_limit": "1Gi", "container_pids_limit": 99}


class _Named:
    """A database that is asked for its name alone."""

    async def fetchval(self, query: str) -> str:
        assert "installation" in query
        return "this one"


async def asked(kind: JobKind, resources: dict[str, Any], settings: dict[str, Any]) -> PodSpec:
    """The pod that asks a connector, for which no database is needed."""
    legs = {leg: {"image": f"airbyte/{leg}-x:1"} for leg in ("source", "destination")}
    legs["source" if kind is JobKind.DISCOVER else "destination"] |= {"resources": resources}
    given = SyncInput.model_validate({"connection": "demo", **legs})
    job = Job(7, JobKind.SYNC, JobStatus.PENDING, None, "demo", given, None, False, "docker")
    nothing = cast(asyncpg.Pool, _Named())
    ref = AttemptRef(job_id=7, attempt=0, kind=kind, of=None if kind is JobKind.DISCOVER else Role.DESTINATION)
    known = Settings(home=Path("/h"), **settings)
    return await Author(nothing, known, LaunchConfigs(nothing, Seal(bytes(32)), known)).operation(job, ref)


KINDS = [JobKind.DISCOVER, JobKind.SPEC]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ({"cpu_limit": "2"}, ContainerLimits(cpus=2, memory_bytes=1024 * MIB, pids=99)),
        ({"cpu_limit": 0.25}, ContainerLimits(cpus=0.25, memory_bytes=1024 * MIB, pids=99)),
        ({"memory_limit": "64m"}, ContainerLimits(cpus=0.5, memory_bytes=64 * MIB, pids=99)),
        ({"memory_limit": 64 * MIB}, ContainerLimits(cpus=0.5, memory_bytes=64 * MIB, pids=99)),
        ({"pids_limit": 0}, ContainerLimits(cpus=0.5, memory_bytes=1024 * MIB, pids=0)),
        ({"pids_limit": 5000}, ContainerLimits(cpus=0.5, memory_bytes=1024 * MIB, pids=5000)),
        (
            {"cpu_limit": 1, "memory_limit": "2Gi", "pids_limit": 1},
            ContainerLimits(cpus=1, memory_bytes=2048 * MIB, pids=1),
        ),
    ],
)
async def test_what_a_connector_says_wins_field_by_field(
    kind: JobKind, own: dict[str, Any], limits: ContainerLimits
) -> None:
    spec = await asked(kind, own, LIMITED)
    assert [(each.role, each.limits) for each in spec.containers] == [(Role.MAIN, limits)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        ({}, ContainerLimits(pids=4096)),
        (LIMITED, ContainerLimits(cpus=0.5, memory_bytes=1024 * MIB, pids=99)),
        ({"container_pids_limit": 0}, ContainerLimits(pids=0)),
        ({"job_main_container_memory_limit": "512m"}, ContainerLimits(memory_bytes=512 * MIB, pids=4096)),
        ({"replication_orchestrator_memory_limit": "512m"}, ContainerLimits(pids=4096)),
    ],
)
async def test_what_a_connector_leaves_out_comes_from_the_settings(
    kind: JobKind, settings: dict[str, Any], limits: ContainerLimits
) -> None:
    assert (await asked(kind, {}, settings)).containers[0].limits == limits
