"""What a pasted catalog says that connectors are not told: the fields and mappers of its streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from airbyte_workers.models import StreamChoice
from airbyte_workers.protocol.catalog import InvalidCatalog, snake_case
from airbyte_workers.protocol.field_selection import schema_fields


def choices_in(pasted: Mapping[str, Any]) -> list[StreamChoice]:
    """What the streams of a configured catalog say of their fields and mappers, which connectors are not told.

    Raises InvalidCatalog.
    """
    entries = [entry for entry in pasted.get("streams") or () if isinstance(entry, dict)]
    return [_choice(entry["stream"], entry) for entry in entries if isinstance(entry.get("stream"), dict)]


def _choice(stream: Mapping[str, Any], entry: Mapping[str, Any]) -> StreamChoice:
    config = entry.get("config")
    said = snake_case(config) if isinstance(config, dict) else entry
    told: dict[str, Any] = {"name": stream.get("name"), "namespace": stream.get("namespace")}
    if isinstance(said.get("mappers"), list):
        told["mappers"] = said["mappers"]
    if isinstance(said.get("selected_fields"), list) and said.get("field_selection_enabled") is not False:
        told["fields"] = [_top_level(each) for each in said["selected_fields"]]
    elif said.get("field_selection_enabled") is True:
        told["fields"] = sorted(schema_fields(msgspec.json.encode(stream.get("json_schema", stream.get("jsonSchema")))))
    elif isinstance(said.get("fields"), list):
        told["fields"] = said["fields"]
    try:
        return StreamChoice.model_validate({name: value for name, value in told.items() if value not in (None, [])})
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InvalidCatalog(f"catalog: stream {stream.get('name')}: {places}") from None


def _top_level(selected: object) -> object:
    """A selected field as Airbyte's API writes it: `{"fieldPath": ["id"]}`."""
    if not isinstance(selected, Mapping):
        return selected
    path = selected.get("fieldPath", selected.get("field_path"))
    return path[0] if isinstance(path, list) and len(path) == 1 else path
