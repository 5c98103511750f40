"""Speed limits: never more than rate and burst allow, never less than the limit, blocks cut at their lines."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.models import SpeedLimits
from airbyte_workers.replication.speed_limits import BURST_S, Limiter, Portion

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n"), min_size=1, max_size=60)
RATES = st.floats(0.5, 10_000)


@given(LINES, st.integers(1, 30) | st.none(), st.integers(1, 300) | st.none())
def test_portions_are_the_blocks_lines_in_their_order(lines: list[bytes], most: int | None, size: int | None) -> None:
    portions = list(Portion(most, size).cut(b"".join(lines)))
    assert b"".join(portions) == b"".join(lines)
    assert all(portion.endswith(b"\n") for portion in portions)
    assert all(most is None or portion.count(b"\n") <= most for portion in portions)
    assert all(size is None or len(portion) <= size or portion.count(b"\n") == 1 for portion in portions)


def test_a_block_that_fits_goes_through_as_one_piece() -> None:
    assert list(Portion(10, 100).cut(b"a\nb\n")) == [b"a\nb\n"]


def test_many_records_at_ten_a_second_do_not_go_through_at_once() -> None:
    limiter = Limiter(SpeedLimits(records_per_second=10))
    portions = list(limiter.portion.cut(b"{}\n" * 10_000))
    assert len(portions) == 5_000
    now, seconds = 0.0, []
    for portion in portions[:50]:
        seconds.append(now)
        now += limiter.spend(portion.count(b"\n"), 0, now)
    assert seconds == pytest.approx([number * 0.2 for number in range(50)])


def passed(rate: float, portions: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """When each portion went through, and how much by then; each comes some time after the wait for the last."""
    limiter, now, moments = Limiter(SpeedLimits(records_per_second=rate)), 0.0, []
    for late, records in portions:
        now += late
        moments.append(now)
        now += limiter.spend(records, 0, now)
    return moments, list(accumulate(records for _, records in portions))


@given(st.data(), RATES)
def test_over_any_time_no_more_goes_through_than_the_rate_and_one_burst(data: st.DataObject, rate: float) -> None:
    most = Limiter(SpeedLimits(records_per_second=rate)).portion.lines
    assert most is not None
    sizes = st.tuples(st.floats(0, 3), st.integers(0, most))
    moments, totals = passed(rate, data.draw(st.lists(sizes, min_size=1, max_size=40)))
    for first, begin in enumerate(moments):
        before = totals[first - 1] if first else 0
        for end, total in zip(moments[first:], totals[first:], strict=True):
            assert total - before <= rate * (end - begin + BURST_S) + 1 + 1e-6


@given(RATES, st.integers(1, 40))
def test_who_always_has_something_goes_as_fast_as_the_limit(rate: float, count: int) -> None:
    portion = Limiter(SpeedLimits(records_per_second=rate)).portion.lines
    assert portion is not None
    moments, totals = passed(rate, [(0, portion)] * (count + 1))
    assert moments[-1] * rate == pytest.approx(totals[-2])


def test_the_tighter_of_both_limits_counts() -> None:
    limiter = Limiter(SpeedLimits(records_per_second=100, bytes_per_second="1Ki"))
    assert limiter.spend(10, 2048, 0) == pytest.approx(2)
    assert limiter.spend(1000, 0, 2) == pytest.approx((1000 - 75) / 100)


def test_without_limits_nothing_is_limited() -> None:
    limiter = Limiter(SpeedLimits())
    assert not limiter.is_limiting
    assert limiter.spend(10**9, 10**12, 0) == 0
