"""Catalogs: read what people paste, choose what to sync, check one against the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from airbyte_workers.protocol.schema_sentences import close_to
from airbyte_workers.protocol.stream_checks import destination_problems, names_shown, source_problems
from airbyte_workers.protocol.streams import StreamKey, key_of, shown, stream_key

SYNC_MODES = ("full_refresh", "incremental")
DESTINATION_SYNC_MODES = ("append", "overwrite", "append_dedup", "overwrite_dedup", "update", "soft_delete")
MAX_PROBLEMS = 10
M = TypeVar("M", bound=Message)
_OURS = ("fields", "mappers")
_NOT_FOR_CONNECTORS = (
    *("selected", "aliasName", "suggested"),
    *("fieldSelectionEnabled", "selectedFields", "hashedFields", *_OURS),
)
_SCHEMAS = frozenset({"json_schema", "jsonSchema"})


class InvalidCatalog(Exception):
    """A catalog, or a choice of streams, that cannot be synced; the message says which stream and what to do."""


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
        _check_modes(configured)
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
        return {name: value for name, value in entry.items() if name not in _OURS}
    if config.get("selected") is False:
        return None
    rest = {name: value for name, value in entry.items() if name not in ("stream", "config")}
    return rest | {"stream": snake_case(entry["stream"])} | snake_case(config, drop=_NOT_FOR_CONNECTORS)


def snake_case(members: Mapping[str, Any], drop: Sequence[str] = ()) -> dict[str, Any]:
    """The members under the names that connectors use, `drop` (as they came) left out."""
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value
        for name, value in members.items()
        if name not in drop
    }


def _check_modes(configured: ConfiguredStream) -> None:
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


# --- checking ---


def check_choices(choices: Sequence[StreamChoice]) -> None:
    """Refuse a choice that no source could satisfy. Raises InvalidCatalog."""
    _refuse_duplicates([stream_key(choice.name, choice.namespace) for choice in choices])


def check_configured(
    configured: ConfiguredCatalog, discovered: Catalog, destination_modes: Sequence[str] | None = None
) -> None:
    """Compare with what the source has and the destination lists. Raises InvalidCatalog with all that is wrong."""
    found = {key_of(stream): stream for stream in discovered.streams}
    problems: list[str] = []
    for each in configured.streams:
        stream, key = found.get(key_of(each.stream)), key_of(each.stream)
        problems += [_no_stream(found, key)] if stream is None else source_problems(shown(key), each, stream)
        problems += _mode_problems(each, destination_modes)
    refuse(problems)


def completed(configured: ConfiguredCatalog, discovered: Catalog) -> ConfiguredCatalog:
    """The same with the source's own cursors and keys where none was given; call it once `check_configured` passed."""
    found = {key_of(stream): stream for stream in discovered.streams}
    return msgspec.structs.replace(
        configured, streams=[_completed(each, found[key_of(each.stream)]) for each in configured.streams]
    )


def _completed(configured: ConfiguredStream, stream: Stream) -> ConfiguredStream:
    return msgspec.structs.replace(
        configured,
        cursor_field=configured.cursor_field or stream.default_cursor_field,
        primary_key=configured.primary_key or stream.source_defined_primary_key,
    )


def check_destination_modes(configured: ConfiguredCatalog, listed: Sequence[str] | None) -> None:
    """As `check_configured`, where only the destination said what it can."""
    refuse([problem for each in configured.streams for problem in _mode_problems(each, listed)])


def _mode_problems(configured: ConfiguredStream, listed: Sequence[str] | None) -> list[str]:
    return destination_problems(shown(key_of(configured.stream)), configured.destination_sync_mode, listed)


def _no_stream(found: Collection[StreamKey], key: StreamKey) -> str:
    wanted, names = shown(key), sorted(map(shown, found))
    elsewhere = sorted(shown(each) for each in found if each[0] == key[0])
    if elsewhere:
        hint = f"; did you mean {' or '.join(elsewhere[:MAX_PROBLEMS])}? (the namespace differs)"
    else:
        hint = close_to(wanted, names) or f"; it has {names_shown(names) or 'none'}"
    return f"the source has no stream {wanted}{hint}"


def refuse(problems: Sequence[str]) -> None:
    """Raises InvalidCatalog with the problems, if there are any."""
    more = len(problems) - MAX_PROBLEMS
    if problems:
        raise InvalidCatalog("; ".join([*problems[:MAX_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]))


# --- choosing ---


def choose(
    discovered: Catalog, choices: Sequence[StreamChoice] | None, destination_modes: Sequence[str] | None
) -> ConfiguredCatalog:
    """What to sync of a discovered catalog (decisions.md, "Connections and safety").

    Without choices: every stream. `destination_modes` are those the destination lists; None: it does not say.
    Raises InvalidCatalog with all that is wrong.
    """
    found = {key_of(stream): stream for stream in discovered.streams}
    if choices is None:
        choices = [StreamChoice(name=name, namespace=namespace) for name, namespace in found]
    if not choices:
        raise InvalidCatalog("the source has no streams, there is nothing to sync")
    check_choices(choices)
    settled = [_settle(found, choice, destination_modes) for choice in choices]
    refuse([problem for _, problems in settled for problem in problems])
    configured = [each for each, _ in settled if each is not None]
    _refuse_duplicates([key_of(each.stream) for each in configured])
    return ConfiguredCatalog(streams=configured)


def _settle(
    found: Mapping[StreamKey, Stream], choice: StreamChoice, destination_modes: Sequence[str] | None
) -> tuple[ConfiguredStream | None, list[str]]:
    """A choice with all that it left open, and what is wrong with it."""
    stream = _find(found, choice)
    if isinstance(stream, str):
        return None, [stream]
    configured = _configure(stream, choice, destination_modes)
    problems = source_problems(shown(key_of(stream)), configured, stream)
    if choice.destination_sync_mode is not None:  # our own choice falls back on append, whatever is listed
        problems += _mode_problems(configured, destination_modes)
    return configured, problems


def _find(found: Mapping[StreamKey, Stream], choice: StreamChoice) -> Stream | str:
    """The stream that was chosen, or why there is none."""
    exact = found.get(stream_key(choice.name, choice.namespace))
    if exact is not None:
        return exact
    same_name = [key for key in found if key[0] == choice.name]
    if choice.namespace is not None or not same_name:
        return _no_stream(found, stream_key(choice.name, choice.namespace))
    if len(same_name) == 1:
        return found[same_name[0]]
    places = ", ".join(sorted(shown(key) for key in same_name))
    return f"stream {choice.name} is in several namespaces ({places}): say which with `namespace`"


def _configure(stream: Stream, choice: StreamChoice, destination_modes: Sequence[str] | None) -> ConfiguredStream:
    sync_mode = choice.sync_mode or _sync_mode(stream, choice)
    primary_key = [list(field) for field in choice.primary_key or () if field] or stream.source_defined_primary_key
    mode = choice.destination_sync_mode or _destination_mode(sync_mode, bool(primary_key), destination_modes)
    return ConfiguredStream(
        stream=stream,
        sync_mode=sync_mode,
        destination_sync_mode=mode,
        cursor_field=list(choice.cursor_field or ()) or stream.default_cursor_field,
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
