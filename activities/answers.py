"""What connectors answered: asked for this job, or lately for another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from activities.means import Means
from airbyte_workers.models import AttemptRef, Connector, ConnectorResult
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.store import catalogs, workloads
from airbyte_workers.store.jobs import Job


class Answers:
    """Specs and catalogs by connector; only a tagged image is trusted to answer the same again."""

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._settings = means.settings
        self._objects = means.objects

    async def questions(self, job: Job) -> tuple[AttemptRef, ...]:
        """What must be asked before the job's configs, and of a sync its catalog, are known to be right."""
        if job.kind is JobKind.SPEC:
            return ()
        refs = [
            _spec_of(job, role)
            for role, connector in job.connectors.items()
            if await self.known_spec(connector) is None
        ]
        source = job.connectors.get(Role.SOURCE)
        if source is not None and await self.known_catalog(source) is None:
            refs.append(AttemptRef(job_id=job.id, attempt=0, kind=JobKind.DISCOVER))
        return tuple(refs)

    async def spec(self, job: Job, role: Role) -> Mapping[str, Any] | None:
        """What the connector says of itself; None when it was asked and did not say."""
        connector = job.connectors[role]
        known = await self.known_spec(connector)
        if known is not None:
            return known
        told = await self.result(_spec_of(job, role))
        return told.result if told is not None else None

    async def known_spec(self, connector: Connector) -> Mapping[str, Any] | None:
        """What an image said of itself before."""
        if not is_pinned(connector):
            return None
        spec = await catalogs.find_spec(self._db, connector.name)
        return msgspec.json.decode(spec, type=dict[str, Any]) if spec is not None else None

    async def keep_spec(self, connector: Connector, spec: Mapping[str, Any]) -> None:
        """Keep what an image says of itself for the next who asks."""
        if is_pinned(connector):
            await catalogs.store_spec(self._db, connector.name, msgspec.json.encode(spec).decode())

    async def known_catalog(self, connector: Connector) -> str | None:
        """A catalog discovered within DISCOVER_REFRESH_WINDOW_MINUTES."""
        minutes = self._settings.discover_refresh_window_minutes
        if not is_pinned(connector) or minutes <= 0:
            return None
        return await catalogs.find_discovered(self._db, fingerprint(connector), minutes=minutes)

    async def keep_catalog(self, connector: Connector, catalog: bytes) -> int:
        """Store what a source was found to have."""
        digest = hashlib.sha256(catalog).hexdigest()
        return await catalogs.store_discovered(self._db, fingerprint(connector), digest, catalog.decode())

    async def result(self, ref: AttemptRef) -> ConnectorResult | None:
        """How the connector pod ended; None while it has not."""
        said = await self.end_of(ref.pod)
        return ConnectorResult.model_validate_json(said) if said is not None else None

    async def end_of(self, pod: str) -> bytes | None:
        """The body of the pod's own final marker; None for one that was never launched, or has not ended."""
        if not await workloads.owns_markers(self._db, pod):
            return None
        reading = await Markers(self._objects, pod).read()
        return reading.body if reading.final else None


def fingerprint(connector: Connector) -> str:
    """The same for the same connector with the same config; configs hold references, never resolved secrets."""
    told = msgspec.json.encode([connector.name, connector.config], order="deterministic")
    return hashlib.sha256(told).hexdigest()


def is_pinned(connector: Connector) -> bool:
    """Whether the connector is an image of one version; a command, or `latest`, can be another program tomorrow."""
    tag = (connector.image or "").rpartition("/")[2].partition(":")[2]
    return tag not in ("", "latest")


def _spec_of(job: Job, role: Role) -> AttemptRef:
    of = None if role is Role.MAIN else role
    return AttemptRef(job_id=job.id, attempt=0, kind=JobKind.SPEC, of=of)
