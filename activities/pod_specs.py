"""From a job's row to the pod that does its work: who runs, with which files, under which labels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import asyncpg
import msgspec

from airbyte_workers.jobs import checks
from airbyte_workers.models import AttemptRef, Connector
from airbyte_workers.names import JobKind, Role, pod_name
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.pods.pod import ContainerSpec, PodSpec, Program, Resources
from airbyte_workers.protocol.catalog import key_of
from airbyte_workers.protocol.configs import secret_values
from airbyte_workers.protocol.messages import ConfiguredCatalog, parse, serialise
from airbyte_workers.quantities import cpus, memory_bytes
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs, generations, secrets, states
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.jobs import Job

RUN = "run"
"""The label that tells a pod from one of the same name that another database's job of this number had."""
CONFIG, CATALOG, STATE = "config.json", "catalog.json", "state.json"


@dataclass(frozen=True)
class Given:
    """What a connector's container is given: its files, and of these what must never be shown."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Author:
    """Writes pod specs with what this Temporal worker knows."""

    db: asyncpg.Pool
    settings: Settings
    database_url: str

    async def replication(self, job: Job, attempt: Attempt) -> PodSpec:
        """The pod of one attempt of a sync, with the state committed so far. Raises SecretError, LookupError."""
        assert job.connection_id is not None
        assert job.catalog_id is not None
        catalog = (await catalogs.read(self.db, job.catalog_id)).encode()
        known = await generations.current(self.db, job.connection_id)
        stamped = serialise(generations.stamped(parse(ConfiguredCatalog, catalog), known, job.id))
        state = await states.load(self.db, job.connection_id)
        source, destination = job.connectors[Role.SOURCE], job.connectors[Role.DESTINATION]
        read = await self._given(job, source, {CATALOG: catalog} | ({STATE: state} if state is not None else {}))
        write = await self._given(job, destination, {CATALOG: stamped})
        environment = {"WORKER_JOB_ID": str(job.id), "WORKER_JOB_ATTEMPT": str(attempt.number)}
        return PodSpec(
            name=attempt.pod,
            kind=job.kind,
            containers=(
                self._container(Role.DESTINATION, "write", destination, write.files, environment),
                self._container(Role.SOURCE, "read", source, read.files, environment),
            ),
            orchestrator=Role.ORCHESTRATOR,
            orchestrator_input=self._replication_input(job, attempt, catalog, read.secrets + write.secrets),
            labels=self._labels(job, attempt.number, attempt.fence),
            local_root=self._local_root(job),
            orchestrator_resources=self._resources(
                self.settings.replication_orchestrator_cpu_limit, self.settings.replication_orchestrator_memory_limit
            ),
        )

    async def operation(self, job: Job, ref: AttemptRef) -> PodSpec:
        """The pod in which one connector is asked one thing. Raises secrets.SecretError."""
        role = job.asked(ref)
        connector = job.connectors[role]
        given = await self._given(job, connector, {}) if ref.kind is not JobKind.SPEC else Given()
        environment = {"WORKER_JOB_ID": str(job.id), "WORKER_JOB_ATTEMPT": str(ref.attempt)}
        asked = ConnectorInput(
            pod=pod_name(ref.kind, job.id, ref.attempt, ref.of),
            settings=self._plain_settings(),
            operation=_operation(ref.kind),
            origin=origin_of(role, connector),
            log_prefix=_operation_log(job, ref),
            secrets=given.secrets,
            secret_names=job.secret_names,
        )
        return PodSpec(
            name=asked.pod,
            kind=ref.kind,
            containers=(self._container(Role.MAIN, str(ref.kind), connector, given.files, environment),),
            orchestrator=Role.SIDECAR,
            orchestrator_input=asked.model_dump_json().encode(),
            labels=self._labels(job, ref.attempt, 0),
            local_root=self._local_root(job),
        )

    def _container(
        self,
        role: Role,
        command: str,
        connector: Connector,
        files: Mapping[str, bytes],
        environment: Mapping[str, str],
    ) -> ContainerSpec:
        options = {CONFIG: "--config", CATALOG: "--catalog", STATE: "--state"}
        given = [part for name, option in options.items() if name in files for part in (option, f"{{folder}}/{name}")]
        settings, own = self.settings, connector.resources
        return ContainerSpec(
            role=role,
            program=program(connector),
            arguments=(command, *given),
            files=files,
            environment={
                "DEPLOYMENT_MODE": "OSS",
                "USE_STREAM_CAPABLE_STATE": "true",
                "WORKER_CONNECTOR_IMAGE": connector.image or "",
                **environment,
            },
            resources=self._resources(
                settings.job_main_container_cpu_limit if own.cpu_limit is None else str(own.cpu_limit),
                settings.job_main_container_memory_limit if own.memory_limit is None else str(own.memory_limit),
                own.pids_limit,
            ),
        )

    def _resources(self, cpu_limit: str | None, memory_limit: str | None, pids_limit: int | None = None) -> Resources:
        return Resources(
            cpus=None if cpu_limit is None else cpus(cpu_limit),
            memory_bytes=None if memory_limit is None else memory_bytes(memory_limit),
            pids=self.settings.container_pids_limit if pids_limit is None else pids_limit,
        )

    async def _given(self, job: Job, connector: Connector, others: Mapping[str, bytes]) -> Given:
        config = await asyncio.to_thread(
            secrets.resolve, connector.config, self.settings.secrets_dir, place=_config_of(job, connector)
        )
        values = secret_values(connector.config, config, job.secret_names)
        return Given({CONFIG: msgspec.json.encode(config), **others}, values)

    def _replication_input(self, job: Job, attempt: Attempt, catalog: bytes, hidden: tuple[str, ...]) -> bytes:
        assert job.connection_id is not None
        assert job.sync.destination is not None
        configured = parse(ConfiguredCatalog, catalog)
        given = ReplicationInput(
            pod=attempt.pod,
            settings=self._plain_settings(),
            job_id=job.id,
            attempt=attempt.number,
            connection_id=job.connection_id,
            connection=job.connection,
            fence=attempt.fence,
            database_url=self.database_url,
            streams=tuple(key_of(stream.stream) for stream in configured.streams),
            stream_status=job.sync.destination.stream_status,
            accept_unacknowledged=job.sync.accept_unacknowledged,
            allow_malformed=job.sync.allow_malformed,
            fail_on_source_stats=job.sync.fail_on_source_stats,
            log_prefix=f"logs/{job.id}/{attempt.number}",
            secrets=hidden,
            secret_names=job.secret_names,
        )
        return given.model_dump_json().encode()

    def _plain_settings(self) -> dict[str, Any]:
        """The settings a pod's program works with; the database's address goes to the orchestrator alone, by itself."""
        return self.settings.model_dump(mode="json", exclude={"database_url"})

    def _local_root(self, job: Job) -> Path:
        """The connectors' /local: what the input chose where that is allowed, else the stack's own."""
        return Path(job.input.local_root) if job.input.local_root is not None else self.settings.local_root.absolute()

    def _labels(self, job: Job, attempt: int, fence: int) -> dict[str, str]:
        return {
            "job": str(job.id),
            "attempt": str(attempt),
            "connection": job.connection,
            "fence": str(fence),
            "lease": f"{self.settings.lease_seconds:g}",
            RUN: job.run_id,
        }


def program(connector: Connector) -> Program:
    """What the connector's container runs."""
    return Program(image=connector.image, command=connector.command or ())


def _config_of(job: Job, connector: Connector) -> str:
    """What people call the connector's config: the path of its field in the job's input."""
    (role,) = [role for role, each in job.connectors.items() if each is connector]
    return "config" if role is Role.MAIN else f"{role}.config"


def _operation_log(job: Job, ref: AttemptRef) -> str:
    """A check before an attempt stands at the head of the attempt's log, source first."""
    if ref.kind is JobKind.CHECK and ref.of is not None:
        return f"logs/{job.id}/{ref.attempt}/0-{checks.ORDER.index(ref.of)}-check-{ref.of}"
    return f"logs/{job.id}/{ref.kind}" + (f"-{ref.of}" if ref.of is not None else "")


def origin_of(role: Role, connector: Connector) -> Literal["source", "destination"]:
    """Whose failure it is; of a connector that is asked by itself only its name can tell."""
    if role is Role.MAIN:
        return "destination" if "destination" in connector.name.rpartition("/")[2] else "source"
    return "source" if role is Role.SOURCE else "destination"


def _operation(kind: JobKind) -> Literal["spec", "check", "discover"]:
    if kind is JobKind.SPEC:
        return "spec"
    return "check" if kind is JobKind.CHECK else "discover"
