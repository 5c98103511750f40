"""Catalogs as people paste them, and the choice of what to sync (decisions.md, "Connections and safety")."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.models import StreamChoice
from airbyte_workers.protocol.catalog import (
    InvalidCatalog,
    check_configured,
    check_destination_modes,
    choose,
    read_catalog,
    read_configured,
)
from airbyte_workers.protocol.messages import Catalog, ConfiguredStream, serialise
from airbyte_workers.protocol.streams import shown, stream_key

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

SCHEMA = {
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "id": {"type": "integer"},
        "updated_at": {"type": "string"},
        "address": {"type": ["null", "object"], "properties": {"city": {"type": "string"}}},
        "any": {},
    },
}
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
        (
            [stream(**BOTH, json_schema=SCHEMA)],
            [{"name": "users", "cursor_field": ["updated"]}],
            "stream users: cursor_field updated is not in its schema; did you mean updated_at?",
        ),
        (
            [stream(json_schema=SCHEMA)],
            [{"name": "users", "destination_sync_mode": "append_dedup", "primary_key": [["id"], ["zzz"]]}],
            "stream users: primary_key zzz is not in its schema; it has id, updated_at, address, any",
        ),
        (
            [stream()],
            [{"name": "users", "destination_sync_mode": "update"}],
            "stream users cannot be written as update; the destination lists append, overwrite, append_dedup",
        ),
        (
            [stream(), stream("b", namespace="n")],
            [{"name": "users", "sync_mode": "incremental"}, {"name": "zzz"}, {"name": "b", "namespace": "m"}],
            "the source lists full_refresh; the source has no stream zzz; it has n.b, users; "
            "the source has no stream m.b; did you mean n.b? (the namespace differs)",
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


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
def test_modes_that_nobody_chose_need_not_be_listed(sync_mode: str) -> None:
    """A destination that lists no mode for this still gets `append`, which every destination can."""
    (chosen,) = choose(
        discovered(stream(**CURSOR)), [StreamChoice(name="users", sync_mode=sync_mode)], ["update"]
    ).streams
    assert chosen.destination_sync_mode == "append"


# --- a pasted catalog against what the connectors say ---


def refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except InvalidCatalog as error:
        return str(error)
    return ""


def problems(pasted: dict[str, Any], *streams: dict[str, Any]) -> str:
    """What is said of a pasted catalog with one stream; nothing if it is right."""
    catalog = read_configured({"streams": [configured(**pasted)]})
    return refusal(lambda: check_configured(catalog, discovered(*streams)))


INCREMENTAL = {"sync_mode": "incremental"}
DEDUP = {"destination_sync_mode": "append_dedup"}


@pytest.mark.parametrize(
    ("pasted", "source_says"),
    [
        ({}, {}),
        ({"stream": stream(namespace="")}, {"namespace": None}),
        ({"stream": stream(namespace=None)}, {"namespace": ""}),
        ({}, {"supported_sync_modes": []}),
        (INCREMENTAL | {"cursor_field": ["updated_at"]}, BOTH),
        (INCREMENTAL | {"cursor_field": ["address", "city"]}, BOTH),
        (INCREMENTAL, CURSOR),
        (INCREMENTAL, BOTH | {"source_defined_cursor": True}),
        (INCREMENTAL | {"cursor_field": ["zzz"]}, BOTH | {"source_defined_cursor": True}),
        (INCREMENTAL | {"cursor_field": ["zzz"]}, BOTH | {"default_cursor_field": ["zzz"]}),
        ({"cursor_field": ["zzz"], "primary_key": [["zzz"]]}, {}),
        (DEDUP | {"primary_key": [["id"], ["address", "city"]]}, {}),
        (DEDUP, KEY),
        (DEDUP | {"primary_key": [["zzz"]]}, {"source_defined_primary_key": [["zzz"]]}),
    ],
)
def test_a_pasted_catalog_that_the_source_can_read_is_right(
    pasted: dict[str, Any], source_says: dict[str, Any]
) -> None:
    assert problems(pasted, stream(json_schema=SCHEMA) | source_says) == ""


@pytest.mark.parametrize(
    ("pasted", "source_says", "words"),
    [
        ({}, {"name": "user"}, "the source has no stream users; did you mean user?"),
        ({}, {"name": "zzz"}, "the source has no stream users; it has zzz"),
        (
            {},
            {"namespace": "public"},
            "the source has no stream users; did you mean public.users? (the namespace differs)",
        ),
        (
            {"stream": stream(namespace="public")},
            {},
            "the source has no stream public.users; did you mean users? (the namespace differs)",
        ),
        (INCREMENTAL, FULL, "stream users cannot be read as incremental; the source lists full_refresh"),
        (INCREMENTAL, {"supported_sync_modes": []}, "cannot be read as incremental; the source lists full_refresh"),
        ({}, {"supported_sync_modes": ["incremental"]}, "cannot be read as full_refresh; the source lists incremental"),
        (INCREMENTAL, BOTH, "stream users: incremental needs a cursor_field; the source defines none"),
        (INCREMENTAL | {"cursor_field": []}, BOTH, "incremental needs a cursor_field"),
        (
            INCREMENTAL | {"cursor_field": ["updated"]},
            CURSOR,
            "stream users: cursor_field updated is not in its schema; did you mean updated_at?",
        ),
        (
            INCREMENTAL | {"cursor_field": ["address", "town"]},
            BOTH,
            "stream users: cursor_field address.town is not in its schema; it has city",
        ),
        (DEDUP, {}, "stream users: append_dedup needs a primary_key; the source defines none"),
        (DEDUP | {"primary_key": [[]]}, {}, "append_dedup needs a primary_key"),
        (
            DEDUP | {"primary_key": [["ident"], ["id"]]},
            KEY,
            "stream users: primary_key ident is not in its schema; it has id, updated_at, address, any",
        ),
        (
            DEDUP | {"primary_key": [["id"]], "cursor_field": ["zzz"]},
            {},
            "stream users: cursor_field zzz is not in its schema",
        ),
    ],
)
def test_a_pasted_catalog_that_the_source_cannot_read_is_refused_with_a_way_out(
    pasted: dict[str, Any], source_says: dict[str, Any], words: str
) -> None:
    assert words in problems(pasted, stream(json_schema=SCHEMA) | source_says)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "object"},
        {"properties": {}},
        {"properties": []},
        {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
        {"properties": {"a": {}}, "patternProperties": {"^z": {}}},
        {"properties": {"a": {}}, "$ref": "#/definitions/x"},
        *({"properties": {"a": {}}, word: [{"properties": {"zzz": {}}}]} for word in ("oneOf", "anyOf", "allOf")),
        {"properties": {"zzz": {"type": "string"}}},
        {"properties": {"zzz": {"properties": {}}}},
        {"properties": {"zzz": {"oneOf": [{"type": "null"}, {"properties": {"b": {}}}]}}},
    ],
)
def test_a_schema_that_does_not_say_which_fields_there_are_says_nothing_against_one(schema: Any) -> None:
    pasted = INCREMENTAL | {"cursor_field": ["zzz", "b"]}
    assert problems(pasted, stream(json_schema=schema) | BOTH) == ""


def test_a_stream_is_checked_by_what_the_source_says_and_not_by_what_was_pasted() -> None:
    pasted = {"stream": stream(json_schema={"properties": {"old": {}}}, **CURSOR, **KEY)} | INCREMENTAL | DEDUP
    assert problems(pasted, stream()).startswith("stream users cannot be read as incremental")
    assert problems(
        pasted | {"cursor_field": ["old"], "primary_key": [["old"]]}, stream(json_schema=SCHEMA) | BOTH
    ) == (
        "stream users: cursor_field old is not in its schema; it has id, updated_at, address, any; "
        "stream users: primary_key old is not in its schema; it has id, updated_at, address, any"
    )


def test_all_that_is_wrong_with_a_catalog_is_told_at_once_up_to_ten() -> None:
    pasted = read_configured({"streams": [configured(f"s{n}") for n in range(13)]})
    with pytest.raises(InvalidCatalog) as caught:
        check_configured(pasted, discovered(stream("other")))
    lines = str(caught.value).split("; the source")
    assert lines[:2] == ["the source has no stream s0; it has other", " has no stream s1; it has other"]
    assert (len(lines), lines[-1]) == (10, " has no stream s9; it has other; and 3 more")


def test_what_is_wrong_with_either_connector_is_told_at_once() -> None:
    pasted = read_configured({"streams": [configured("userz"), configured(destination_sync_mode="overwrite")]})
    assert refusal(lambda: check_configured(pasted, discovered(stream()), ["append"])) == (
        "the source has no stream userz; did you mean users?; "
        "stream users cannot be written as overwrite; the destination lists append"
    )


def test_many_names_are_cut() -> None:
    many = [stream(f"stream_number_{n}") for n in range(30)]
    assert problems({"stream": stream("zzz")}, *many).endswith("stream_number_17, ...")


MODES_LISTED = [
    ("append", ["append"], True),
    ("append", [], True),
    ("update", None, True),
    ("append_dedup", ["append", "overwrite"], False),
    ("overwrite_dedup", ["overwrite", "append_dedup"], True),
    ("overwrite_dedup", ["overwrite"], False),
    ("overwrite_dedup", ["append_dedup"], False),
    ("overwrite_dedup", ["overwrite_dedup"], True),
    ("soft_delete", ["append", "soft_delete"], True),
]


@pytest.mark.parametrize(("mode", "listed", "right"), MODES_LISTED)
def test_a_destination_writes_in_the_modes_it_lists(mode: str, listed: list[str] | None, right: bool) -> None:
    catalog = read_configured({"streams": [configured(destination_sync_mode=mode)]})
    if right:
        check_destination_modes(catalog, listed)
        return
    with pytest.raises(InvalidCatalog) as caught:
        check_destination_modes(catalog, listed)
    assert str(caught.value) == (
        f"stream users cannot be written as {mode}; the destination lists {', '.join(listed or ())}"
    )


@pytest.mark.parametrize(("mode", "listed", "right"), MODES_LISTED)
def test_a_mode_that_was_chosen_is_held_against_the_same_list(mode: Any, listed: list[str] | None, right: bool) -> None:
    choice = StreamChoice(name="users", destination_sync_mode=mode)
    if right:
        assert choose(discovered(stream(**KEY)), [choice], listed).streams[0].destination_sync_mode == mode
        return
    with pytest.raises(InvalidCatalog, match=f"stream users cannot be written as {mode}"):
        choose(discovered(stream(**KEY)), [choice], listed)


FIELD_NAMES = st.sampled_from(["id", "Id", "zzz", "city", "address", "updated_at", ""])


@given(st.lists(st.lists(FIELD_NAMES, max_size=3), max_size=3), st.lists(FIELD_NAMES, max_size=3))
def test_a_choice_is_refused_exactly_if_the_same_catalog_would_be(key: list[list[str]], cursor: list[str]) -> None:
    source = discovered(stream(json_schema=SCHEMA, **BOTH))
    members: dict[str, Any] = INCREMENTAL | DEDUP | {"cursor_field": cursor, "primary_key": key}
    pasted = problems(members, stream(json_schema=SCHEMA, **BOTH))
    assert refusal(lambda: choose(source, [StreamChoice(name="users", **members)], None)) == pasted
