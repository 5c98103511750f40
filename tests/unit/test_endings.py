"""How long a pod may take to end in order."""

from __future__ import annotations

import pytest

from airbyte_workers.jobs.endings import Grace, orderly_end_s
from airbyte_workers.settings import Settings


def test_an_orderly_end_lasts_as_long_as_all_its_steps_together() -> None:
    settings = Settings(
        shutdown_grace_period_s=1000, shutdown_term_period_s=100, exit_code_timeout_s=10, removal_timeout_s=1
    )
    source_stopped, destination_ended, pipes, last_commit = 2 * 100, 1000 + 2 * 100, 10, 1
    assert orderly_end_s(settings) == source_stopped + destination_ended + pipes + last_commit


def over_at(grace: Grace, *signs: tuple[float, int, int], until: float = 1000) -> float | None:
    """The first whole second at which it is over; `signs`: from when on how many bytes and echoes had come."""
    for now in range(int(until)):
        heard = [(size, echoes) for at, size, echoes in signs if at <= now]
        size, echoes = heard[-1] if heard else (0, 0)
        grace.look(now, signs=size, echoes=echoes)
        if grace.is_over(now):
            return now
    return None


def test_one_that_says_nothing_has_one_grace() -> None:
    assert over_at(Grace(60, 0, longest=7200)) == 60


def test_every_sign_of_life_begins_the_grace_anew() -> None:
    assert over_at(Grace(60, 0, longest=7200), (50, 1, 0), (100, 2, 0)) == 160


def test_one_that_never_stops_talking_has_the_longest_time_from_its_last_echo() -> None:
    talking = [(float(at), at, 1 if at >= 40 else 0) for at in range(1, 500)]
    grace = Grace(60, 0, longest=100)
    assert (over_at(grace, *talking), grace.is_overlong) == (140, True)


@pytest.mark.parametrize("hurried", [0, 30, 200])
def test_whoever_waits_for_the_end_waits_one_grace_at_the_most(hurried: int) -> None:
    talking = [(float(at), at, 0) for at in range(1, 500)]
    grace = Grace(60, 0, longest=7200)
    assert over_at(grace, *talking, until=hurried) is None
    grace.hurry(hurried)
    grace.hurry(hurried + 50)
    assert (over_at(grace, *talking), grace.is_overlong) == (hurried + 60, False)
