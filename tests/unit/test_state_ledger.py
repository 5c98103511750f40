"""States between source and destination: an echo commits exactly what is durable, never more (K22, M1, M2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from airbyte_lines import global_state, legacy_state, line, stream_state
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from airbyte_workers.protocol.messages import State, parse
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.state_forms import StateKey, digest_of, state_key, stored_form, without_streams
from airbyte_workers.replication.state_ledger import MixedStateTypes, StateLedger
from airbyte_workers.replication.statistics import Tally

ROOM = 1 << 20


def state(text: bytes) -> State:
    return parse(State, Raw(json.dumps(json.loads(text)["state"]).encode()))


def of_stream(stream: str, blob: Any, **more: Any) -> State:
    return state(stream_state(stream, blob, **more))


def one_each(stream: str | None) -> Mapping[StreamKey, Tally]:
    return {(stream or "all", None): Tally(1, 10)}


def staged(*states: tuple[str, Any], room: int = ROOM) -> StateLedger:
    ledger = StateLedger(room)
    for stream, blob in states:
        ledger.stage(of_stream(stream, blob), one_each(stream))
    return ledger


# --- the table: echoes, and how many states each of them makes durable ---

INTERLEAVED = (("a", {"c": 1}), ("b", {"c": 2}), ("a", {"c": 3}))


@dataclass(frozen=True)
class Case:
    """`echoes`: (stream, id or None, blob); `commits`: what each covers, None for nothing; `left`: keys that wait."""

    sent: tuple[tuple[str, Any], ...]
    echoes: tuple[tuple[str, int | None, Any], ...]
    commits: tuple[int | None, ...]
    left: tuple[str, ...] = ()
    unmatched: int = 0


A, B = {"c": 1}, {"c": 2}
CASES = {
    "in order": Case(INTERLEAVED, (("a", 1, None), ("b", 2, None), ("a", 3, None)), (1, 1, 1)),
    "flushed stream by stream": Case(INTERLEAVED, (("a", 1, None), ("a", 3, None), ("b", 2, None)), (1, 1, 1)),
    "one stream never": Case(INTERLEAVED, (("a", 1, None), ("a", 3, None)), (1, 1), ("b",)),
    "skipped": Case(INTERLEAVED, (("a", 3, None), ("b", 2, None)), (2, 1)),
    "the last never": Case(INTERLEAVED, (("a", 1, None), ("b", 2, None)), (1, 1), ("a",)),
    "repeated": Case(INTERLEAVED, (("a", 1, None), ("a", 1, None), ("a", 3, None)), (1, None, 1), ("b",), 1),
    "an older one after a newer": Case(INTERLEAVED, (("a", 3, None), ("a", 1, None)), (2, None), ("b",), 1),
    "unknown id": Case(INTERLEAVED, (("a", 9, None), ("a", 0, None), ("a", -1, None)), (None,) * 3, ("a", "b"), 3),
    "huge id": Case(INTERLEAVED, (("a", 2**80, None),), (None,), ("a", "b"), 1),
    "id of another stream": Case(INTERLEAVED, (("a", 2, None), ("b", 3, None)), (None, None), ("a", "b"), 2),
    "unknown stream": Case(INTERLEAVED, (("z", 1, None),), (None,), ("a", "b"), 1),
    "the id decides, not the blob": Case(INTERLEAVED, (("a", 1, {"c": 3}),), (1,), ("a", "b")),
    "without ids, in order": Case(INTERLEAVED, (("a", None, A), ("b", None, B), ("a", None, {"c": 3})), (1, 1, 1)),
    "without ids, stream by stream": Case(
        INTERLEAVED, (("a", None, A), ("a", None, {"c": 3}), ("b", None, B)), (1, 1, 1)
    ),
    "without ids, skipped": Case(INTERLEAVED, (("a", None, {"c": 3}), ("b", None, B)), (2, 1)),
    "without ids, repeated": Case(INTERLEAVED, (("a", None, A), ("a", None, A)), (1, None), ("a", "b"), 1),
    "without ids, blob of another stream": Case(INTERLEAVED, (("a", None, B),), (None,), ("a", "b"), 1),
    "without ids, unknown blob": Case(INTERLEAVED, (("a", None, {"c": 9}),), (None,), ("a", "b"), 1),
    "the same state twice, with ids": Case((("a", A), ("a", A)), (("a", 2, A),), (2,)),
    "the same state twice, oldest first": Case((("a", A), ("a", A)), (("a", None, A),), (1,), ("a",)),
    "the same state twice, echoed twice": Case((("a", A), ("a", A)), (("a", None, A), ("a", None, A)), (1, 1)),
    "the same state again later": Case(
        (("a", A), ("a", B), ("a", A)), (("a", None, A), ("a", None, B), ("a", None, A)), (1, 1, 1)
    ),
    "ids on some echoes only": Case(INTERLEAVED, (("a", None, A), ("a", 3, None), ("b", None, B)), (1, 1, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_interleaved_streams_echoed_out_of_order_and_without_ids_commit_exactly_what_is_durable(name: str) -> None:
    case = CASES[name]
    ledger = staged(*case.sent)
    commits = []
    for stream, number, blob in case.echoes:
        commit = ledger.acknowledge(of_stream(stream, blob, **({} if number is None else {"id": number})))
        commits.append(None if commit is None else commit.covers)
        if commit is not None:
            assert commit.key == StateKey("STREAM", (stream, None))
            assert commit.counts == {(stream, None): Tally(commit.covers, 10 * commit.covers)}
    assert tuple(commits) == case.commits
    assert {key.stream[0] for key in ledger.unacknowledged() if key.stream} == set(case.left)
    assert ledger.unmatched == case.unmatched


def test_a_commit_carries_the_state_that_was_sent_not_the_one_that_came_back() -> None:
    ledger = StateLedger(ROOM)
    sent = parse(State, b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"n": 1.0}}}')
    ledger.stage(sent, {})
    commit = ledger.acknowledge(of_stream("a", {"n": 1}, id=1))
    assert commit is not None
    assert commit.state == b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"n": 1.0}}}'


def test_numbers_count_over_all_keys() -> None:
    ledger = StateLedger(ROOM)
    assert ledger.next_number() == 1
    numbers = [ledger.stage(of_stream(stream, {}), {}).number for stream in "abab"]
    assert (numbers, ledger.emitted, ledger.next_number()) == ([1, 2, 3, 4], 4, 5)


# --- echoes that a destination's library wrote anew ---

SENT = {"z": [1, {"y": 2.0, "x": None}], "big": 12345678901234567890123, "text": "ż"}


@pytest.mark.parametrize(
    "echoed",
    [
        SENT,
        dict(reversed(SENT.items())),
        {"z": [1.0, {"y": 2}], "big": 12345678901234567890123, "text": "ż"},
        {"z": [1, {"x": None, "y": 2.0, "w": None}], "big": 12345678901234567890123, "text": "ż", "more": None},
    ],
)
def test_an_echo_without_an_id_is_known_by_its_blob_however_it_is_written(echoed: Any) -> None:
    ledger = staged(("a", SENT))
    assert ledger.acknowledge(of_stream("a", echoed)) is not None


@pytest.mark.parametrize(
    "echoed",
    [
        SENT | {"text": "z"},
        SENT | {"big": 12345678901234567890124},
        SENT | {"z": [{"y": 2.0}, 1]},
        SENT | {"z": [True, {"y": 2.0}]},
        SENT | {"z": [1, {"y": "2"}]},
        {},
    ],
)
def test_another_blob_is_another_state(echoed: Any) -> None:
    ledger = staged(("a", SENT))
    assert ledger.acknowledge(of_stream("a", echoed)) is None
    assert ledger.unmatched == 1


def test_k22_stamps_statistics_and_unknown_members_are_no_part_of_a_states_identity() -> None:
    ledger = staged(("a", SENT))
    echo = of_stream("a", SENT, sourceStats={"recordCount": 5}, destinationStats={"recordCount": 5}, x_new={"b": 1})
    assert ledger.acknowledge(echo) is not None


@pytest.mark.parametrize(("sent", "echoed"), [("", None), (None, ""), ("", "")])
def test_an_empty_namespace_and_none_are_one_key(sent: str | None, echoed: str | None) -> None:
    ledger = StateLedger(ROOM)
    ledger.stage(state(stream_state("a", {"c": 1}, sent)), {})
    assert ledger.acknowledge(state(stream_state("a", {"c": 1}, echoed))) is not None


@pytest.mark.parametrize("blob", [b"9" * 5000, b"[" * 700 + b"]" * 700])
def test_a_blob_beyond_what_python_reads_is_matched_byte_for_byte(blob: bytes) -> None:
    text = b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":' + blob + b"}}"
    ledger = StateLedger(ROOM)
    ledger.stage(parse(State, text), {})
    assert ledger.acknowledge(of_stream("a", {})) is None
    assert ledger.acknowledge(parse(State, text)) is not None


# --- keys ---


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (stream_state("a"), StateKey("STREAM", ("a", None))),
        (stream_state("a", {}, "n"), StateKey("STREAM", ("a", "n"))),
        (stream_state("a", {}, ""), StateKey("STREAM", ("a", None))),
        (global_state({}, {"a": {}}), StateKey("GLOBAL")),
        (legacy_state({}), StateKey("LEGACY")),
        (legacy_state({}, type="LEGACY"), StateKey("LEGACY")),
        (line({"type": "STATE", "state": {}}), StateKey("LEGACY")),
    ],
)
def test_whose_state_it_is(text: bytes, key: StateKey) -> None:
    assert state_key(state(text)) == key


def test_global_states_have_one_key_for_all_streams() -> None:
    ledger = StateLedger(ROOM)
    for lsn in (1, 2):
        ledger.stage(state(global_state({"lsn": lsn}, {"a": {"c": lsn}, "b": None})), one_each(None))
    assert ledger.acknowledge(state(global_state({"lsn": 3}, {"a": {"c": 3}}))) is None
    commit = ledger.acknowledge(state(global_state({"lsn": 2}, {"a": {"c": 2}, "b": None})))
    assert commit is not None
    assert (commit.covers, commit.key, ledger.unacknowledged()) == (2, StateKey("GLOBAL"), [])


def test_legacy_states_have_one_key() -> None:
    ledger = StateLedger(ROOM)
    for cursor in (1, 2):
        ledger.stage(state(legacy_state({"c": cursor})), {})
    commit = ledger.acknowledge(state(legacy_state({"c": 1}, type="LEGACY")))
    assert commit is not None
    assert (commit.state, commit.covers) == (b'{"c": 1}', 1)
    assert ledger.unacknowledged() == [StateKey("LEGACY")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (stream_state(), global_state({}, {})),
        (global_state({}, {}), stream_state()),
        (legacy_state({}), stream_state()),
        (stream_state(), line({"type": "STATE", "state": {}})),
    ],
)
def test_m1_two_types_of_states_in_one_sync_are_refused(first: bytes, second: bytes) -> None:
    ledger = StateLedger(ROOM)
    ledger.stage(state(first), {})
    with pytest.raises(MixedStateTypes):
        ledger.stage(state(second), {})


def test_m2_no_type_and_legacy_are_one_type() -> None:
    ledger = StateLedger(ROOM)
    ledger.stage(state(legacy_state({})), {})
    ledger.stage(state(legacy_state({}, type="LEGACY")), {})
    assert ledger.emitted == 2


@pytest.mark.parametrize(
    ("sent", "spoken_for"),
    [
        ([], []),
        ([stream_state("a")], ["a"]),
        ([stream_state("a"), stream_state("b")], ["a", "b"]),
        ([global_state({}, {"a": {}})], ["a", "b"]),
        ([legacy_state({})], ["a", "b"]),
    ],
)
def test_which_streams_a_state_has_spoken_for(sent: list[bytes], spoken_for: list[str]) -> None:
    ledger = StateLedger(ROOM)
    for each in sent:
        ledger.stage(state(each), {})
    assert [name for name in ("a", "b") if ledger.has_state((name, None))] == spoken_for


def test_a_stream_has_had_a_state_also_after_its_echo() -> None:
    ledger = staged(("a", {}))
    ledger.acknowledge(of_stream("a", {}, id=1))
    assert ledger.has_state(("a", None))


# --- what is kept ---


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"n": 2**70}},
                "id": 5,
                "sourceStats": {"recordCount": 1},
                "destinationStats": {"recordCount": 1},
                "data": {"legacy": True},
                "x_new": 1,
            },
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"n": 2**70}},
                "x_new": 1,
            },
        ),
        (
            {"type": "GLOBAL", "global": {"shared_state": {"l": 1}, "stream_states": []}, "id": 5, "data": {}},
            {"type": "GLOBAL", "global": {"shared_state": {"l": 1}, "stream_states": []}},
        ),
        ({"type": "LEGACY", "data": {"c": 1}, "id": 5, "sourceStats": {"recordCount": 1}}, {"c": 1}),
        ({"data": {"c": 1}}, {"c": 1}),
        ({}, {}),
    ],
)
def test_a_state_is_kept_without_stamps_and_statistics(body: dict[str, Any], kept: Any) -> None:
    assert json.loads(stored_form(parse(State, json.dumps(body).encode())) or b"") == kept


NOTHING = {"stream_descriptor": {"name": "n"}}
SOMETHING = {"stream_descriptor": {"name": "a"}, "stream_state": {"c": 1}}


def of_all(*streams: dict[str, Any], **shared: Any) -> dict[str, Any]:
    return {"type": "GLOBAL", "global": {**shared, "stream_states": list(streams)}}


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"type": "STREAM", "stream": NOTHING}, None),
        ({"type": "STREAM", "stream": {**NOTHING, "stream_state": None}}, None),
        ({"type": "STREAM", "stream": {**NOTHING, "stream_state": {}}}, {"stream_state": {}}),
        (of_all(NOTHING), None),
        (of_all(shared_state=None), None),
        (of_all({**NOTHING, "stream_state": None}, shared_state=None), None),
        (of_all(NOTHING, SOMETHING), {"stream_states": [SOMETHING]}),
        (of_all(NOTHING, shared_state={"l": 1}), {"shared_state": {"l": 1}, "stream_states": []}),
        (of_all(shared_state={}), {"shared_state": {}, "stream_states": []}),
        ({"type": "LEGACY", "data": None}, None),
        ({"data": None}, None),
    ],
)
def test_null_erases_what_was_kept_and_an_empty_object_does_not(body: dict[str, Any], kept: Any) -> None:
    form = stored_form(parse(State, json.dumps(body).encode()))
    if kept is None:
        assert form is None
    else:
        assert form is not None
        whole = json.loads(form)
        assert {name: (whole.get("stream") or whole["global"]).get(name) for name in kept} == kept


def test_an_acknowledged_null_is_to_be_stored_as_an_erasure() -> None:
    ledger = StateLedger(ROOM)
    null = parse(State, b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":null}}')
    ledger.stage(null, {})
    commit = ledger.acknowledge(null)
    assert commit is not None
    assert (commit.state, commit.stored) == (None, True)


# --- streams that are forgotten ---

USERS = {"stream_descriptor": {"name": "users"}, "stream_state": {"n": 12345678901234567890123}}
LOGS = {"stream_descriptor": {"name": "logs", "namespace": "n"}, "stream_state": {"c": 1}}


def kept_of(*streams: dict[str, Any], **shared: Any) -> bytes:
    return json.dumps(of_all(*streams, **shared)).encode()


def test_a_global_state_loses_the_streams_that_are_forgotten() -> None:
    left = without_streams(kept_of(USERS, LOGS, shared_state={"l": 1}), [("logs", "n")])
    assert left is not None
    assert json.loads(left) == of_all(USERS, shared_state={"l": 1})
    assert b"12345678901234567890123" in left


def test_a_global_state_of_other_streams_stays_as_it_stands() -> None:
    kept = kept_of(USERS, shared_state={"l": 1})
    assert without_streams(kept, [("logs", "n"), ("users", "n")]) == kept
    assert without_streams(kept_of(shared_state={"l": 1}), [("users", None)]) == kept_of(shared_state={"l": 1})


def test_a_global_state_whose_streams_are_all_forgotten_goes_with_what_they_shared() -> None:
    assert without_streams(kept_of(USERS, LOGS, shared_state={"l": 1}), [("logs", "n"), ("users", None)]) is None


def test_k22_stamps_do_not_change_a_states_fingerprint() -> None:
    plain, full = of_stream("a", {"c": 1}), of_stream("a", {"c": 1}, id=4, sourceStats={"recordCount": 9})
    assert digest_of(plain) == digest_of(full)


def test_the_state_of_our_own_is_proof_and_is_not_stored() -> None:
    ledger = StateLedger(ROOM)
    ledger.stage(of_stream("a", {}), {}, stored=False)
    commit = ledger.acknowledge(of_stream("a", {}))
    assert commit is not None
    assert (commit.state, commit.stored) == (None, False)


# --- a bound on memory ---


def held(ledger: StateLedger) -> int:
    return sum(each.size for waiting in ledger._staged.values() for each in waiting)


def test_over_the_bound_every_second_state_is_merged_into_the_next_and_no_count_is_lost() -> None:
    ledger = staged(*(("a", {"c": n}) for n in range(1000)), room=20_000)
    assert held(ledger) <= 20_000
    commit = ledger.acknowledge(of_stream("a", None, id=1000))
    assert commit is not None
    assert (commit.covers, commit.counts) == (1000, {("a", None): Tally(1000, 10_000)})
    assert (ledger.unacknowledged(), held(ledger)) == ([], 0)


def test_the_newest_state_of_every_key_always_stays() -> None:
    streams = [f"s{n}" for n in range(20)]
    ledger = staged(*((stream, {"c": n}) for n in range(50) for stream in streams), room=1)
    for stream in streams:
        commit = ledger.acknowledge(of_stream(stream, {"c": 49}))
        assert commit is not None
        assert commit.covers == 50
    assert ledger.unacknowledged() == []


def test_an_echo_of_a_merged_state_commits_what_came_before_it_and_is_no_unmatched_one() -> None:
    ledger = staged(*(("a", {"c": n}) for n in range(1, 101)), room=20_000)
    assert ledger.emitted > sum(len(waiting) for waiting in ledger._staged.values())
    covered = 0
    for number in range(1, 101):
        commit = ledger.acknowledge(of_stream("a", None, id=number))
        covered += commit.covers if commit else 0
        assert covered <= number
    assert (covered, ledger.unmatched) == (100, 0)


def test_a_merged_state_that_looks_like_a_newer_one_does_not_commit_it() -> None:
    """The first of two same states was merged away: its echo must not pass for that of the second."""
    ledger = staged(("a", A), ("a", B), ("a", A), room=1)
    assert ledger.acknowledge(of_stream("a", A)) is None
    assert ledger.unmatched == 0
    commit = ledger.acknowledge(of_stream("a", A))
    assert commit is not None
    assert commit.covers == 3


def test_the_numbers_of_merged_states_are_told_apart_from_bytes_that_only_look_like_them() -> None:
    """Numbers have many zero bytes: two of them side by side hold others that were never sent."""
    ledger = staged(*(("a" if n % 256 else "b", {"c": n}) for n in range(1, 600)), room=1)
    assert ledger.acknowledge(of_stream("a", None, id=256)) is None
    assert ledger.acknowledge(of_stream("a", None, id=512)) is None
    assert ledger.unmatched == 2


@dataclass
class Model:
    """What should happen, with all the memory in the world: every state waits until an echo covers it."""

    waiting: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)
    emitted: int = 0
    unmatched: int = 0

    def stage(self, stream: str, blob: int) -> None:
        self.emitted += 1
        self.waiting.setdefault(stream, []).append((self.emitted, blob))

    def acknowledge(self, stream: str, number: int | None, blob: int) -> None:
        waiting = self.waiting.get(stream, [])
        for place, (each, its_blob) in enumerate(waiting, 1):
            if each == number or (number is None and its_blob == blob):
                del waiting[:place]
                self.durable[stream] = self.durable.get(stream, 0) + place
                return
        self.unmatched += 1


streams = st.sampled_from("abc")
few_blobs = st.integers(0, 3)
steps = st.lists(
    st.tuples(st.just("stage"), streams, st.none(), few_blobs)
    | st.tuples(st.just("echo"), streams, st.none() | st.integers(-1, 40), few_blobs),
    max_size=60,
)


@given(steps, st.sampled_from([1, 800, 1500, 3000]), st.sampled_from(["with ids", "without ids", "mixed"]))
def test_with_little_memory_never_more_is_committed_than_was_echoed(
    what: list[tuple[str, str, int | None, int]], room: int, ids: str
) -> None:
    """Against a model that never merges: as durable or less, the same echoes unmatched, and all of it in the end."""
    ledger, model = StateLedger(room), Model()
    durable: dict[str, int] = {}
    last: dict[str, tuple[int, int]] = {}

    def echo(stream: str, number: int | None, blob: int) -> None:
        model.acknowledge(stream, number, blob)
        more = {} if number is None else {"id": number}
        commit = ledger.acknowledge(of_stream(stream, {"c": blob}, **more))
        if commit is not None:
            durable[stream] = durable.get(stream, 0) + commit.covers
            assert commit.counts == {(stream, None): Tally(commit.covers, 10 * commit.covers)}

    for kind, stream, number, blob in what:
        if kind == "stage":
            ledger.stage(of_stream(stream, {"c": blob}), one_each(stream))
            model.stage(stream, blob)
            last[stream] = (model.emitted, blob)
        else:
            chosen = number if ids == "mixed" else (None if ids == "without ids" else number or 1)
            echo(stream, chosen, blob)
        assert all(count <= model.durable.get(each, 0) for each, count in durable.items())
        assert ledger.unmatched == model.unmatched
        assert {key.stream[0] for key in ledger.unacknowledged() if key.stream} == {
            each for each, waiting in model.waiting.items() if waiting
        }
        assert held(ledger) <= room or all(len(waiting) < 3 for waiting in ledger._staged.values())
    for stream, (number, _) in last.items():
        echo(stream, number, 0)
    assert durable == model.durable
    assert ledger.unacknowledged() == []


@given(steps)
def test_with_enough_memory_exactly_what_was_echoed_is_committed(
    what: list[tuple[str, str, int | None, int]],
) -> None:
    ledger, model = StateLedger(ROOM), Model()
    durable: dict[str, int] = {}
    for kind, stream, number, blob in what:
        if kind == "stage":
            ledger.stage(of_stream(stream, {"c": blob}), one_each(stream))
            model.stage(stream, blob)
            continue
        model.acknowledge(stream, number, blob)
        commit = ledger.acknowledge(of_stream(stream, {"c": blob}, **({} if number is None else {"id": number})))
        durable[stream] = durable.get(stream, 0) + (commit.covers if commit else 0)
        assert durable[stream] == model.durable.get(stream, 0)
    assert ledger.unmatched == model.unmatched
