"""What people choose of a stream's fields, changes and names, settled with the catalog (I1, I2, O22)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from airbyte_workers.models import SyncInput
from airbyte_workers.protocol.catalog import InvalidCatalog, read_configured
from airbyte_workers.protocol.catalog_choices import choices_in
from airbyte_workers.protocol.field_selection import schema_fields
from airbyte_workers.protocol.messages import ConfiguredCatalog, ConfiguredStream, Stream
from airbyte_workers.replication.stream_rules import for_destination, routes_of, with_rules

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "email": {"type": ["null", "string"]}, "at": {"type": "string"}},
    "required": ["id", "email"],
}
HASHED = {"name": "hashing", "config": {"targetField": "email", "method": "SHA-256"}}


def stream(name: str = "users", namespace: str | None = None, **more: Any) -> ConfiguredStream:
    return ConfiguredStream(
        stream=Stream(name=name, namespace=namespace, json_schema=Raw(msgspec.json.encode(SCHEMA))),
        sync_mode="incremental",
        destination_sync_mode="append_dedup",
        cursor_field=["at"],
        primary_key=[["id"]],
        **more,
    )


def sync(*streams: dict[str, Any], **more: Any) -> SyncInput:
    return SyncInput.model_validate({"connection": "c", "streams": list(streams) or None} | more)


def catalog(*streams: ConfiguredStream) -> ConfiguredCatalog:
    return ConfiguredCatalog(streams=list(streams or (stream(),)))


def schema_of(configured: ConfiguredStream) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(bytes(configured.stream.json_schema))
    return schema


def refused(asked: SyncInput, *streams: ConfiguredStream) -> str:
    with pytest.raises(InvalidCatalog) as problem:
        with_rules(catalog(*streams), asked)
    return str(problem.value)


def test_i1_the_source_is_asked_for_the_selected_fields_alone() -> None:
    settled = with_rules(catalog(), sync({"name": "users", "fields": ["id", "at"]}))
    assert list(schema_of(settled.streams[0])["properties"]) == ["id", "at"]
    assert schema_of(settled.streams[0])["required"] == ["id"]
    (route,) = routes_of(sync({"name": "users", "fields": ["id", "at"]}), settled)
    assert route.fields == {"id", "at"}


def test_i2_names_that_json_schema_takes_for_itself_stand_for_fields() -> None:
    raw = msgspec.json.encode({"properties": {"$id": {}, "$comment": {}, "$schema": {}, "$other": {}, "key": {}}})
    assert schema_fields(raw) == {"id", "comment", "schema", "$other", "key"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (["id", "at", "emial"], "stream users has no field emial; did you mean email?"),
        (["id", "email"], "at is its cursor and must be among `fields`"),
        (["at"], "id is its primary key and must be among `fields`"),
    ],
)
def test_a_choice_of_fields_that_cannot_work_is_refused(fields: list[str], told: str) -> None:
    assert told in refused(sync({"name": "users", "fields": fields}))


def test_the_destination_is_told_what_arrives() -> None:
    asked = sync({"name": "users", "mappers": [HASHED]}, prefix="p_", namespace_definition="destination")
    settled = with_rules(catalog(stream(namespace="x")), asked)
    assert "email" in schema_of(settled.streams[0])["properties"]
    (arriving,) = for_destination(settled, routes_of(asked, settled)).streams
    assert (arriving.stream.name, arriving.stream.namespace) == ("p_users", None)
    assert list(schema_of(arriving)["properties"]) == ["id", "email_hashed", "at"]
    assert arriving.primary_key == [["id"]]


@pytest.mark.parametrize(
    ("mapper", "told"),
    [
        ({"name": "scrambling", "config": {}}, "scrambling"),
        ({"name": "hashing", "config": {"targetField": "emial", "method": "MD5"}}, "no field emial"),
        ({"name": "hashing", "config": {"targetField": "email", "method": "MD6"}}, "Mapper Config not valid"),
    ],
)
def test_o22_a_mapper_that_cannot_be_applied_refuses_the_sync(mapper: dict[str, Any], told: str) -> None:
    problem = refused(sync({"name": "users", "mappers": [mapper]}))
    assert problem.startswith("stream users: mapper 1 (")
    assert told in problem


def test_a_mapper_sees_the_selected_fields_alone() -> None:
    assert "no field email" in refused(sync({"name": "users", "fields": ["id", "at"], "mappers": [HASHED]}))


def test_streams_that_become_one_are_refused() -> None:
    told = refused(sync(namespace_definition="destination"), stream(namespace="x"), stream(namespace="y"))
    assert "streams x.users and y.users both become users" in told


def test_a_choice_without_a_namespace_means_the_one_stream_of_its_name() -> None:
    asked = sync({"name": "users", "mappers": [HASHED]})
    assert [len(route.mappers) for route in routes_of(asked, catalog(stream(namespace="x"), stream("orders")))] == [
        1,
        0,
    ]


API_FORM = {
    "streams": [
        {
            "stream": {"name": "users", "jsonSchema": SCHEMA},
            "config": {
                "syncMode": "full_refresh",
                "destinationSyncMode": "append",
                "selected": True,
                "fieldSelectionEnabled": True,
                "selectedFields": [{"fieldPath": ["id"]}, {"fieldPath": ["email"]}],
                "hashedFields": [],
                "mappers": [{"id": "1", "type": "hashing", "mapperConfiguration": HASHED["config"]}],
            },
        }
    ]
}


def test_a_pasted_catalog_of_airbytes_api_brings_its_fields_and_mappers() -> None:
    asked = SyncInput.model_validate({"connection": "c", "catalog": API_FORM})
    settled = with_rules(read_configured(API_FORM), asked)
    (route,) = routes_of(asked, settled)
    assert route.fields == {"id", "email"}
    assert [(each.name, dict(each.config)) for each in route.mappers] == [("hashing", HASHED["config"])]
    assert settled.streams[0].unknown_fields == {}


def test_a_pasted_catalog_in_the_connectors_form_brings_them_beside_the_stream() -> None:
    entry = {"stream": {"name": "users", "json_schema": SCHEMA}, "sync_mode": "full_refresh"}
    pasted = {"streams": [entry | {"destination_sync_mode": "append", "fields": ["id"], "mappers": [HASHED]}]}
    (choice,) = choices_in(pasted)
    assert (choice.fields, [each.name for each in choice.mappers]) == (("id",), ["hashing"])
    assert read_configured(pasted).streams[0].unknown_fields == {}


def test_all_fields_of_the_schema_are_meant_where_a_pasted_catalog_only_says_that_there_is_a_selection() -> None:
    entry = {"stream": {"name": "users", "jsonSchema": SCHEMA}, "config": {"fieldSelectionEnabled": True}}
    assert choices_in({"streams": [entry]})[0].fields == ("at", "email", "id")


def test_a_pasted_mapper_that_is_none_is_named_with_its_place() -> None:
    entry = {"stream": {"name": "users", "jsonSchema": SCHEMA}, "config": {"mappers": [{"x": 1}]}}
    with pytest.raises(InvalidCatalog, match=r"catalog: stream users: mappers\.0\.name"):
        choices_in({"streams": [entry]})
