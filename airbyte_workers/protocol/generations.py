"""Generations of streams, pure: which begin anew, and what a destination is told of them (airbyte-behaviour.md 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from airbyte_workers.names import JobKind
from airbyte_workers.protocol.messages import ConfiguredCatalog, ConfiguredStream
from airbyte_workers.protocol.streams import StreamKey, key_of

_KEEPS = {"overwrite": "append", "overwrite_dedup": "append_dedup"}
"""The mode that writes the same way and removes nothing: what is removed is told by generations alone."""
_UNKNOWN_TO_SOURCES = frozenset({"update", "soft_delete"})


@dataclass(frozen=True)
class Scope:
    """What of a job decides about its streams: `streams` are those to clear or refresh, None: every one."""

    kind: JobKind
    streams: Collection[StreamKey] | None = None
    truncates: bool = False
    supports_refreshes: bool = False

    def names(self, key: StreamKey) -> bool:
        """Whether the job is about this stream, being a clear or a refresh."""
        return self.kind in (JobKind.CLEAR, JobKind.REFRESH) and (self.streams is None or key in self.streams)


def renewed(catalog: ConfiguredCatalog, scope: Scope, attempt: int) -> list[StreamKey]:
    """The streams that begin a new generation, and lose their state, with this attempt; `attempt` counts from 0."""
    return [key_of(each.stream) for each in catalog.streams if _is_renewed(each, scope, attempt)]


def _is_renewed(configured: ConfiguredStream, scope: Scope, attempt: int) -> bool:
    if attempt == 0 and scope.names(key_of(configured.stream)):
        return True
    if scope.kind is JobKind.CLEAR or configured.sync_mode != "full_refresh":
        return False
    resumes = bool(configured.stream.is_resumable) and scope.supports_refreshes
    return attempt == 0 or not resumes


def for_destination(
    catalog: ConfiguredCatalog, scope: Scope, generations: Mapping[StreamKey, int], sync_id: int
) -> ConfiguredCatalog:
    """The catalog as the destination gets it: `sync_id` is the job's number."""

    def told(configured: ConfiguredStream) -> ConfiguredStream:
        key = key_of(configured.stream)
        written = cleared(configured, named=scope.names(key)) if scope.kind is JobKind.CLEAR else configured
        generation = generations.get(key, 0)
        replaced = (scope.truncates and scope.names(key)) or _replaces(written)
        return msgspec.structs.replace(
            written,
            destination_sync_mode=_translated(written.destination_sync_mode, scope),
            generation_id=generation,
            minimum_generation_id=generation if replaced else 0,
            sync_id=sync_id,
        )

    return _each(catalog, told)


def for_source(catalog: ConfiguredCatalog) -> ConfiguredCatalog:
    """The catalog as the source gets it: without destination modes that sources have never heard of."""

    def told(configured: ConfiguredStream) -> ConfiguredStream:
        if configured.destination_sync_mode not in _UNKNOWN_TO_SOURCES:
            return configured
        return msgspec.structs.replace(configured, destination_sync_mode="append")

    return _each(catalog, told)


def cleared(configured: ConfiguredStream, *, named: bool) -> ConfiguredStream:
    """A stream in the catalog of a clear: replaced by nothing if it is named, else left as it is."""
    if named:
        return msgspec.structs.replace(configured, sync_mode="full_refresh", destination_sync_mode="overwrite")
    mode = configured.destination_sync_mode
    return msgspec.structs.replace(configured, destination_sync_mode=_KEEPS.get(mode, mode))


def _replaces(configured: ConfiguredStream) -> bool:
    return configured.sync_mode == "full_refresh" and configured.destination_sync_mode in _KEEPS


def _translated(mode: str, scope: Scope) -> str:
    return _KEEPS.get(mode, mode) if scope.supports_refreshes else mode


def _each(catalog: ConfiguredCatalog, told: Callable[[ConfiguredStream], ConfiguredStream]) -> ConfiguredCatalog:
    return msgspec.structs.replace(catalog, streams=[told(each) for each in catalog.streams])


def keys(catalog: ConfiguredCatalog) -> Sequence[StreamKey]:
    """Every stream of the catalog, in its order."""
    return [key_of(each.stream) for each in catalog.streams]
