"""What a sync syncs: the catalog it was given, or a choice from what its connectors say they can."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from activities.answers import Answers, is_pinned
from airbyte_workers.models import AttemptRef
from airbyte_workers.names import JobKind, Role
from airbyte_workers.protocol.catalog import (
    InvalidCatalog,
    check_configured,
    check_destination_modes,
    choose,
    completed,
    read_catalog,
    read_configured,
)
from airbyte_workers.protocol.generations import Scope, keys
from airbyte_workers.protocol.messages import Catalog, ConfiguredCatalog, ConfiguredStream
from airbyte_workers.protocol.stream_checks import names_shown
from airbyte_workers.protocol.streams import key_of, shown
from airbyte_workers.replication.routes import Route
from airbyte_workers.replication.stream_rules import routes_of, with_rules
from airbyte_workers.store.jobs import Job

MAX_CHOICES_SHOWN = 20


class Unchecked(Exception):
    """A given catalog that could not be compared with what the source has; the message says why."""

    def __init__(self, message: str, catalog: ConfiguredCatalog) -> None:
        super().__init__(message)
        self.catalog = catalog


class Catalogs:
    """Settles the configured catalogs of syncs."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def configured(self, job: Job) -> ConfiguredCatalog:
        """The catalog that was given, or a choice from what the source has. Raises InvalidCatalog, Unchecked.

        What a refresh is about must be in it.
        """
        try:
            configured = await self._settled(job)
        except Unchecked as unchecked:
            _refuse_missing(unchecked.catalog, job.scope)
            raise
        _refuse_missing(configured, job.scope)
        return configured

    async def _settled(self, job: Job) -> ConfiguredCatalog:
        return with_rules(await self._complete(job), job.sync)

    async def _complete(self, job: Job) -> ConfiguredCatalog:
        modes = await self._destination_modes(job)
        given = read_configured(job.sync.catalog) if job.sync.catalog is not None else None
        discovered = await self._discovered(job)
        if given is None:
            if discovered is None:
                raise InvalidCatalog("the source's catalog is not known: its discover left no result")
            return choose(discovered, job.sync.streams, modes)
        if discovered is None:
            check_destination_modes(given, modes)
            raise Unchecked("the source did not say what it has", with_rules(given, job.sync))
        check_configured(given, discovered, modes)
        return completed(given, discovered)

    async def _discovered(self, job: Job) -> Catalog | None:
        source = job.connectors[Role.SOURCE]
        known = await self._answers.known_catalog(source)
        if known is not None:
            return read_catalog(known.encode())
        told = await self._answers.result(AttemptRef(job_id=job.id, attempt=0, kind=JobKind.DISCOVER))
        if told is None or told.result is None:
            return None
        body = msgspec.json.encode(told.result)
        catalog = read_catalog(body)
        if is_pinned(source):  # nobody would ask for another's again
            await self._answers.keep_catalog(source, body)
        return catalog

    async def _destination_modes(self, job: Job) -> Sequence[str] | None:
        """The sync modes that the destination lists; None when it does not say."""
        spec = await self._answers.spec(job, Role.DESTINATION)
        modes = (spec or {}).get("supported_destination_sync_modes")
        return [str(mode) for mode in modes] if isinstance(modes, list) else None


def _refuse_missing(configured: ConfiguredCatalog, scope: Scope) -> None:
    gone = sorted(map(shown, set(scope.streams or ()) - set(keys(configured))))
    if gone:
        raise InvalidCatalog(f"what is to be refreshed is not synced any more: {names_shown(gone)}")


def shown_choice(configured: ConfiguredCatalog, job: Job) -> tuple[str, ...]:
    """What will be done, a line a stream; a long choice is cut."""
    scope, routes = job.scope, routes_of(job.sync, configured)
    named = [each for each in configured.streams if scope.names(key_of(each.stream))]
    if scope.kind is JobKind.CLEAR:
        lines = [f"{shown(key_of(each.stream))}: cleared" for each in named]
    else:
        lines = [_chosen(each, scope, way) for each, way in zip(configured.streams, routes, strict=True)]
    more = len(lines) - MAX_CHOICES_SHOWN
    return tuple(lines[:MAX_CHOICES_SHOWN]) + ((f"and {more} more streams",) if more > 0 else ())


def _chosen(configured: ConfiguredStream, scope: Scope, route: Route) -> str:
    key = key_of(configured.stream)
    line = f"{shown(key)}: {configured.sync_mode}, {configured.destination_sync_mode}{_on_its_way(route)}"
    if not scope.names(key):
        return line
    return f"{line}; from the beginning, {'replacing' if scope.truncates else 'beside'} what the destination has"


def _on_its_way(route: Route) -> str:
    """What becomes of the stream before it arrives, if anything does."""
    told = [f"as {shown(route.destination)}"] if route.is_renamed else []
    if route.fields is not None:
        told.append(f"fields {names_shown(sorted(route.fields))}")
    if route.mappers:
        told.append(f"mappers {', '.join(each.name for each in route.mappers)}")
    return "".join(f"; {each}" for each in told)
