"""Catalogs: read what people paste, choose what to sync, check one against the other."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from airbyte_workers.models import StreamChoice
from airbyte_workers.protocol.messages import (
    Catalog,
    ConfiguredCatalog,
    ConfiguredStream,
    Message,
    Stream,
    parse,
)

StreamKey = tuple[str, str | None]
SYNC_MODES = ("full_refresh", "incremental")
DESTINATION_SYNC_MODES = ("append", "overwrite", "append_dedup", "overwrite_dedup", "update", "soft_delete")
M = TypeVar("M", bound=Message)
_SCHEMAS = frozenset({"json_schema", "jsonSchema"})


class InvalidCatalog(Exception):
    """A catalog, or a choice of streams, that cannot be synced; the message says which stream and what to do."""


def stream_key(name: str, namespace: str | None) -> StreamKey:
    """The identity of a stream; an empty namespace is no namespace."""
    return name, namespace or None


def key_of(stream: Stream) -> StreamKey:
    return stream_key(stream.name, stream.namespace)


def shown(key: StreamKey) -> str:
    """A stream as people read it: `namespace.name`, or just its name."""
    name, namespace = key
    return f"{namespace}.{name}" if namespace else name


# --- reading ---


def read_catalog(raw: bytes) -> Catalog:
    """A discovered catalog. Raises InvalidCatalog."""
    return _read(Catalog, raw, "catalog")


def read_configured(pasted: Mapping[str, Any]) -> ConfiguredCatalog:
    """A configured catalog as Airbyte's users have it: in the connectors' form, or in that of Airbyte's API.

    Raises InvalidCatalog, naming the stream and the field.
    """
    streams = pasted.get("streams")
    if not isinstance(streams, list):
        raise InvalidCatalog("catalog: `streams` must be a list of configured streams")
    if not streams:
        raise InvalidCatalog("catalog: `streams` is empty, there is nothing to sync")
    entries = [_connector_form(entry, position) for position, entry in enumerate(streams)]
    kept = [entry for entry in entries if entry is not None]
    if not kept:
        raise InvalidCatalog("catalog: no stream is selected, there is nothing to sync")
    catalog = _read(ConfiguredCatalog, msgspec.json.encode({**pasted, "streams": kept}), "catalog")
    for configured in catalog.streams:
        _check_configured(configured)
    _refuse_duplicates([key_of(configured.stream) for configured in catalog.streams])
    return catalog


def _read(kind: type[M], raw: bytes, what: str) -> M:
    try:
        return parse(kind, raw)
    except msgspec.DecodeError as error:  # ValidationError is one too; its text names the path, never the value
        raise InvalidCatalog(f"{what}: {error}") from None


def _connector_form(entry: object, position: int) -> dict[str, Any] | None:
    """One stream in the connectors' form; None for one that was not selected in Airbyte's UI."""
    if not isinstance(entry, dict) or not isinstance(entry.get("stream"), dict):
        hint = "; this looks like a discovered catalog: name its streams under `streams` instead"
        raise InvalidCatalog(
            f"catalog: streams[{position}] has no `stream` object"
            + (hint if isinstance(entry, dict) and not _SCHEMAS.isdisjoint(entry) else "")
        )
    config = entry.get("config")
    if not isinstance(config, dict):
        return entry
    if config.get("selected") is False:
        return None
    rest = {name: value for name, value in entry.items() if name not in ("stream", "config")}
    return rest | {"stream": _snake(entry["stream"])} | _snake(config, drop=("selected", "aliasName", "suggested"))


def _snake(members: Mapping[str, Any], drop: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value
        for name, value in members.items()
        if name not in drop
    }


def _check_configured(configured: ConfiguredStream) -> None:
    name = shown(key_of(configured.stream))
    if configured.sync_mode not in SYNC_MODES:
        raise InvalidCatalog(f"stream {name}: sync_mode must be one of {', '.join(SYNC_MODES)}")
    if configured.destination_sync_mode not in DESTINATION_SYNC_MODES:
        raise InvalidCatalog(f"stream {name}: destination_sync_mode must be one of {', '.join(DESTINATION_SYNC_MODES)}")


def _refuse_duplicates(keys: Sequence[StreamKey]) -> None:
    seen: set[StreamKey] = set()
    for key in keys:
        if key in seen:
            raise InvalidCatalog(f"stream {shown(key)} is listed twice")
        seen.add(key)


# --- choosing ---


def choose(
    discovered: Catalog, choices: Sequence[StreamChoice] | None, destination_modes: Sequence[str] | None
) -> ConfiguredCatalog:
    """What to sync of a discovered catalog (decisions.md, "Connections and safety"). Raises InvalidCatalog.

    Without choices: every stream. `destination_modes` are those the destination lists; None: it does not say.
    """
    found = {key_of(stream): stream for stream in discovered.streams}
    if choices is None:
        choices = [StreamChoice(name=name, namespace=namespace) for name, namespace in found]
    if not choices:
        raise InvalidCatalog("the source has no streams, there is nothing to sync")
    _refuse_duplicates([stream_key(choice.name, choice.namespace) for choice in choices])
    configured = [_configure(_find(found, choice), choice, destination_modes) for choice in choices]
    _refuse_duplicates([key_of(each.stream) for each in configured])
    return ConfiguredCatalog(streams=configured)


def _find(found: Mapping[StreamKey, Stream], choice: StreamChoice) -> Stream:
    exact = found.get(stream_key(choice.name, choice.namespace))
    if exact is not None:
        return exact
    same_name = [key for key in found if key[0] == choice.name]
    if choice.namespace is None and len(same_name) == 1:
        return found[same_name[0]]
    if choice.namespace is None and len(same_name) > 1:
        places = ", ".join(sorted(shown(key) for key in same_name))
        raise InvalidCatalog(f"stream {choice.name} is in several namespaces ({places}): say which with `namespace`")
    wanted = shown(stream_key(choice.name, choice.namespace))
    names = sorted(shown(key) for key in found)
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(names[:10]) or 'none'}"
    raise InvalidCatalog(f"the source has no stream {wanted}; {hint}")


def _configure(stream: Stream, choice: StreamChoice, destination_modes: Sequence[str] | None) -> ConfiguredStream:
    name = shown(key_of(stream))
    sync_mode = choice.sync_mode or _sync_mode(stream, choice)
    if sync_mode not in stream.supported_sync_modes:
        raise InvalidCatalog(
            f"stream {name} cannot be read as {sync_mode}; the source lists {', '.join(stream.supported_sync_modes)}"
        )
    primary_key = list(map(list, choice.primary_key or ())) or stream.source_defined_primary_key
    mode = choice.destination_sync_mode or _destination_mode(sync_mode, bool(primary_key), destination_modes)
    if mode.endswith("_dedup") and not primary_key:
        raise InvalidCatalog(f"stream {name}: {mode} needs a primary_key; the source defines none")
    return ConfiguredStream(
        stream=stream,
        sync_mode=sync_mode,
        destination_sync_mode=mode,
        cursor_field=_cursor(stream, choice, sync_mode),
        primary_key=primary_key,
    )


def _sync_mode(stream: Stream, choice: StreamChoice) -> str:
    """Incremental if the source can: if it lists the mode, and a cursor is known to it or was chosen."""
    modes = stream.supported_sync_modes
    has_cursor = stream.source_defined_cursor or stream.default_cursor_field or choice.cursor_field
    if "incremental" in modes and (has_cursor or "full_refresh" not in modes):
        return "incremental"
    return "full_refresh"


def _destination_mode(sync_mode: str, has_key: bool, listed: Sequence[str] | None) -> str:
    listed = listed or ()
    if has_key and "append_dedup" in listed:
        return "append_dedup"
    if sync_mode == "full_refresh" and "overwrite" in listed:
        return "overwrite"
    return "append"


def _cursor(stream: Stream, choice: StreamChoice, sync_mode: str) -> list[str] | None:
    cursor: list[str] | None = list(choice.cursor_field or ()) or stream.default_cursor_field
    if sync_mode == "incremental" and not cursor and not stream.source_defined_cursor:
        raise InvalidCatalog(
            f"stream {shown(key_of(stream))}: incremental needs a cursor_field; the source defines none"
        )
    return cursor
