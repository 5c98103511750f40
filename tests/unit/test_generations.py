"""Generations and sync ids: conformance cases E1-E4, which streams begin anew (airbyte-behaviour.md 1.6), translation.

E7 and E8 (numbers that are saved) are in tests/store/test_generation_rows.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from airbyte_workers.names import JobKind
from airbyte_workers.protocol.catalog import DESTINATION_SYNC_MODES, SYNC_MODES
from airbyte_workers.protocol.generations import Scope, for_destination, for_source, keys, renewed
from airbyte_workers.protocol.messages import ConfiguredCatalog, ConfiguredStream, Stream
from airbyte_workers.protocol.streams import StreamKey, key_of

NAME1, NAME2_NS1, NAME2_NS2 = ("name1", "ns1"), ("name2", "ns1"), ("name2", "ns2")
KNOWN = {NAME1: 1, NAME2_NS1: 3, NAME2_NS2: 2}
JOB = 3
REFRESH, CLEAR, SYNC = JobKind.REFRESH, JobKind.CLEAR, JobKind.SYNC


def configured(
    key: StreamKey, sync_mode: str = "incremental", mode: str = "append", *, resumable: bool | None = None
) -> ConfiguredStream:
    stream = Stream(name=key[0], namespace=key[1], json_schema=Raw(b"{}"), is_resumable=resumable)
    return ConfiguredStream(stream=stream, sync_mode=sync_mode, destination_sync_mode=mode)


def catalog(*streams: ConfiguredStream) -> ConfiguredCatalog:
    return ConfiguredCatalog(streams=list(streams))


def truncating(*streams: StreamKey) -> Scope:
    return Scope(REFRESH, frozenset(streams) or None, truncates=True, supports_refreshes=True)


def merging(*streams: StreamKey) -> Scope:
    return Scope(REFRESH, frozenset(streams) or None, supports_refreshes=True)


def told(catalog: ConfiguredCatalog, scope: Scope) -> dict[StreamKey, tuple[int | None, int | None]]:
    """(generation, minimum) by stream."""
    written = for_destination(catalog, scope, KNOWN, JOB)
    assert {each.sync_id for each in written.streams} == {JOB}
    return {key_of(each.stream): (each.generation_id, each.minimum_generation_id) for each in written.streams}


INCREMENTAL = catalog(configured(NAME1), configured(NAME2_NS2))


@pytest.mark.parametrize(
    ("case", "scope", "expected"),
    [
        ("E1", Scope(SYNC), {NAME1: (1, 0), NAME2_NS2: (2, 0)}),
        ("E2", truncating(NAME1, NAME2_NS2), {NAME1: (1, 1), NAME2_NS2: (2, 2)}),
        ("E2, all", truncating(), {NAME1: (1, 1), NAME2_NS2: (2, 2)}),
        ("E3", truncating(NAME1), {NAME1: (1, 1), NAME2_NS2: (2, 0)}),
        ("E4", merging(NAME1), {NAME1: (1, 0), NAME2_NS2: (2, 0)}),
        ("a clear of one", Scope(CLEAR, frozenset({NAME1})), {NAME1: (1, 1), NAME2_NS2: (2, 0)}),
        ("a clear of all", Scope(CLEAR), {NAME1: (1, 1), NAME2_NS2: (2, 2)}),
    ],
)
def test_a_destination_is_told_generations_and_the_oldest_to_keep(
    case: str, scope: Scope, expected: dict[StreamKey, tuple[int, int]]
) -> None:
    assert told(INCREMENTAL, scope) == expected, case


def test_a_stream_without_a_generation_has_the_number_zero() -> None:
    assert told(catalog(configured(("new", None), "full_refresh", "overwrite")), Scope(SYNC)) == {("new", None): (0, 0)}


@pytest.mark.parametrize(
    ("sync_mode", "mode", "minimum"),
    [
        ("full_refresh", "overwrite", 1),
        ("full_refresh", "overwrite_dedup", 1),
        ("full_refresh", "append", 0),
        ("full_refresh", "append_dedup", 0),
        ("incremental", "overwrite", 0),
        ("incremental", "append_dedup", 0),
    ],
)
@pytest.mark.parametrize("supports", [True, False])
def test_a_full_read_that_overwrites_keeps_no_older_generation(
    sync_mode: str, mode: str, minimum: int, supports: bool
) -> None:
    scope = Scope(SYNC, supports_refreshes=supports)
    assert told(catalog(configured(NAME1, sync_mode, mode)), scope) == {NAME1: (1, minimum)}


@pytest.mark.parametrize(
    ("mode", "without", "knowing"),
    [
        ("append", "append", "append"),
        ("overwrite", "overwrite", "append"),
        ("append_dedup", "append_dedup", "append_dedup"),
        ("overwrite_dedup", "overwrite_dedup", "append_dedup"),
        ("update", "update", "update"),
        ("soft_delete", "soft_delete", "soft_delete"),
    ],
)
def test_modes_are_translated_for_a_destination_that_knows_generations_and_for_no_other(
    mode: str, without: str, knowing: str
) -> None:
    """decisions.md, "Connections and safety": without supports_refreshes they stay as configured."""
    streams = catalog(configured(NAME1, "full_refresh", mode))
    (plain,) = for_destination(streams, Scope(SYNC), KNOWN, JOB).streams
    (translated,) = for_destination(streams, Scope(SYNC, supports_refreshes=True), KNOWN, JOB).streams
    assert (plain.destination_sync_mode, translated.destination_sync_mode) == (without, knowing)


@pytest.mark.parametrize(
    ("mode", "shown"), [("update", "append"), ("soft_delete", "append"), ("overwrite", "overwrite")]
)
def test_a_source_sees_no_destination_mode_that_it_may_not_know(mode: str, shown: str) -> None:
    (source,) = for_source(catalog(configured(NAME1, mode=mode))).streams
    assert source.destination_sync_mode == shown


@pytest.mark.parametrize(
    ("mode", "kept"),
    [("overwrite", "append"), ("overwrite_dedup", "append_dedup"), ("append", "append"), ("update", "update")],
)
def test_a_clear_writes_nothing_over_a_stream_that_it_does_not_name(mode: str, kept: str) -> None:
    streams = catalog(configured(NAME1, "full_refresh", mode), configured(NAME2_NS1))
    other, named = for_destination(streams, Scope(CLEAR, frozenset({NAME2_NS1})), KNOWN, JOB).streams
    assert (other.sync_mode, other.destination_sync_mode, other.minimum_generation_id) == ("full_refresh", kept, 0)
    assert (named.sync_mode, named.destination_sync_mode) == ("full_refresh", "overwrite")


FULL, RESUMABLE, NEW = ("full", None), ("resumable", None), ("new", None)
ALL_SORTS = catalog(
    configured(FULL, "full_refresh", "overwrite"),
    configured(RESUMABLE, "full_refresh", "append", resumable=True),
    configured(NEW, "incremental", "append"),
)


@pytest.mark.parametrize(
    ("scope", "attempt", "expected"),
    [
        (Scope(SYNC), 0, [FULL, RESUMABLE]),
        (Scope(SYNC), 1, [FULL, RESUMABLE]),
        (Scope(SYNC, supports_refreshes=True), 0, [FULL, RESUMABLE]),
        (Scope(SYNC, supports_refreshes=True), 1, [FULL]),
        (Scope(SYNC, supports_refreshes=True), 7, [FULL]),
        (merging(NEW), 0, [FULL, RESUMABLE, NEW]),
        (merging(NEW), 1, [FULL]),
        (truncating(), 0, [FULL, RESUMABLE, NEW]),
        (truncating(), 1, [FULL]),
        (Scope(CLEAR, frozenset({NEW})), 0, [NEW]),
        (Scope(CLEAR, frozenset({FULL})), 0, [FULL]),
        (Scope(CLEAR), 0, [FULL, RESUMABLE, NEW]),
        (Scope(CLEAR), 1, []),
    ],
)
def test_what_begins_anew_with_an_attempt(scope: Scope, attempt: int, expected: list[StreamKey]) -> None:
    assert renewed(ALL_SORTS, scope, attempt) == expected


STREAMS = st.lists(
    st.builds(
        configured,
        st.tuples(st.sampled_from("abc"), st.sampled_from([None, "n"])),
        st.sampled_from(SYNC_MODES),
        st.sampled_from(DESTINATION_SYNC_MODES),
        resumable=st.sampled_from([None, False, True]),
    ),
    unique_by=lambda each: key_of(each.stream),
    max_size=5,
)


@given(
    streams=STREAMS,
    kind=st.sampled_from([SYNC, CLEAR, REFRESH]),
    named=st.none() | st.frozensets(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "n"]))),
    truncates=st.booleans(),
    supports=st.booleans(),
    attempt=st.integers(0, 3),
)
def test_no_stream_is_emptied_that_does_not_begin_anew(
    streams: list[ConfiguredStream],
    kind: JobKind,
    named: frozenset[StreamKey] | None,
    truncates: bool,
    supports: bool,
    attempt: int,
) -> None:
    """What the destination may remove is what this job reads from its beginning, or clears."""
    scope = Scope(kind, named, truncates and kind is REFRESH, supports)
    whole = catalog(*streams)
    begun = set(renewed(whole, scope, 0))
    assert set(renewed(whole, scope, attempt)) <= begun
    written = for_destination(whole, scope, dict.fromkeys(keys(whole), 5), JOB)
    assert keys(written) == keys(whole)
    for each in written.streams:
        assert each.generation_id == 5
        if each.minimum_generation_id:
            assert key_of(each.stream) in begun
        if kind is CLEAR and not scope.names(key_of(each.stream)):
            assert each.destination_sync_mode not in ("overwrite", "overwrite_dedup")
