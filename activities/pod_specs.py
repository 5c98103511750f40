"""From a job's row to the pod that does its work: who runs, with which files, under which labels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import asyncpg

from activities.job_time import ends_by
from activities.launch_configs import LaunchConfigs
from activities.stream_routes import RoutedCatalog, routed
from airbyte_workers.models import AttemptRef, Connector, FailureOrigin
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.input import Checks, Cleared, ConnectorInput, ReplicationInput
from airbyte_workers.pods.pod import ContainerLimits, ContainerSpec, PodSpec, Program
from airbyte_workers.protocol import generations
from airbyte_workers.protocol.messages import ConfiguredCatalog, serialise
from airbyte_workers.protocol.streams import key_of
from airbyte_workers.quantities import cpus, memory_bytes
from airbyte_workers.replication.control import Launched
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs, reaping, states
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.generations import current as current_generations
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.log_objects import asked_folder, attempt_folder
from airbyte_workers.store.objects import carried
from airbyte_workers.store.stream_requests import undivided_before

RUN = "run"
"""The label that tells a pod from one of the same name that another database's job of this number had."""
DATABASE = "database"
"""The label that tells a pod of a job that this database has lost from one that is another database's."""
CONFIG, CATALOG, STATE = "config.json", "catalog.json", "state.json"
_NOT_FOR_PODS = {"database_url", "database_password_file", "aws_secret_access_key_file"}
_COMMANDS = {Role.SOURCE: "read", Role.DESTINATION: "write"}


@dataclass(frozen=True)
class Given:
    """What a connector's container is given: its files, of these what must never be shown, and how it was launched."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    launched: Launched = field(default_factory=Launched)


@dataclass(frozen=True)
class Author:
    """Writes pod specs with what this Temporal worker knows."""

    db: asyncpg.Pool
    settings: Settings
    configs: LaunchConfigs

    async def replication(self, job: Job, attempt: Attempt) -> PodSpec:
        """The pod of one attempt of a sync, clear or refresh. Raises SecretError, LookupError, InvalidCatalog."""
        assert job.catalog_id is not None
        assert self.settings.database_url is not None
        catalog = await catalogs.configured(self.db, job.catalog_id)
        synced = await routed(job, catalog, self.settings.secrets_dir)
        given = {Role.DESTINATION: await self._written(job, synced)}
        if Role.SOURCE in job.connectors:
            given[Role.SOURCE] = await self._read(job, catalog)
        environment = {"WORKER_JOB_ID": str(job.id), "WORKER_JOB_ATTEMPT": str(attempt.number)}
        return PodSpec(
            name=attempt.pod,
            kind=job.kind,
            containers=tuple(
                self._container(role, _COMMANDS[role], job.connectors[role], each.files, environment)
                for role, each in given.items()
            ),
            orchestrator=Role.ORCHESTRATOR,
            orchestrator_input=await self._replication_input(job, attempt, synced, given),
            labels=await self._labels(job, attempt.number, attempt.fence),
            local_root=self._local_root(job),
            orchestrator_limits=_limits(
                self.settings,
                self.settings.replication_orchestrator_cpu_limit,
                self.settings.replication_orchestrator_memory_limit,
            ),
        )

    async def _read(self, job: Job, catalog: ConfiguredCatalog) -> Given:
        """What a source is given: also the state committed so far."""
        assert job.connection_id is not None
        files = {CATALOG: serialise(generations.for_source(catalog))}
        state = await states.load(self.db, job.connection_id)
        if state is not None:
            files[STATE] = state
        return await self._given(job, Role.SOURCE, files)

    async def _written(self, job: Job, synced: RoutedCatalog) -> Given:
        """What a destination is given."""
        assert job.connection_id is not None
        known = await current_generations(self.db, job.connection_id)
        told = synced.for_destination(generations.for_destination(synced.catalog, job.scope, known, job.id))
        return await self._given(job, Role.DESTINATION, {CATALOG: serialise(told)})

    async def _cleared(self, job: Job, catalog: ConfiguredCatalog) -> Cleared:
        """What stands in for a source; the state is that before the job, whose own attempts have erased it."""
        named = tuple(key for key in generations.keys(catalog) if job.scope.names(key))
        undivided = await undivided_before(self.db, job.id)
        if undivided is None:
            return Cleared(streams=named)
        return Cleared(streams=named, state_type=undivided[0], state=undivided[1])

    async def operation(self, job: Job, ref: AttemptRef) -> PodSpec:
        """The pod in which one connector is asked one thing. Raises secrets.SecretError."""
        role = job.asked(ref)
        connector = job.connectors[role]
        given = await self._given(job, role, {}) if ref.kind is not JobKind.SPEC else Given()
        environment = {"WORKER_JOB_ID": str(job.id), "WORKER_JOB_ATTEMPT": str(ref.attempt)}
        origin = origin_of(role, connector)
        asked = ConnectorInput(
            pod=ref.pod,
            settings=await self._plain_settings(),
            operation=_operation(ref.kind),
            origin=origin,
            connection=job.connection if job.connection_id is not None else "",
            log_prefix=asked_folder(ref),
            secrets=given.secrets,
            secret_names=job.secret_names,
            launched={FailureOrigin(origin): given.launched},
        )
        return PodSpec(
            name=asked.pod,
            kind=ref.kind,
            containers=(self._container(Role.MAIN, str(ref.kind), connector, given.files, environment),),
            orchestrator=Role.SIDECAR,
            orchestrator_input=asked.model_dump_json().encode(),
            labels=await self._labels(job, ref.attempt, 0),
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
        plain = connector_container(self.settings, role, command, connector, files)
        return replace(plain, environment={**plain.environment, **environment})

    async def _given(self, job: Job, role: Role, others: Mapping[str, bytes]) -> Given:
        config = await self.configs.of(job, role)
        return Given({CONFIG: config.file, **others}, config.secrets, config.launched)

    async def _replication_input(
        self, job: Job, attempt: Attempt, synced: RoutedCatalog, given: Mapping[Role, Given]
    ) -> bytes:
        catalog = synced.catalog
        assert job.connection_id is not None
        assert job.sync.destination is not None
        told = ReplicationInput(
            pod=attempt.pod,
            settings=await self._plain_settings(),
            job_id=job.id,
            attempt=attempt.number,
            connection_id=job.connection_id,
            connection=job.connection,
            fence=attempt.fence,
            database_url=self.settings.database_url,
            streams=tuple(generations.keys(catalog)),
            routes=synced.changing,
            cleared=await self._cleared(job, catalog) if job.kind is JobKind.CLEAR else None,
            checks=self._checks(job, catalog),
            stream_status=job.sync.destination.stream_status,
            count_populated_fields=job.sync.count_populated_fields,
            clocks=job.sync.clocks,
            ends_by=await ends_by(self.db, self.settings, job),
            speed_limits=job.sync.speed_limits,
            **job.sync.policy.model_dump(),
            log_prefix=attempt_folder(job.id, attempt.number),
            secrets=(*(value for each in given.values() for value in each.secrets), *synced.secrets),
            secret_names=job.secret_names,
            launched={FailureOrigin(role): each.launched for role, each in given.items()},
        )
        return told.model_dump_json().encode()

    def _checks(self, job: Job, catalog: ConfiguredCatalog) -> Checks:
        """Which records are held against a schema; there are none where streams are cleared."""
        if job.kind is JobKind.CLEAR:
            return Checks()
        asked = job.sync.validation
        mode = asked.mode or self.settings.validation_mode
        schemas = ((key_of(each.stream), bytes(each.stream.json_schema).decode()) for each in catalog.streams)
        return Checks(
            mode=mode,
            max_invalid_records=asked.max_invalid_records,
            dead_letters=asked.dead_letters,
            schemas=tuple(schemas) if mode != "off" else (),
        )

    async def _plain_settings(self) -> dict[str, Any]:
        """The settings a pod's program works with, those of object storage too: it gets no environment of ours.

        The database's address goes to the orchestrator alone, by itself; files of secrets are this host's, and what is
        in them has been read. Raises StorageError.
        """
        told = self.settings.model_dump(mode="json", exclude=_NOT_FOR_PODS)
        return told | await asyncio.to_thread(carried, self.settings)

    def _local_root(self, job: Job) -> Path:
        """The connectors' /local: what the input chose where that is allowed, else the stack's own."""
        return Path(job.input.local_root) if job.input.local_root is not None else self.settings.local_root.absolute()

    async def _labels(self, job: Job, attempt: int, fence: int) -> dict[str, str]:
        return {
            "job": str(job.id),
            "attempt": str(attempt),
            "connection": job.connection,
            "fence": str(fence),
            "lease": f"{self.settings.lease_seconds:g}",
            RUN: job.run_id,
            DATABASE: await reaping.installation(self.db),
        }


def connector_container(
    settings: Settings, role: Role, command: str, connector: Connector, files: Mapping[str, bytes]
) -> ContainerSpec:
    """A connector as every pod runs it, whatever the pod is for."""
    options = {CONFIG: "--config", CATALOG: "--catalog", STATE: "--state"}
    given = [part for name, option in options.items() if name in files for part in (option, f"{{folder}}/{name}")]
    own = connector.resources
    return ContainerSpec(
        role=role,
        program=program(connector),
        arguments=(command, *given),
        files=files,
        environment={
            "DEPLOYMENT_MODE": "OSS",
            "USE_STREAM_CAPABLE_STATE": "true",
            "WORKER_CONNECTOR_IMAGE": connector.image or "",
        },
        limits=_limits(
            settings,
            settings.job_main_container_cpu_limit if own.cpu_limit is None else str(own.cpu_limit),
            settings.job_main_container_memory_limit if own.memory_limit is None else str(own.memory_limit),
            own.pids_limit,
        ),
    )


def _limits(
    settings: Settings, cpu_limit: str | None, memory_limit: str | None, pids_limit: int | None = None
) -> ContainerLimits:
    return ContainerLimits(
        cpus=None if cpu_limit is None else cpus(cpu_limit),
        memory_bytes=None if memory_limit is None else memory_bytes(memory_limit),
        pids=settings.container_pids_limit if pids_limit is None else pids_limit,
    )


def program(connector: Connector) -> Program:
    """What the connector's container runs."""
    return Program(image=connector.image, command=connector.command or ())


def origin_of(role: Role, connector: Connector) -> Literal["source", "destination"]:
    """Whose failure it is; of a connector that is asked by itself only its name can tell."""
    if role is Role.MAIN:
        return "destination" if "destination" in connector.name.rpartition("/")[2] else "source"
    return "source" if role is Role.SOURCE else "destination"


def _operation(kind: JobKind) -> Literal["spec", "check", "discover"]:
    if kind is JobKind.SPEC:
        return "spec"
    return "check" if kind is JobKind.CHECK else "discover"
