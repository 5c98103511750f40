"""What people type: refused with the field's name and never with a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airbyte_workers.models import (
    AttemptSummary,
    CancelRequest,
    Connector,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    Policy,
    StreamChoice,
    StreamCounts,
    SyncInput,
)
from airbyte_workers.orchestrator.input import ReplicationInput

SECRET = "hunter2"
SOURCE = {"image": "airbyte/source-faker:7.2.1", "config": {"password": SECRET}}
DESTINATION = {"command": ["destination-jsonl"], "config": {"token": SECRET}}


def given_input(**more: Any) -> dict[str, Any]:
    return {"connection": "demo", "source": SOURCE, "destination": DESTINATION} | more


def refusal(given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        SyncInput.model_validate(given)
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"connection": "demo"},
        given_input(),
        given_input(streams=[{"name": "users"}]),
        given_input(catalog={"streams": []}),
        {"connection": "demo", "streams": [{"name": "users"}]},
        given_input(launcher="docker", retries=0, local_root="/tmp/x"),
        given_input(accept_unacknowledged=True, allow_malformed=True, fail_on_source_stats=True),
        given_input(destination=DESTINATION | {"stream_status": "omit", "supports_refreshes": True}),
    ],
)
def test_a_sync_can_be_asked_for_in_each_of_these_ways(given: dict[str, Any]) -> None:
    read = SyncInput.model_validate_json(json.dumps(given))
    assert SyncInput.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("accepted", Policy.model_fields)
def test_what_an_owner_accepts_reaches_the_pod_beside_all_else_that_it_is_given(accepted: str) -> None:
    policy = SyncInput.model_validate(given_input(**{accepted: True})).policy
    assert policy == Policy(**{accepted: True})
    numbers = {"job_id": 1, "attempt": 0, "connection_id": 1, "fence": 1}
    given = {"pod": "p", "settings": {}, "connection": "demo", "database_url": "", "streams": [], "log_prefix": "l"}
    read = ReplicationInput.model_validate_json(json.dumps(given | numbers | {accepted: True}))
    assert Policy(**{name: getattr(read, name) for name in Policy.model_fields}) == policy


def test_nothing_is_accepted_that_is_not_asked_for() -> None:
    read = SyncInput.model_validate(given_input())
    assert read.policy == Policy(accept_unacknowledged=False, allow_malformed=False, fail_on_source_stats=False)
    assert (read.retries, read.launcher, read.streams, read.catalog) == (None, None, None, None)
    assert read.destination is not None
    assert (read.destination.stream_status, read.destination.supports_refreshes) == ("send", False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "connection"),
        ({"connection": "demo", "source": SOURCE}, "give both source and destination, or neither"),
        ({"connection": "demo", "destination": DESTINATION}, "give both source and destination, or neither"),
        (given_input(streams=[{"name": "a"}], catalog={"streams": []}), "give either streams or catalog"),
        (given_input(streams=[]), "streams"),
        (given_input(streams=[{"namespace": "a"}]), "streams.0.name"),
        (given_input(streams=[{"name": "a", "sync_mode": SECRET}]), "streams.0.sync_mode"),
        (given_input(streams=[{"name": "a", "cursor": "b"}]), "streams.0.cursor"),
        (given_input(retries=-1), "retries"),
        (given_input(retries=SECRET), "retries"),
        (given_input(launcher=SECRET), "launcher"),
        (given_input(password=SECRET), "password\n  Extra inputs are not permitted"),
        (given_input(source=SOURCE | {"tag": SECRET}), "source.tag\n  Extra inputs are not permitted"),
        (given_input(source={"config": {"password": SECRET}}), "give either image or command"),
        (given_input(source=SOURCE | {"command": ["x", SECRET]}), "give either image or command"),
        (given_input(source={"image": "", "config": {}}), "source.image"),
        (given_input(source={"image": "  "}), "source.image"),
        (given_input(source={"command": []}), "source.command"),
        (given_input(source={"command": SECRET}), "source.command"),
        (given_input(source={"image": "a", "config": SECRET}), "source.config"),
        (given_input(source={"image": "a", "config_file": SECRET}), "config_file is read by the command line"),
        (given_input(destination=DESTINATION | {"stream_status": SECRET}), "destination.stream_status"),
        (given_input(catalog=SECRET), "catalog"),
        (given_input(source=SOURCE | {"resources": SECRET}), "source.resources"),
        (given_input(source=SOURCE | {"resources": {"gpus": SECRET}}), "source.resources.gpus\n  Extra inputs are not"),
        ([SECRET], "SyncInput"),
    ],
)
def test_bad_input_is_refused_with_the_fields_name_and_without_its_value(given: Any, words: str) -> None:
    said = refusal(given)
    assert words in said
    assert SECRET not in said


@pytest.mark.parametrize("leg", ["source", "destination"])
@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"cpu_limit": SECRET}, "not a number of cores such as 0.5 or 500m"),
        ({"cpu_limit": "512Mi"}, "not a number of cores such as 0.5 or 500m"),
        ({"cpu_limit": 0.001}, "less than 0.01 cores"),
        ({"cpu_limit": -1}, "not a number of cores"),
        ({"cpu_limit": float("inf")}, "not a number of cores"),
        ({"cpu_limit": [SECRET]}, "cpu_limit"),
        ({"memory_limit": SECRET}, "not an amount of memory such as 512Mi or 2Gi"),
        ({"memory_limit": "512MB"}, "not an amount of memory"),
        ({"memory_limit": 512}, "less than 6Mi of memory"),
        ({"memory_limit": "7" * 400}, "not an amount of memory"),
        ({"memory_limit": {"limit": SECRET}}, "memory_limit"),
        ({"pids_limit": -1}, "pids_limit"),
        ({"pids_limit": SECRET}, "pids_limit"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_with_its_place_and_without_its_value(
    leg: str, resources: dict[str, Any], words: str
) -> None:
    connector = SOURCE if leg == "source" else DESTINATION
    said = refusal(given_input(**{leg: connector | {"resources": resources}}))
    assert f"{leg}.resources" in said
    assert words in said
    assert SECRET not in said
    assert "7777" not in said


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"cpu_limit": "500m", "memory_limit": "2Gi", "pids_limit": 100},
        {"cpu_limit": 2},
        {"cpu_limit": 0.5, "memory_limit": 536870912, "pids_limit": 0},
        {"cpu_limit": None, "memory_limit": None, "pids_limit": None},
    ],
)
def test_amounts_are_words_or_numbers_and_stay_as_they_were_typed(resources: dict[str, Any]) -> None:
    read = SyncInput.model_validate_json(json.dumps(given_input(source=SOURCE | {"resources": resources})))
    assert read.source is not None
    nothing = {"cpu_limit": None, "memory_limit": None, "pids_limit": None}
    assert read.source.resources.model_dump() == nothing | resources
    assert SyncInput.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("name", ["a", "demo", "Demo_2.prod-eu", "0", "x" * 100])
def test_names_of_connections(name: str) -> None:
    assert SyncInput(connection=name).connection == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "ż", "a\n", "x" * 101, "../a"])
def test_what_is_no_name_of_a_connection(name: str) -> None:
    assert "connection" in refusal({"connection": name})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["image", "command", "config", "name", "config_file", "resources", "cpu_limit", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SyncInput.model_fields, "x"]), values))
def test_no_error_ever_tells_a_value(given: dict[str, Any]) -> None:
    said = ""
    try:
        SyncInput.model_validate(given)
    except ValidationError as error:
        said = str(error)
    assert SECRET not in said


def test_a_config_does_not_stand_in_a_connectors_repr() -> None:
    assert SECRET not in repr(SyncInput.model_validate(given_input()))


@pytest.mark.parametrize(
    ("given", "name"), [({"image": " airbyte/x:1 "}, "airbyte/x:1"), ({"command": ["./run", "--fast"]}, "./run --fast")]
)
def test_a_connector_is_known_by_its_image_or_its_command(given: dict[str, Any], name: str) -> None:
    assert Connector.model_validate(given).name == name


def test_a_config_keeps_every_digit_of_a_whole_number() -> None:
    read = Connector.model_validate_json('{"image":"a","config":{"n":123456789012345678901234567890}}')
    assert read.config == {"n": 123456789012345678901234567890}


def test_what_people_type_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SyncInput(connection="demo").connection = "other"  # type: ignore[misc]  # that is what is tried


def test_extra_fields_of_small_inputs_are_refused_too() -> None:
    for kind, typed in ((StreamChoice, {"name": "a", "x": 1}), (CancelRequest, {"job_id": 1, "x": 1})):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            kind.model_validate(typed)


# --- what programs write ---


def test_a_reader_skips_what_a_newer_writer_added() -> None:
    read = AttemptSummary.model_validate_json('{"status":"failed","new":1,"evidence":{"new":2,"malformed":3}}')
    assert read == AttemptSummary(status="failed", evidence=Evidence(malformed=3))


def test_a_summary_comes_back_from_its_marker_as_it_was() -> None:
    summary = AttemptSummary(
        status="failed",
        failures=(Failure(origin=FailureOrigin.SOURCE, type=FailureType.TIMED_OUT, message="late", stream="a"),),
        warnings=("unproven",),
        evidence=Evidence(
            source_exit_code=1,
            source_out_of_memory=2**29,
            destination_out_of_memory=0,
            destination_closed="output",
            streams_incomplete=("a",),
        ),
        streams=(StreamCounts(name="a", namespace=None, records_emitted=2**40),),
    )
    assert AttemptSummary.model_validate_json(summary.model_dump_json()) == summary
