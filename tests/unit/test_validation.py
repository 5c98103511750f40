"""Records held against their stream's schema (group I of the reference, as far as it is about that)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from airbyte_lines import RememberedLog, line, record, stream_state
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from airbyte_workers.models import Failure, FailureOrigin, FailureType, StreamValidation
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.decoding import Sniffed, SniffedRecord
from airbyte_workers.replication.ledger import Ledger, ReplicationFailed
from airbyte_workers.replication.record_samples import RecordSample
from airbyte_workers.replication.routes import Route, Routes
from airbyte_workers.replication.source import SourceSide
from airbyte_workers.replication.validation import CheckRules, RecordChecks

COLOUR = {"type": "object", "properties": {"favourite_color": {"type": "string"}}}
FULL = CheckRules()
SECRET = "Hildegard"


class Letters:
    """Dead letters that can be looked at."""

    def __init__(self) -> None:
        self.records: list[tuple[StreamKey, list[str], bytes]] = []
        self.lines: list[bytes] = []

    def invalid(self, stream: StreamKey, reasons: Sequence[str], data: bytes) -> None:
        self.records.append((stream, list(reasons), data))

    def malformed(self, line: bytes) -> None:
        self.lines.append(line)


class Checked:
    """One attempt's source whose records are checked."""

    def __init__(
        self,
        schemas: Mapping[StreamKey, Any],
        rules: CheckRules = FULL,
        routes: Routes | None = None,
        streams: Sequence[StreamKey] | None = None,
    ) -> None:
        """`streams`: every one of the catalog, where some have no schema."""
        self.log, self.letters = RememberedLog(), Letters()
        self.ledger = Ledger(streams or list(schemas), self.log, staged_states_bytes=1 << 20)
        bodies = {key: json.dumps(schema).encode() for key, schema in schemas.items()}
        self.checks = RecordChecks(self.ledger, bodies, rules, self.letters)
        self._side = SourceSide(self.ledger, routes=routes, checks=self.checks)

    def take(self, *blocks: bytes) -> tuple[bytes, Failure | None]:
        """What goes on, until the end or until something ends the attempt."""
        parts: list[bytes] = []
        try:
            for block in blocks:
                parts.extend(self._side.take(block))
        except ReplicationFailed as failed:
            return b"".join(parts), failed.failure
        return b"".join(parts), None

    @property
    def found(self) -> StreamValidation:
        (only,) = self.checks.results()
        return only


def users(schema: Any = COLOUR, rules: CheckRules = FULL, **more: Any) -> Checked:
    return Checked({("users", None): schema}, rules, **more)


def colours(*values: Any) -> bytes:
    return b"".join(record(data={"favourite_color": value}) for value in values)


def faults(schema: Any, data: Any) -> list[str]:
    attempt = users({"properties": {"x": schema}})
    attempt.take(record(data={"x": data}))
    return [text for text, _ in attempt.found.errors]


# --- what is found ---


def test_i5_a_value_that_fits_is_no_error() -> None:
    attempt = users()
    attempt.take(colours("blue"))
    assert attempt.found == StreamValidation(name="users", validated=1)
    assert (attempt.ledger.counters.records_validated, attempt.ledger.counters.records_invalid) == (1, 0)


def test_i5_two_that_do_not_fit_are_two_errors_of_one_stream_and_go_on() -> None:
    attempt = users()
    sent = colours("blue", 3, True)
    assert attempt.take(sent) == (sent, None)
    assert attempt.found.errors == (
        ("favourite_color: is not of type string but integer", 1),
        ("favourite_color: is not of type string but boolean", 1),
    )
    assert (attempt.found.validated, attempt.found.invalid) == (3, 2)
    assert attempt.ledger.failures == []


def test_i6_after_ten_invalid_records_a_stream_is_not_checked_any_more() -> None:
    attempt = Checked({("users", None): COLOUR, ("orders", None): COLOUR})
    sent = colours(*range(25)) + record("orders", {"favourite_color": 1})
    assert attempt.take(sent) == (sent, None)
    users_, orders = attempt.checks.results()
    assert (users_.validated, users_.invalid, users_.stopped) == (10, 10, True)
    assert users_.errors == (("favourite_color: is not of type string but integer", 10),)
    assert (orders.invalid, orders.stopped) == (1, False)
    assert attempt.ledger.counters.records_invalid == 11
    assert attempt.log.about("users", None)[-1] == (
        "users: 10 records do not fit its schema, no more of them are checked"
    )


def test_the_limit_of_a_stream_is_a_rule() -> None:
    attempt = users(rules=CheckRules(max_errors=3))
    attempt.take(colours(*range(25)))
    assert attempt.found.invalid == 3


def test_a_record_with_several_errors_counts_once_and_each_of_them_once() -> None:
    attempt = users({"required": ["id", "name"], "properties": {"tags": {"items": {"type": "string"}}}})
    attempt.take(record(data={"tags": [1, 2, "a", 3]}) * 2)
    assert attempt.found.invalid == 2
    assert dict(attempt.found.errors) == {
        "the record: lacks id": 2,
        "the record: lacks name": 2,
        "tags[]: is not of type string but integer": 2,
    }


def test_ten_different_errors_of_a_stream_are_told_and_the_others_counted() -> None:
    names = [f"n{number:02}" for number in range(12)]
    attempt = users({"properties": {name: {"type": "string"} for name in names}}, CheckRules(max_errors=99))
    attempt.take(b"".join(record(data={name: 1}) for name in names + names))
    assert len(attempt.found.errors) == 10
    assert sum(count for _, count in attempt.found.errors) + attempt.found.errors_more == 24


def test_each_error_is_told_once_in_the_log() -> None:
    attempt = users()
    attempt.take(colours(1, 2, True))
    assert attempt.log.about("users", None) == [
        "users: a record does not fit its schema: favourite_color: is not of type string but integer",
        "users: a record does not fit its schema: favourite_color: is not of type string but boolean",
    ]


SENTENCES: dict[str, tuple[Any, Any, str]] = {
    "two types": ({"type": ["null", "string"]}, 1.5, "x: is not of type null or string but number"),
    "an object": ({"type": "string"}, {SECRET: 1}, "x: is not of type string but object"),
    "no value of a list": ({"enum": ["a", "b"]}, SECRET, "x: has a value that its schema does not list"),
    "not the value": ({"const": "a"}, SECRET, "x: has a value that its schema does not list"),
    "a limit": ({"maximum": 3}, 77123, "x: breaks maximum 3"),
    "a length": ({"maxLength": 3}, SECRET, "x: breaks maxLength 3"),
    "a pattern": ({"pattern": "^a"}, SECRET, "x: breaks pattern"),
    "a format": ({"format": "date"}, SECRET, "x: is not written as a date"),
    "no branch": ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, SECRET, "x: is string and fits none of anyOf"),
    "fields too many": ({"additionalProperties": False}, {SECRET: 1}, "x: has fields that its schema does not allow"),
    "what may not be there": (False, SECRET, "x: may not be there"),
    "a key that is data": ({"additionalProperties": {"type": "integer"}}, {SECRET: "y"},
                           "x.*: is not of type integer but string"),
    "a key by a pattern": ({"patternProperties": {"^H": {"type": "integer"}}}, {SECRET: "y"},
                           "x.*: is not of type integer but string"),
    "a field that is called properties": ({"properties": {"properties": {"type": "integer"}}}, {"properties": "y"},
                                          "x.properties: is not of type integer but string"),
    "names of keys": ({"propertyNames": {"maxLength": 2}}, {SECRET: 1}, "x: breaks propertyNames"),
    "what nobody has a sentence for": ({"uniqueItems": True}, [SECRET, SECRET], "x: breaks uniqueItems"),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_an_error_is_told_without_any_value(name: str) -> None:
    schema, data, sentence = SENTENCES[name]
    assert faults(schema, data) == [sentence]


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("date", ["2024-02-29", "0044-03-15 BC"], ["2024-13-01", "yesterday"]),
        ("date-time", ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00", "2024-01-01 10:00:00.5+02"], ["2024-01-01", "x"]),
        ("time", ["10:00:00", "10:00:00.123Z", "10:00:00+02:00"], ["25:00:00", "ten"]),
        ("email", ["nobody"], []),
        ("nonsense", ["x"], []),
    ],
)
def test_of_formats_those_of_airbyte_s_types_are_checked(format: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert faults({"format": format}, text) == []
    for text in bad:
        assert faults({"format": format}, text) == [f"x: is not written as a {format}"]


@pytest.mark.parametrize(
    ("schema", "number", "fits"),
    [
        ({"type": "integer"}, b"123456789012345678901234567890", True),
        ({"type": "integer"}, b"1.0", True),
        ({"type": "integer"}, b"1.00000000000000000000000000001", False),
        ({"type": "number"}, b"1e999", True),
        ({"maximum": 9007199254740992}, b"9007199254740993", False),
        ({"multipleOf": 0.01}, b"0.07", True),
    ],
)
def test_a_number_is_judged_by_every_digit_that_was_written(schema: Any, number: bytes, fits: bool) -> None:
    attempt = users({"properties": {"n": schema}})
    sent = b'{"type":"RECORD","record":{"stream":"users","data":{"n":' + number + b'},"emitted_at":1}}\n'
    assert attempt.take(sent) == (sent, None)
    assert (attempt.found.validated, attempt.found.invalid) == (1, 0 if fits else 1)


def test_half_a_surrogate_pair_is_a_text() -> None:
    attempt = users()
    sent = b'{"type":"RECORD","record":{"stream":"users","data":{"favourite_color":"\\ud800"},"emitted_at":1}}\n'
    assert attempt.take(sent) == (sent, None)
    assert (attempt.found.validated, attempt.found.invalid) == (1, 0)


# --- fields that nobody announced ---


def test_fields_that_the_schema_does_not_know_are_named_and_counted_and_are_no_error() -> None:
    attempt = users()
    attempt.take(record(data={"favourite_color": "blue", "shoe_size": 3}) * 2 + record(data={"hat": 1}))
    assert attempt.found.unexpected_fields == (("shoe_size", 2), ("hat", 1))
    assert attempt.found.invalid == 0


def test_ten_such_fields_are_named() -> None:
    attempt = users()
    attempt.take(record(data={f"n{number:02}": 1 for number in range(12)}) * 2)
    assert attempt.found.unexpected_fields == tuple((f"n{number:02}", 2) for number in range(10))
    assert attempt.found.unexpected_more == 4


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "object"},
        {"properties": {"$id": {}, "$comment": {}}},
        COLOUR | {"patternProperties": {"^i": {}}},
        COLOUR | {"additionalProperties": {"type": "integer"}},
    ],
)
def test_a_schema_that_leaves_them_open_expects_every_field(schema: Any) -> None:
    attempt = users(schema)
    attempt.take(record(data={"id": 1, "comment": 2}))
    assert attempt.found.unexpected_fields == ()


# --- schemas that are of no use ---


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"favourite_color": {"$ref": "file:///etc/hostname"}}},
        {"properties": {"favourite_color": {"$ref": "#/definitions/none"}}},
        {"properties": {"favourite_color": {"pattern": "("}}},
        5,
        "text",
        None,
    ],
)
def test_a_schema_that_cannot_be_used_is_told_once_and_its_stream_is_not_checked(schema: Any) -> None:
    attempt = users(schema)
    sent = colours(1, 2, 3)
    assert attempt.take(sent) == (sent, None)
    (told,) = attempt.log.about("users", None)
    assert told == f"users: its schema cannot be used, its records are not checked: {attempt.found.problem}"
    assert (attempt.found.validated, attempt.found.invalid) == (0, 0)


def test_a_schema_may_refer_to_itself() -> None:
    tree = {
        "definitions": {"n": {"properties": {"c": {"items": {"$ref": "#/definitions/n"}}, "v": {"type": "string"}}}}
    }
    attempt = users(tree | {"properties": {"root": {"$ref": "#/definitions/n"}}})
    attempt.take(record(data={"root": {"c": [{"c": [{"v": 1}]}]}}))
    assert attempt.found.errors == (("root.c[].c[].v: is not of type string but integer", 1),)


def test_a_pattern_that_takes_too_long_is_no_fault_of_the_record() -> None:
    attempt = users({"properties": {"x": {"pattern": "(x+x+)+y(?!z)"}}})
    sent = record(data={"x": "x" * 60}) + record(data={"x": "xxy"})
    assert attempt.take(sent) == (sent, None)
    assert (attempt.found.validated, attempt.found.invalid, attempt.found.unchecked) == (1, 0, 1)
    assert attempt.found.problem == "a record could not be checked: a pattern of its schema takes too long"


# --- how many ---


def test_with_a_limit_for_all_streams_none_of_them_stops_and_one_more_than_that_ends_the_attempt() -> None:
    attempt = Checked({("a", None): COLOUR, ("b", "ns"): COLOUR}, CheckRules(max_invalid=14))
    blocks = [record("a", {"favourite_color": 1}), record("b", {"favourite_color": 1}, "ns")] * 7
    assert attempt.take(*blocks) == (b"".join(blocks), None)
    last = record("a", {"favourite_color": 1})
    sent, failure = attempt.take(last * 3)
    assert sent == last * 3
    assert failure == Failure(
        origin=FailureOrigin.SOURCE,
        type=FailureType.INVALID_RECORDS,
        message="15 records do not fit their stream's schema, more than the 14 of validation.max_invalid_records: "
        "a (8), ns.b (7)",
        command="read",
    )
    assert attempt.ledger.counters.records_invalid == 15


def test_with_a_limit_of_none_the_first_ends_it() -> None:
    attempt = users(rules=CheckRules(max_invalid=0))
    assert attempt.take(colours("blue"))[1] is None
    assert attempt.take(colours(1))[1] is not None


# --- dead letters ---


def test_what_does_not_fit_is_handed_on_as_it_stood_with_its_reasons() -> None:
    attempt = users()
    attempt.take(b'{"type":"RECORD","record":{"stream":"users","data":{ "favourite_color" : 1.10 },"emitted_at":1}}\n')
    reason = "favourite_color: is not of type string but number"
    assert attempt.letters.records == [(("users", None), [reason], b'{ "favourite_color" : 1.10 }')]


def test_so_are_lines_that_look_like_data_and_could_not_be_read() -> None:
    attempt = users()
    lost = b'{"type":"RECORD","record":{"stream":"users","data":{"a":\n'
    attempt.take(lost + b"just text\n" + line({"type": "LOG", "log": {"message": "x", "level": "INFO"}}))
    assert attempt.letters.lines == [lost]


# --- on a route that changes records ---


def test_one_record_after_the_other_the_same_ones_are_taken_as_in_blocks() -> None:
    key = ("users", None)
    singly, at_once = (RecordSample([key], first=10, one_of=50) for _ in range(2))
    sniffed = [Sniffed("RECORD", SniffedRecord("users", Raw(b"{}"))) for _ in range(500)]
    taken = [number for number in range(500) if singly.takes(key)]
    assert taken == list(at_once.places(sniffed, {key: [500, 0]}))
    assert 10 < len(taken) <= 20


def test_records_that_are_changed_are_checked_as_the_source_sent_them_and_of_the_chosen_fields_alone() -> None:
    route = Route(("users", None), ("people", None), fields=frozenset({"favourite_color"}))
    attempt = users(COLOUR | {"additionalProperties": False}, routes=Routes([route]))
    attempt.take(record(data={"favourite_color": 3, "left_out": 1}) + record(data={"favourite_color": "x", "y": 1}))
    assert (attempt.found.validated, attempt.found.invalid) == (2, 1)
    assert attempt.found.errors == (("favourite_color: is not of type string but integer", 1),)
    assert attempt.found.unexpected_fields == ()


# --- which ones ---


def test_a_sample_is_the_first_records_of_every_stream_and_then_one_of_so_many() -> None:
    attempt = Checked({("a", None): {}, ("b", None): {}}, CheckRules(first_records=20, one_of=10))
    attempt.take(record("a") * 1000, record("b") * 1000)
    assert [each.validated for each in attempt.checks.results()] == [20 + 98, 20 + 98]


def test_streams_that_take_turns_are_all_sampled() -> None:
    attempt = Checked({("a", None): {}, ("b", None): {}}, CheckRules(one_of=10))
    attempt.take((record("a") + record("b")) * 2000)
    a, b = (each.validated for each in attempt.checks.results())
    assert a + b == 400
    assert min(a, b) > 100


def test_streams_without_a_schema_are_none_of_its_business() -> None:
    attempt = Checked({("a", None): {}}, streams=[("a", None), ("b", None)])
    attempt.take(record("a") + record("b") + record("b"))
    assert attempt.found.validated == 1


RULES = st.sampled_from([FULL, CheckRules(first_records=3, one_of=4), CheckRules(one_of=2, max_errors=2)])
LINES = st.lists(
    st.one_of(
        st.builds(record, st.sampled_from(["users", "orders"]), st.sampled_from([{"favourite_color": 1}, {"id": 1}])),
        st.just(record("users", {"favourite_color": 1}, "")),
        st.just(stream_state("users")),
        st.just(b'{"type":"RECORD","record":{"stream":"users","data":{"a":\n'),
        st.just(b"text\n"),
    ),
    max_size=30,
)
BORDERS = st.sets(st.integers(0, 30), max_size=5)


def cut(lines: list[bytes], borders: set[int]) -> list[bytes]:
    ends = sorted({end for end in borders if 0 < end < len(lines)} | {len(lines)})
    return [b"".join(lines[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


@given(LINES, BORDERS, RULES)
@example([record("users", {"favourite_color": 1})] * 9, {4}, CheckRules(first_records=3, one_of=4))
def test_whatever_is_checked_the_same_bytes_go_on(lines: list[bytes], borders: set[int], rules: CheckRules) -> None:
    schemas: dict[StreamKey, Any] = {("users", None): COLOUR, ("orders", None): COLOUR}
    off = Checked({}, streams=list(schemas))
    assert Checked(schemas, rules).take(*cut(lines, borders)) == off.take(*cut(lines, borders))
    assert off.checks.results() == ()


@given(LINES, BORDERS, RULES)
def test_what_is_found_does_not_depend_on_the_borders_of_blocks(
    lines: list[bytes], borders: set[int], rules: CheckRules
) -> None:
    schemas: dict[StreamKey, Any] = {("users", None): COLOUR, ("orders", None): COLOUR}
    whole, in_pieces = Checked(schemas, rules), Checked(schemas, rules)
    whole.take(b"".join(lines))
    in_pieces.take(*cut(lines, borders))
    assert in_pieces.checks.results() == whole.checks.results()
    assert in_pieces.letters.records == whole.letters.records
