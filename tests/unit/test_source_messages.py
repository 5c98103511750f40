"""What a source's single lines are (group G, G13 to G15 in one table; log lines: test_words.py).

G18 (a record whose whole primary key is missing) is not built: a record's data is not decoded (decisions.md,
"Messages"), and the destination that merges by the key says what it cannot merge.
"""

from __future__ import annotations

import json

import pytest
from airbyte_lines import Attempt, line, record, stream_state

from airbyte_workers.models import FailureType


def test_g1_a_record_goes_on_unchanged() -> None:
    whole = record(data={"currency": "USD"})
    attempt = Attempt()
    assert attempt.source(whole) == [whole]
    assert attempt.counts() == {"users": (1, 0, 0)}


def test_g2_big_integers_and_decimals_lose_no_digit() -> None:
    data = b'{"i":9223372036854775808,"d":1234567890.1234567890,"e":1E400}'
    whole = b'{"type":"RECORD","record":{"stream":"users","emitted_at":1,"data":' + data + b"}}\n"
    assert Attempt().source(whole) == [whole]


def test_g11_a_record_with_a_value_of_25_million_characters_goes_on() -> None:
    whole = record(data={"text": "x" * 25_000_000})
    attempt = Attempt()
    assert attempt.source(whole) == [whole]
    assert attempt.evidence().malformed == 0


@pytest.mark.parametrize(
    ("text", "malformed"),
    [
        pytest.param(b"{}\n", 0, id="g13"),
        pytest.param(b'{"type":"RECORD","record":{}}\n', 1, id="g14"),
        pytest.param(b'{"type":"STATE","control":{}}\n', 1, id="g15"),
        pytest.param(b'{"type":"RECORD","record":{"stream":null,"data":{},"emitted_at":1}}\n', 1, id="no stream"),
        pytest.param(b'{"type":"RECORD","record":{"stream":"users","data":null,"emitted_at":1}}\n', 1, id="no data"),
    ],
)
def test_g13_to_g15_what_lacks_its_body_is_dropped_and_counted_where_data_was_lost(text: bytes, malformed: int) -> None:
    attempt = Attempt()
    assert attempt.source(text) == []
    assert attempt.evidence().malformed == malformed
    assert attempt.failures == []


def test_g17_a_state_goes_on_and_a_destinations_catalog_is_passed_over() -> None:
    attempt = Attempt()
    catalog = line({"type": "DESTINATION_CATALOG", "destination_catalog": {"operations": []}})
    (told,) = attempt.source(stream_state(blob={"at": 1}), catalog)
    assert json.loads(told)["state"]["stream"]["stream_state"] == {"at": 1}
    assert attempt.log.lines == []


def test_g19_a_record_of_a_stream_that_is_not_synced_ends_the_attempt() -> None:
    before = record()
    told, failure = Attempt().blocks(before + record("orders"))
    assert told == before
    assert failure is not None
    assert (failure.type, failure.origin) == (FailureType.UNKNOWN_STREAM, "source")


def test_g20_a_record_needs_no_primary_key() -> None:
    whole = record(data={"name": "no key"})
    assert Attempt().source(whole) == [whole]
