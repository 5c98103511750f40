"""The routes of a job's streams with the keys of their mappers, which exist only where pods are launched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from airbyte_workers.mappers.configs import secret_values, with_secrets
from airbyte_workers.protocol.messages import ConfiguredCatalog
from airbyte_workers.protocol.streams import shown
from airbyte_workers.replication.routes import Route
from airbyte_workers.replication.stream_rules import for_destination, routes_of
from airbyte_workers.store import secrets
from airbyte_workers.store.jobs import Job


@dataclass(frozen=True)
class RoutedCatalog:
    """What a job syncs, as its source has it, and the ways of its streams; `secrets`: the keys in these."""

    catalog: ConfiguredCatalog
    routes: tuple[Route, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def for_destination(self, told: ConfiguredCatalog) -> ConfiguredCatalog:
        """`told`, which has the same streams, under the names and with the schemas that they arrive with."""
        return for_destination(told, self.routes)

    @property
    def changing(self) -> tuple[Route, ...]:
        """The routes on which something happens."""
        return tuple(route for route in self.routes if route.is_renamed or route.changes_data)


async def routed(job: Job, catalog: ConfiguredCatalog, secrets_dir: Path) -> RoutedCatalog:
    """The job's catalog with its routes. Raises secrets.SecretError, InvalidCatalog."""
    routes = routes_of(job.sync, catalog)
    whole = await asyncio.to_thread(_with_keys, routes, secrets_dir)
    hidden = [value for route in whole for value in secret_values(route.mappers)]
    return RoutedCatalog(catalog, whole, tuple(hidden))


def _with_keys(routes: Sequence[Route], secrets_dir: Path) -> tuple[Route, ...]:
    return tuple(_with_key(route, secrets_dir) if route.mappers else route for route in routes)


def _with_key(route: Route, secrets_dir: Path) -> Route:
    place = f"mappers of {shown(route.source)}"

    def resolve(reference: str) -> str:
        return str(secrets.resolve({"_secret": reference}, secrets_dir, place=place))

    return replace(route, mappers=tuple(with_secrets(route.mappers, resolve)))
