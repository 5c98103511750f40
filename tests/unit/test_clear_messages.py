"""The empty source of a clear: conformance cases Q. Q2 has no counterpart: what it says needs no start."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.clear_messages import Before, messages

A, B, C = ("a", None), ("b", "ns"), ("c", None)


def said(streams: list[StreamKey], before: Before, *, whole: bool = True) -> list[dict[str, Any]]:
    return [json.loads(line) for line in messages(streams, before, whole=whole)]


def short(message: dict[str, Any]) -> Any:
    """A status as (status, stream), a STREAM state as (state, stream), another state as it is."""
    if message["type"] == "TRACE":
        status = message["trace"]["stream_status"]
        return status["status"], name(status["stream_descriptor"])
    stream = message["state"].get("stream")
    return (stream["stream_state"], name(stream["stream_descriptor"])) if stream else message["state"]


def name(descriptor: dict[str, Any]) -> StreamKey:
    return descriptor["name"], descriptor.get("namespace")


def global_state(shared: Any, *streams: tuple[StreamKey, Any]) -> bytes:
    states = [
        {
            "stream_descriptor": {"name": key[0]} | ({"namespace": key[1]} if key[1] else {}),
            "stream_state": blob,
        }
        for key, blob in streams
    ]
    return json.dumps({"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": states}}).encode()


@pytest.mark.parametrize(
    "before", [Before(), Before("STREAM"), Before("GLOBAL", global_state(1, (A, 2))), Before("LEGACY", b'{"a": 1}')]
)
def test_q1_without_streams_nothing_is_said(before: Before) -> None:
    assert said([], before) == []


@pytest.mark.parametrize("before", [Before(), Before("STREAM")])
def test_q3_each_stream_starts_has_no_state_any_more_and_is_complete(before: Before) -> None:
    """Which states there were changes nothing: one for c may be missing, one of d is not spoken of."""
    expected = [each for key in (A, B, C) for each in (("STARTED", key), (None, key), ("COMPLETE", key))]
    assert [short(each) for each in said([A, B, C], before)] == expected


def test_q5_a_global_state_is_emptied_whole_then_every_stream_is_told() -> None:
    before = Before("GLOBAL", global_state({"lsn": 7}, (A, {"x": 1}), (B, {"y": 2}), (C, None)))
    first, *rest = said([A, B, C], before)
    assert first["state"] == json.loads(global_state(None, (A, None), (B, None), (C, None)))
    assert [short(each) for each in rest] == [
        each for key in (A, B, C) for each in (("STARTED", key), ("COMPLETE", key))
    ]


def test_a_part_of_a_global_state_leaves_the_others_and_what_they_share() -> None:
    before = Before("GLOBAL", global_state({"lsn": 7}, (A, {"x": 1}), (B, {"y": 2})))
    first, *_ = said([B, C], before, whole=False)
    assert first["state"] == json.loads(global_state({"lsn": 7}, (A, {"x": 1}), (B, None), (C, None)))


@pytest.mark.parametrize("blob", [b"{}", b"{ }", b"null", b""])
def test_an_empty_legacy_state_needs_no_other(blob: bytes) -> None:
    assert said([A], Before("LEGACY", blob)) == []


def test_a_legacy_state_is_replaced_by_an_empty_one() -> None:
    assert said([A, B], Before("LEGACY", b'{"a": {"cursor": 1}}')) == [{"type": "STATE", "state": {"data": {}}}]
