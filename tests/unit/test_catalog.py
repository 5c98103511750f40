"""Catalogs as people paste them, and the choice of what to sync (decisions.md, "Connections and safety")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airbyte_workers.models import StreamChoice
from airbyte_workers.protocol.catalog import (
    InvalidCatalog,
    choose,
    read_catalog,
    read_configured,
    shown,
    stream_key,
)
from airbyte_workers.protocol.messages import Catalog, ConfiguredStream, serialise

ALL_MODES = ["append", "overwrite", "append_dedup"]


def stream(name: str = "users", **more: Any) -> dict[str, Any]:
    return {"name": name, "json_schema": {"properties": {}}, "supported_sync_modes": ["full_refresh"]} | more


def configured(name: str = "users", **more: Any) -> dict[str, Any]:
    return {"stream": stream(name), "sync_mode": "full_refresh", "destination_sync_mode": "append"} | more


def api_form(name: str = "users", **config: Any) -> dict[str, Any]:
    """A stream as Airbyte's API gives it."""
    return {
        "stream": {
            "name": name,
            "jsonSchema": {"properties": {"firstName": {"airbyteType": "x"}}},
            "supportedSyncModes": ["full_refresh", "incremental"],
            "sourceDefinedPrimaryKey": [["id"]],
            "defaultCursorField": [],
            "namespace": "public",
        },
        "config": {
            "syncMode": "incremental",
            "destinationSyncMode": "append_dedup",
            "cursorField": ["updatedAt"],
            "primaryKey": [["id"]],
            "aliasName": name,
            "selected": True,
            "suggested": False,
            "includeFiles": False,
        }
        | config,
    }


def discovered(*streams: dict[str, Any]) -> Catalog:
    return read_catalog(json.dumps({"streams": list(streams)}).encode())


# --- what people paste ---


def test_a_configured_catalog_in_the_connectors_form_is_read_whole() -> None:
    pasted = {
        "streams": [configured(cursor_field=["a"], primary_key=[["id"]], generation_id=3, x_new={"n": 1})],
        "x_top": True,
    }
    read = read_configured(pasted)
    assert json.loads(serialise(read)) == pasted


def test_a_configured_catalog_in_the_form_of_airbytes_api_is_read() -> None:
    (read,) = read_configured({"streams": [api_form()]}).streams
    assert (read.sync_mode, read.destination_sync_mode) == ("incremental", "append_dedup")
    assert (read.cursor_field, read.primary_key) == (["updatedAt"], [["id"]])
    assert (read.stream.name, read.stream.namespace) == ("users", "public")
    assert read.stream.supported_sync_modes == ["full_refresh", "incremental"]


def test_names_inside_a_schema_are_not_respelt() -> None:
    (read,) = read_configured({"streams": [api_form()]}).streams
    assert json.loads(bytes(read.stream.json_schema)) == {"properties": {"firstName": {"airbyteType": "x"}}}


def test_words_of_airbytes_user_interface_do_not_reach_the_connectors() -> None:
    sent = json.loads(serialise(read_configured({"streams": [api_form()]})))["streams"][0]
    assert not {"alias_name", "selected", "suggested", "config"} & set(sent)


def test_a_stream_that_is_not_selected_is_left_out() -> None:
    read = read_configured({"streams": [api_form("users"), api_form("orders", selected=False)]})
    assert [each.stream.name for each in read.streams] == ["users"]


def test_big_numbers_in_a_pasted_schema_keep_every_digit() -> None:
    huge = 2**70 + 1
    pasted = {"streams": [configured() | {"stream": stream(json_schema={"maximum": huge})}]}
    (read,) = read_configured(pasted).streams
    assert json.loads(bytes(read.stream.json_schema)) == {"maximum": huge}


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ({}, "`streams` must be a list"),
        ({"streams": {}}, "`streams` must be a list"),
        ({"streams": []}, "nothing to sync"),
        ({"streams": [api_form(selected=False)]}, "no stream is selected"),
        ({"streams": [stream()]}, "streams[0] has no `stream` object; this looks like a discovered catalog"),
        ({"streams": [{"name": "a", "jsonSchema": {}}]}, "this looks like a discovered catalog"),
        ({"streams": ["users"]}, "streams[0] has no `stream` object"),
        ({"streams": [configured(), {"stream": "users"}]}, "streams[1] has no `stream` object"),
        ({"streams": [configured(), configured()]}, "stream users is listed twice"),
        (
            {"streams": [configured(stream=stream(namespace="")), configured(stream=stream(namespace=None))]},
            "stream users is listed twice",
        ),
        ({"streams": [configured(sync_mode="sometimes")]}, "stream users: sync_mode must be one of full_refresh"),
        ({"streams": [configured(destination_sync_mode="")]}, "stream users: destination_sync_mode must be one of"),
        ({"streams": [{"stream": stream()}]}, "sync_mode"),
        ({"streams": [configured(stream={"name": "a"})]}, "`json_schema`"),
        ({"streams": [configured(generation_id="hunter2")]}, "$.streams[0].generation_id"),
        ({"streams": [api_form(cursorField="hunter2")]}, "$.streams[0].cursor_field"),
    ],
)
def test_a_catalog_that_cannot_be_synced_is_refused_with_the_place_and_without_a_value(
    pasted: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidCatalog) as caught:
        read_configured(pasted)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_same_name_in_two_namespaces_is_two_streams() -> None:
    read = read_configured(
        {"streams": [configured(stream=stream(namespace="a")), configured(stream=stream(namespace="b"))]}
    )
    assert [shown((each.stream.name, each.stream.namespace)) for each in read.streams] == ["a.users", "b.users"]


def test_a_discovered_catalog_that_is_none_is_refused_with_the_place() -> None:
    with pytest.raises(InvalidCatalog, match=r"catalog: .*json_schema.*streams"):
        read_catalog(b'{"streams":[{"name":"users"}]}')


def test_an_empty_namespace_is_no_namespace() -> None:
    assert stream_key("a", "") == stream_key("a", None) == ("a", None)


# --- the choice ---

FULL = {"supported_sync_modes": ["full_refresh"]}
BOTH = {"supported_sync_modes": ["full_refresh", "incremental"]}
CURSOR = BOTH | {"default_cursor_field": ["updated_at"]}
KEY = {"source_defined_primary_key": [["id"]]}


@pytest.mark.parametrize(
    ("source_says", "destination_lists", "sync_mode", "destination_mode"),
    [
        (FULL, ALL_MODES, "full_refresh", "overwrite"),
        (FULL, ["append"], "full_refresh", "append"),
        (FULL, None, "full_refresh", "append"),
        (FULL, [], "full_refresh", "append"),
        (FULL | KEY, ALL_MODES, "full_refresh", "append_dedup"),
        (FULL | KEY, ["append", "overwrite"], "full_refresh", "overwrite"),
        (CURSOR, ALL_MODES, "incremental", "append"),
        (CURSOR, ["overwrite"], "incremental", "append"),
        (CURSOR | KEY, ALL_MODES, "incremental", "append_dedup"),
        (CURSOR | KEY, ["append", "overwrite"], "incremental", "append"),
        (CURSOR | KEY, None, "incremental", "append"),
        (BOTH | {"source_defined_cursor": True}, ALL_MODES, "incremental", "append"),
        (BOTH, ALL_MODES, "full_refresh", "overwrite"),
        ({"supported_sync_modes": ["incremental"], "source_defined_cursor": True}, None, "incremental", "append"),
    ],
)
def test_without_a_choice_the_modes_follow_what_both_connectors_can(
    source_says: dict[str, Any], destination_lists: list[str] | None, sync_mode: str, destination_mode: str
) -> None:
    (chosen,) = choose(discovered(stream(**source_says)), None, destination_lists).streams
    assert (chosen.sync_mode, chosen.destination_sync_mode) == (sync_mode, destination_mode)


def one(choice: StreamChoice, **source_says: Any) -> ConfiguredStream:
    (chosen,) = choose(discovered(stream(**source_says)), [choice], ALL_MODES).streams
    return chosen


def test_what_was_chosen_wins() -> None:
    choice = StreamChoice(
        name="users",
        sync_mode="incremental",
        destination_sync_mode="overwrite",
        cursor_field=("mine",),
        primary_key=(("a",), ("b", "c")),
    )
    chosen = one(choice, **CURSOR, **KEY)
    assert (chosen.sync_mode, chosen.destination_sync_mode) == ("incremental", "overwrite")
    assert (chosen.cursor_field, chosen.primary_key) == (["mine"], [["a"], ["b", "c"]])


def test_a_chosen_cursor_is_what_incremental_needs() -> None:
    assert one(StreamChoice(name="users", cursor_field=("mine",)), **BOTH).sync_mode == "incremental"


def test_a_chosen_key_is_what_dedup_needs() -> None:
    assert one(StreamChoice(name="users", primary_key=(("id",),)), **CURSOR).destination_sync_mode == "append_dedup"


def test_cursor_and_key_of_the_source_are_taken_over() -> None:
    chosen = one(StreamChoice(name="users"), **CURSOR, **KEY)
    assert (chosen.cursor_field, chosen.primary_key) == (["updated_at"], [["id"]])


def test_a_chosen_stream_is_passed_on_as_the_source_described_it() -> None:
    catalog = discovered(stream(x_new={"n": 2**70}))
    (chosen,) = choose(catalog, None, None).streams
    assert json.loads(serialise(chosen))["stream"] == stream(x_new={"n": 2**70})


def test_without_a_choice_every_stream_is_synced_in_the_sources_order() -> None:
    catalog = discovered(stream("b"), stream("a"), stream("a", namespace="n"))
    assert [(each.stream.name, each.stream.namespace) for each in choose(catalog, None, None).streams] == [
        ("b", None),
        ("a", None),
        ("a", "n"),
    ]


def test_a_stream_in_one_namespace_is_found_by_its_name_alone() -> None:
    (chosen,) = choose(discovered(stream(namespace="public")), [StreamChoice(name="users")], None).streams
    assert chosen.stream.namespace == "public"


@pytest.mark.parametrize(
    ("streams", "choices", "words"),
    [
        ([], None, "the source has no streams"),
        ([stream()], [{"name": "user"}], "the source has no stream user; did you mean users?"),
        ([stream()], [{"name": "zzz"}], "the source has no stream zzz; it has users"),
        ([stream(namespace="public")], [{"name": "users", "namespace": "pubic"}], "did you mean public.users?"),
        (
            [stream(namespace="a"), stream(namespace="b")],
            [{"name": "users"}],
            "stream users is in several namespaces (a.users, b.users): say which with `namespace`",
        ),
        ([stream()], [{"name": "users"}, {"name": "users"}], "stream users is listed twice"),
        (
            [stream(namespace="a")],
            [{"name": "users"}, {"name": "users", "namespace": "a"}],
            "stream a.users is listed twice",
        ),
        (
            [stream()],
            [{"name": "users", "sync_mode": "incremental"}],
            "stream users cannot be read as incremental; the source lists full_refresh",
        ),
        (
            [stream(**BOTH)],
            [{"name": "users", "sync_mode": "incremental"}],
            "stream users: incremental needs a cursor_field; the source defines none",
        ),
        (
            [stream()],
            [{"name": "users", "destination_sync_mode": "append_dedup"}],
            "stream users: append_dedup needs a primary_key; the source defines none",
        ),
        (
            [stream()],
            [{"name": "users", "destination_sync_mode": "overwrite_dedup"}],
            "overwrite_dedup needs a primary_key",
        ),
    ],
)
def test_a_choice_that_cannot_be_synced_is_refused_with_a_way_out(
    streams: list[dict[str, Any]], choices: list[dict[str, Any]] | None, words: str
) -> None:
    given = None if choices is None else [StreamChoice(**each) for each in choices]
    with pytest.raises(InvalidCatalog) as caught:
        choose(discovered(*streams), given, ALL_MODES)
    assert words in str(caught.value)
