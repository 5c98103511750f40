"""What lies between two points of a log in which rewinds are entries too."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.replication.state_history import Between, Rewind, Span, between, lineage

BACK = Rewind(first=11, last=12, restores=10)


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        (15, 10, Between([Span(10, 15)], [], 10)),
        (10, 15, Between([], [Span(10, 15)], 10)),
        (10, 10, Between([], [], 10)),
        (5, 0, Between([Span(0, 5)], [], 0)),
    ],
)
def test_without_rewinds_it_is_what_came_in_between(ours: int, theirs: int, found: Between) -> None:
    assert between(ours, theirs, []) == found


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        (12, 10, Between([], [], 10)),
        (15, 10, Between([Span(12, 15)], [], 10)),
        (15, 8, Between([Span(8, 10), Span(12, 15)], [], 8)),
        (12, 8, Between([Span(8, 10)], [], 8)),
    ],
)
def test_a_rewind_goes_on_from_where_it_went_back_to(ours: int, theirs: int, found: Between) -> None:
    assert between(ours, theirs, [BACK]) == found


def test_what_a_rewind_undid_is_on_another_branch() -> None:
    undone = Rewind(first=31, last=31, restores=20)
    assert between(35, 30, [undone]) == Between([Span(31, 35)], [Span(20, 30)], 20)
    assert between(31, 30, [undone]) == Between([], [Span(20, 30)], 20)


def test_a_rewind_to_before_a_rewind_undoes_it() -> None:
    undone = Rewind(first=31, last=31, restores=20)
    redone = Rewind(first=32, last=32, restores=30)
    assert lineage(32, [undone, redone]) == [Span(0, 30)]
    assert between(32, 30, [undone, redone]) == Between([], [], 30)


# --- against a simple mind that remembers every way ---

STEPS = st.lists(st.one_of(st.integers(1, 3), st.integers(-20, -1)), max_size=25)
"""So many entries that are committed at once, or a rewind to the position after that step, counted back."""


def walked(steps: Sequence[int]) -> tuple[list[tuple[int, frozenset[int]]], list[Rewind]]:
    """Every position with all the entries that led to it, and the rewinds."""
    ways: list[tuple[int, frozenset[int]]] = [(0, frozenset())]
    rewinds: list[Rewind] = []
    for step in steps:
        head, way = ways[-1]
        if step > 0:
            ways.append((head + step, way | set(range(head + 1, head + step + 1))))
        else:
            target, was = ways[step % len(ways)]
            ways.append((head + 1, was))
            rewinds.append(Rewind(head + 1, head + 1, target))
    return ways, rewinds


def entries(spans: Sequence[Span]) -> frozenset[int]:
    return frozenset(entry for span in spans for entry in range(span.low + 1, span.high + 1))


@given(STEPS, st.integers(0, 30), st.integers(0, 30))
def test_whatever_was_rewound_what_is_told_led_to_one_of_the_two_alone(
    steps: Sequence[int], one: int, other: int
) -> None:
    ways, rewinds = walked(steps)
    (ours, our_way), (theirs, their_way) = ways[one % len(ways)], ways[other % len(ways)]
    found = between(ours, theirs, rewinds)
    assert entries(lineage(ours, rewinds)) == our_way
    assert (entries(found.ours), entries(found.theirs)) == (our_way - their_way, their_way - our_way)
    common = our_way & their_way
    assert common == entries(lineage(found.parted, rewinds))
