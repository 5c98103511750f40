"""What is concluded of a pod on a host out of reach: never too much, and in the end something."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.jobs.reach import FarPod, FarVerdict, Patience, has_told_its_end, is_gone, judge
from airbyte_workers.models import Evidence
from airbyte_workers.settings import Settings

PATIENCE = Patience(lease=60, database=10)


def test_whatever_else_is_known_a_host_that_is_watched_has_its_pods() -> None:
    for final, gone in itertools.product((False, True), repeat=2):
        assert judge(FarPod(True, final, gone)) is FarVerdict.HAND_OVER


@pytest.mark.parametrize(
    ("final", "gone", "verdict"),
    [
        (True, False, FarVerdict.ENDED),
        (True, True, FarVerdict.ENDED),
        (False, True, FarVerdict.LOST),
        (False, False, FarVerdict.WAIT),
    ],
)
def test_a_marker_counts_first_and_a_pod_without_one_is_waited_for_until_its_lease_is_over(
    final: bool, gone: bool, verdict: FarVerdict
) -> None:
    assert judge(FarPod(False, final, gone)) is verdict


@pytest.mark.parametrize(
    ("over", "reachable", "gone"), [(60, 10, True), (59.9, 999, False), (-1, 999, False), (999, 9.9, False)]
)
def test_a_pod_is_gone_once_its_lease_was_over_for_long_enough_and_could_have_been_renewed(
    over: float, reachable: float, gone: bool
) -> None:
    assert is_gone(over, reachable, PATIENCE) is gone


def test_a_pod_gets_the_whole_time_of_an_end_in_order_after_its_lease(tmp_path: Path) -> None:
    """That is when it notices that it has none any more, at the latest one renewal later."""
    settings = Settings(home=tmp_path)
    patience = Patience.of(settings)
    renewal = settings.progress_interval_s + settings.database_timeout_s
    assert patience.lease >= orderly_end_s(settings) + renewal
    assert patience.database >= 2 * renewal


@pytest.mark.parametrize(("source", "destination"), [(None, None), (0, None), (None, 0)])
def test_an_end_without_both_exit_codes_is_not_proven(source: int | None, destination: int | None) -> None:
    assert not has_told_its_end(Evidence(source_exit_code=source, destination_exit_code=destination))
    assert has_told_its_end(Evidence(source_exit_code=0, destination_exit_code=137))
