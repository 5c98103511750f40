"""Our search attributes in Temporal: registered by whoever works first, and again when they were removed.

A run that sets one that is not registered stands still until it is. So a job is told at its opening which ones are, and
every Temporal worker looks again and again whether they still are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog
from structlog.contextvars import bind_contextvars
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from airbyte_workers.names import SEARCH_ATTRIBUTES
from airbyte_workers.runtime.background import alongside
from airbyte_workers.settings import Settings

_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}
OURS: Mapping[str, IndexedValueType.ValueType] = {name: _TYPES[kind] for name, kind in SEARCH_ATTRIBUTES.items()}
_RPC = timedelta(seconds=10)
_log = structlog.get_logger(__name__)


class Registered:
    """Which of our attributes this namespace has; none while nobody could say."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names = frozenset[str]()
        self._told = ""

    def names(self) -> frozenset[str]:
        """Those that a job may set."""
        return self._names

    async def look(self) -> None:
        """Register what is missing. Jobs run without what Temporal refuses; while it is away, nothing changes."""
        try:
            there = await self.there()
        except RPCError as error:
            self._warn(f"Temporal does not say which there are: {error.message}")
            return
        missing = {name: kind for name, kind in OURS.items() if name not in there}
        if missing:
            there |= await self._added(missing)
        others = sorted(name for name, kind in OURS.items() if there.get(name, kind) != kind)
        if others:
            self._warn(f"{', '.join(others)}: registered with another type than ours")
        self._names = frozenset(name for name, kind in OURS.items() if there.get(name) == kind)
        if len(self._names) == len(OURS):
            self._told = ""

    async def there(self) -> dict[str, IndexedValueType.ValueType]:
        """Every attribute of this namespace that somebody registered. Raises RPCError."""
        request = ListSearchAttributesRequest(namespace=self._client.namespace)
        listed = await self._client.operator_service.list_search_attributes(request, timeout=_RPC)
        return dict(listed.custom_attributes)

    async def _added(
        self, missing: Mapping[str, IndexedValueType.ValueType]
    ) -> Mapping[str, IndexedValueType.ValueType]:
        """What there is more now: another worker may have been quicker, and some servers take no more of a type."""
        refused: dict[str, str] = {}
        for name, kind in missing.items():  # one by one: where there is no room for all, there is for some
            request = AddSearchAttributesRequest(namespace=self._client.namespace, search_attributes={name: kind})
            try:
                await self._client.operator_service.add_search_attributes(request, timeout=_RPC)
            except RPCError as error:
                refused[name] = error.message
        if refused:
            words = " ".join(f"--name {name} --type {SEARCH_ATTRIBUTES[name]}" for name in refused)
            why = "; ".join(dict.fromkeys(refused.values()))
            self._warn(f"{why}; whoever may: temporal operator search-attribute create {words}")
        with suppress(RPCError):
            return await self.there()
        return {}

    def _warn(self, why: str) -> None:
        """Once, until it is something else."""
        if why != self._told:
            _log.warning("jobs cannot be found by all of their search attributes in Temporal", why=why)
        self._told = why


@asynccontextmanager
async def registered(client: Client, settings: Settings) -> AsyncIterator[Registered]:
    """Looked after while the block runs."""
    attributes = Registered(client)
    await attributes.look()
    async with alongside(_keep(attributes, settings.search_attributes_check_s)):
        yield attributes


async def _keep(attributes: Registered, every_s: float) -> None:
    bind_contextvars(task="search attributes")
    while True:
        await asyncio.sleep(every_s)
        await attributes.look()
