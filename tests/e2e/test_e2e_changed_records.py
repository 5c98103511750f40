"""Fields, mappers and names through the real stack: what the destination has, what state is kept, what nobody sees."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from e2e_support import Place, temporal

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
KEY = "2b7e151628aed2a6abf7158809cf4f3c"
EVEN = {"type": "EQUAL", "fieldName": "id", "comparisonValue": "3"}
MAPPERS = [
    {"name": "row-filtering", "config": {"conditions": {"type": "NOT", "conditions": [EVEN]}}},
    {"name": "hashing", "config": {"targetField": "text", "method": "SHA-256"}},
    {"name": "field-renaming", "config": {"originalFieldName": "id", "newFieldName": "number"}},
]


def changed(place: Place, name: str, *, mappers: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    choice = {"name": "stream_0", "sync_mode": "incremental", "destination_sync_mode": "append"}
    return {
        "connection": name,
        "source": place.source(records=more.pop("records", 10), state_every=4, namespace="shop"),
        "destination": place.jsonl(),
        "streams": [choice | {"mappers": MAPPERS if mappers is None else mappers} | more.pop("choice", {})],
        "namespace_definition": "customformat",
        "namespace_format": "from_${SOURCE_NAMESPACE}",
        "prefix": "raw_",
    } | more


def history(place: Place, workflow_id: str) -> bytes:
    """All that Temporal keeps of a run, its payloads as they were before base64."""
    shown = json.dumps(temporal(place, "show", "-w", workflow_id, "--output", "json"))
    payloads = re.findall(r'"data": "([A-Za-z0-9+/=]+)"', shown)
    assert payloads
    return b"\n".join([shown.encode(), *map(b64decode, payloads)])


def test_records_arrive_changed_and_under_their_new_name(place: Place) -> None:
    done = place.sync(changed(place, "changed"))
    assert done.code == 0, done.err
    told = (
        "shop.stream_0: incremental, append; as from_shop.raw_stream_0; mappers row-filtering, hashing, field-renaming"
    )
    assert told in done.err
    rows = place.lines("from_shop.raw_stream_0")
    assert [row["number"] for row in rows] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert all("id" not in row and "text" not in row and len(row["text_hashed"]) == 64 for row in rows)
    (counts,) = done.report["streams"]
    assert (counts["name"], counts["namespace"]) == ("stream_0", "shop")
    assert (counts["records_emitted"], counts["records_filtered"], counts["records_committed"]) == (10, 1, 9)


def test_the_next_sync_reads_on_from_the_sources_own_state(place: Place) -> None:
    place.sync(changed(place, "reads-on"))
    done = place.sync(changed(place, "reads-on", records=15))
    assert done.code == 0, done.err
    assert done.report["records_committed"] == 5
    assert [row["number"] for row in place.lines("from_shop.raw_stream_0")][-5:] == [10, 11, 12, 13, 14]


def test_a_clear_empties_the_stream_under_its_new_name(place: Place) -> None:
    place.sync(changed(place, "clears"))
    done = place.run("clear", "clears", "-o", "json")
    assert done.code == 0, done.err
    assert place.lines("from_shop.raw_stream_0") == []


def test_only_the_chosen_fields_arrive(place: Place) -> None:
    done = place.sync(changed(place, "fields", mappers=[], choice={"fields": ["id"]}))
    assert done.code == 0, done.err
    assert {tuple(row) for row in place.lines("from_shop.raw_stream_0")} == {("id",)}


def test_a_key_that_is_typed_encrypts_and_is_nowhere_to_be_seen(place: Place) -> None:
    config = {"algorithm": "AES", "targetField": "text", "key": KEY, "mode": "CBC", "padding": "PKCS5Padding"}
    done = place.sync(changed(place, "keys", mappers=[{"name": "encryption", "config": config}]))
    assert done.code == 0, done.err
    row = place.lines("from_shop.raw_stream_0")[0]
    (hidden,) = (value for name, value in row.items() if name.startswith("text"))
    raw = bytes.fromhex(hidden)
    opened = Cipher(AES(bytes.fromhex(KEY)), CBC(raw[:16])).decryptor()
    plain = opened.update(raw[16:]) + opened.finalize()
    assert plain[: -plain[-1]].isascii()
    assert b"raw_" in history(place, "sync/keys")
    assert KEY.encode() not in history(place, "sync/keys")
    assert KEY not in place.log(done.report["job_id"])


@pytest.mark.parametrize(
    ("mapper", "told"),
    [
        ({"name": "hashing", "config": {"targetField": "text", "method": "MD6"}}, "mapper 1 (hashing)"),
        ({"name": "hashing", "config": {"targetField": "txet", "method": "MD5"}}, "no field txet"),
        ({"name": "scrambling", "config": {}}, "scrambling"),
    ],
)
def test_a_mapper_that_cannot_work_stops_the_sync_before_any_record(
    place: Place, mapper: dict[str, Any], told: str
) -> None:
    done = place.sync(changed(place, f"wrong-{hashlib.md5(told.encode()).hexdigest()[:6]}", mappers=[mapper]))
    assert done.code in (1, 2), done.out
    assert told in done.out + done.err
    assert place.lines("from_shop.raw_stream_0") == []
