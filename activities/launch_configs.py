"""The config that a connector is launched with: what people gave, or what the connector itself has sent since."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec

from airbyte_workers.names import Role
from airbyte_workers.protocol.config_secrets import renewed_secret_values, secret_values
from airbyte_workers.replication.control import Launched
from airbyte_workers.settings import Settings
from airbyte_workers.store import connector_configs, jobs, secrets
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal


@dataclass(frozen=True)
class LaunchConfig:
    """A connector's config file, what of it must never be shown, and what its program must know of it."""

    file: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    launched: Launched


@dataclass(frozen=True)
class LaunchConfigs:
    """Finds the configs of jobs' connectors, on the host that starts them."""

    db: asyncpg.Pool
    seal: Seal
    settings: Settings

    async def of(self, job: Job, role: Role) -> LaunchConfig:
        """Raises secrets.SecretError, also where the connector has sent another: a secret may have been taken away."""
        typed = job.connectors[role].config
        place = "config" if role is Role.MAIN else f"{role}.config"
        resolved = await asyncio.to_thread(secrets.resolve, typed, self.settings.secrets_dir, place=place)
        file, hidden = msgspec.json.encode(resolved), secret_values(typed, resolved, job.secret_names)
        told = msgspec.json.encode(typed).decode()
        if job.connection_id is None:
            return LaunchConfig(file, hidden, Launched(typed=told, config=file.decode()))
        based_on = self.seal.fingerprint([job.connection_id, str(role), resolved])
        renewed = await self._renewed(job, role, based_on)
        if renewed is not None:
            file, values = renewed
            hidden += renewed_secret_values(typed, resolved, values, job.secret_names)
        key = self.seal.public_key.hex()
        return LaunchConfig(file, hidden, Launched(told, file.decode(), based_on, key))

    async def _renewed(self, job: Job, role: Role, based_on: str) -> tuple[bytes, dict[str, Any]] | None:
        """What the connector has sent in place of this config; of another one it is dropped: a person's is newer."""
        assert job.connection_id is not None
        stored = await connector_configs.find(self.db, job.connection_id, role)
        if stored is None:
            return None
        try:
            kept = connector_configs.opened(self.seal, stored)
            if kept.based_on == based_on:
                return kept.config, json.loads(kept.config)
            reason = f"the {role} sent it in place of a config that was changed since"
        except (SealError, ValueError, RecursionError):
            reason = f"what is stored for the {role} cannot be read"
        await connector_configs.drop(self.db, job.connection_id, role, stored)
        await jobs.note(self.db, job.id, connector_configs.DROPPED, reason=f"{reason}: the typed one is used")
        return None
