"""What a sync syncs: the catalog it was given, or a choice from what its connectors say they can."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import asyncpg
import msgspec

from activities.pod_specs import OPERATION_ROLES
from airbyte_workers.models import Connector, ConnectorResult, SyncInput
from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.protocol.catalog import InvalidCatalog, choose, key_of, read_catalog, read_configured, shown
from airbyte_workers.protocol.messages import ConfiguredCatalog
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.objects import Objects

MAX_CHOICES_SHOWN = 20


class Catalogs:
    """Reads what connectors answered for a job, or answered lately for another."""

    def __init__(self, db: asyncpg.Pool, settings: Settings, objects: Objects) -> None:
        self._db = db
        self._settings = settings
        self._objects = objects

    async def operations(self, asked: SyncInput) -> tuple[JobKind, ...]:
        """What must be asked of the connectors before the catalog is known."""
        if asked.catalog is not None:
            return ()
        needed = []
        if await self._known_catalog(asked) is None:
            needed.append(JobKind.DISCOVER)
        if _needs_destination_modes(asked) and await self._known_spec(asked) is None:
            needed.append(JobKind.SPEC)
        return tuple(needed)

    async def configured(self, job: Job) -> ConfiguredCatalog:
        """The catalog that was given, or a choice from what the source has. Raises InvalidCatalog."""
        if job.input.catalog is not None:
            return read_configured(job.input.catalog)
        discovered = await self._discovered(job)
        modes = await self._destination_modes(job) if _needs_destination_modes(job.input) else None
        return choose(read_catalog(discovered), job.input.streams, modes)

    async def _discovered(self, job: Job) -> bytes:
        fresh = await self._result(job, JobKind.DISCOVER)
        if fresh is None:
            known = await self._known_catalog(job.input)
            if known is None:
                raise InvalidCatalog("the source's catalog is not known: its discover left no result")
            return known.encode()
        body = msgspec.json.encode(fresh)
        source = job.input.source
        if source is not None and _is_pinned(source):  # nobody would ask for another's again
            digest = hashlib.sha256(body).hexdigest()
            await catalogs.store_discovered(self._db, fingerprint(source), digest, body.decode())
        return body

    async def _destination_modes(self, job: Job) -> Sequence[str] | None:
        """The sync modes that the destination lists; None when it does not say."""
        fresh = await self._result(job, JobKind.SPEC)
        destination = job.input.destination
        if fresh is not None and destination is not None and destination.image and _is_pinned(destination):
            await catalogs.store_spec(self._db, destination.image, msgspec.json.encode(fresh).decode())
        spec = fresh if fresh is not None else await self._known_spec(job.input)
        modes = (spec or {}).get("supported_destination_sync_modes")
        return [str(mode) for mode in modes] if isinstance(modes, list) else None

    async def _result(self, job: Job, kind: JobKind) -> dict[str, object] | None:
        """What a connector pod of this job answered."""
        assert kind in OPERATION_ROLES
        reading = await Markers(self._objects, pod_name(kind, job.id, 0)).read()
        return ConnectorResult.model_validate_json(reading.body).result if reading.final else None

    async def _known_catalog(self, asked: SyncInput) -> str | None:
        """A catalog discovered lately; only a tagged image is trusted to answer the same again."""
        minutes = self._settings.discover_refresh_window_minutes
        if asked.source is None or not _is_pinned(asked.source) or minutes <= 0:
            return None
        return await catalogs.find_discovered(self._db, fingerprint(asked.source), minutes=minutes)

    async def _known_spec(self, asked: SyncInput) -> dict[str, object] | None:
        if asked.destination is None or asked.destination.image is None or not _is_pinned(asked.destination):
            return None
        spec = await catalogs.find_spec(self._db, asked.destination.image)
        return msgspec.json.decode(spec, type=dict[str, object]) if spec is not None else None


def fingerprint(connector: Connector) -> str:
    """The same for the same connector with the same config; configs hold references, never resolved secrets."""
    told = msgspec.json.encode([connector.name, connector.config], order="deterministic")
    return hashlib.sha256(told).hexdigest()


def _is_pinned(connector: Connector) -> bool:
    """Whether the connector is an image of one version; a command, or `latest`, can be another program tomorrow."""
    tag = (connector.image or "").rpartition("/")[2].partition(":")[2]
    return tag not in ("", "latest")


def _needs_destination_modes(asked: SyncInput) -> bool:
    return asked.streams is None or any(choice.destination_sync_mode is None for choice in asked.streams)


def shown_choice(configured: ConfiguredCatalog) -> tuple[str, ...]:
    """What will be synced, a line a stream; a long choice is cut."""
    lines = [
        f"{shown(key_of(each.stream))}: {each.sync_mode}, {each.destination_sync_mode}" for each in configured.streams
    ]
    more = len(lines) - MAX_CHOICES_SHOWN
    return tuple(lines[:MAX_CHOICES_SHOWN]) + ((f"and {more} more streams",) if more > 0 else ())
