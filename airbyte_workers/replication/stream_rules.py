"""From what a connection's owner typed to the routes of its streams, and what its destination is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from airbyte_workers.mappers.catalogs import mapped
from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.models import StreamChoice, SyncInput
from airbyte_workers.protocol.catalog import refuse
from airbyte_workers.protocol.catalog_choices import choices_in
from airbyte_workers.protocol.field_selection import narrowed, selection_problems
from airbyte_workers.protocol.messages import ConfiguredCatalog, ConfiguredStream
from airbyte_workers.protocol.streams import StreamKey, key_of, shown, stream_key
from airbyte_workers.replication.routes import Naming, Route, collisions


def with_rules(catalog: ConfiguredCatalog, sync: SyncInput) -> ConfiguredCatalog:
    """The catalog with the chosen fields alone. Raises InvalidCatalog with all that is wrong with the rules.

    A mapper that cannot be applied is never left out, as upstream does: what it was to hide would leave in clear.
    """
    chosen = _choices(sync, catalog)
    refuse([problem for each in catalog.streams for problem in _selection_problems(each, chosen)])
    settled = msgspec.structs.replace(catalog, streams=[_narrowed(each, chosen) for each in catalog.streams])
    routes = routes_of(sync, settled)
    pairs = zip(settled.streams, routes, strict=True)
    problems = [problem for each, route in pairs for problem in _mapper_problems(each, route)]
    refuse([*problems, *collisions(routes)])
    return settled


def routes_of(sync: SyncInput, catalog: ConfiguredCatalog) -> tuple[Route, ...]:
    """The routes of a catalog's streams, in its order. Raises InvalidCatalog for pasted rules that are none."""
    naming = Naming(sync.namespace_definition, sync.namespace_format or "", sync.prefix)
    chosen = _choices(sync, catalog)
    return tuple(_route(key_of(each.stream), chosen.get(key_of(each.stream)), naming) for each in catalog.streams)


def for_destination(catalog: ConfiguredCatalog, routes: Sequence[Route]) -> ConfiguredCatalog:
    """The catalog under the destination's names, with the schemas that records have after their mappers.

    `routes` are those of its streams, in its order.
    Of a sync all mappers can be applied, else `with_rules` has refused it. A clear works with what was synced last,
    which a mapper may not fit that was changed since; no record goes by it.
    """
    pairs = zip(catalog.streams, routes, strict=True)
    return msgspec.structs.replace(catalog, streams=[_arriving(each, route) for each, route in pairs])


def _route(key: StreamKey, choice: StreamChoice | None, naming: Naming) -> Route:
    if choice is None:
        return Route(key, naming.destination(key))
    return Route(
        key,
        naming.destination(key),
        fields=frozenset(choice.fields) if choice.fields is not None else None,
        mappers=tuple(MapperSpec(each.name, each.config) for each in choice.mappers),
    )


def _choices(sync: SyncInput, catalog: ConfiguredCatalog) -> Mapping[StreamKey, StreamChoice]:
    """What was typed of each stream of the catalog; a choice without a namespace may mean the one of its name."""
    typed = choices_in(sync.catalog) if sync.catalog is not None else sync.streams or ()
    keys = {key_of(each.stream) for each in catalog.streams}
    return {key: choice for choice in typed for key in _meant(choice, keys)}


def _meant(choice: StreamChoice, keys: set[StreamKey]) -> Iterator[StreamKey]:
    exact = stream_key(choice.name, choice.namespace)
    if exact in keys:
        yield exact
    elif choice.namespace is None:
        yield from (key for key in keys if key[0] == choice.name)


def _selection_problems(configured: ConfiguredStream, chosen: Mapping[StreamKey, StreamChoice]) -> list[str]:
    key = key_of(configured.stream)
    choice = chosen.get(key)
    if choice is None or choice.fields is None:
        return []
    return selection_problems(shown(key), configured, choice.fields)


def _narrowed(configured: ConfiguredStream, chosen: Mapping[StreamKey, StreamChoice]) -> ConfiguredStream:
    choice = chosen.get(key_of(configured.stream))
    return configured if choice is None or choice.fields is None else narrowed(configured, choice.fields)


def _mapper_problems(configured: ConfiguredStream, route: Route) -> list[str]:
    _, problems = mapped(configured, route.mappers)
    return [f"stream {shown(route.source)}: {problem}" for problem in problems]


def _arriving(configured: ConfiguredStream, route: Route) -> ConfiguredStream:
    changed, _ = mapped(configured, route.mappers)
    name, namespace = route.destination
    stream = msgspec.structs.replace(changed.stream, name=name, namespace=namespace)
    return msgspec.structs.replace(changed, stream=stream)
