"""The clocks on running connectors: what is waited for how long, what does not count, and what is said in the end.

Cases of upstream's, of its source heartbeat and its destination timeout, carry their numbers. P7 and P10 are of a
heartbeat to a service; ours is the lease of a pod, which `tests/store/test_lone_pods.py` has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.models import Clocks, FailureOrigin, FailureType
from airbyte_workers.replication.clocks import ClockLimits, Expired, Seen, Watchman, in_force
from airbyte_workers.settings import Settings

SOURCE_SILENT, HEARTBEAT = FailureType.SOURCE_SILENT, FailureType.HEARTBEAT_TIMEOUT
DESTINATION, TOTAL = FailureType.DESTINATION_TIMEOUT, FailureType.TOTAL_TIMEOUT
FOR_EVER = float("inf")


def looks(limits: ClockLimits, *seen: Seen, every: float = 1) -> list[Expired | None]:
    """What each look says, one after the other."""
    watchman = Watchman(limits, 0, longest_step=FOR_EVER)
    return [watchman.look(every * number, each) for number, each in enumerate(seen, 1)]


def kinds(limits: ClockLimits, *seen: Seen, every: float = 1) -> list[FailureType | None]:
    return [each and each.failure.type for each in looks(limits, *seen, every=every)]


def goes_on(seen: Seen, count: int, **each_time: float) -> Iterator[Seen]:
    """The same again and again, with counters that grow by so much each time."""
    for number in range(1, count + 1):
        yield replace(seen, **{name: getattr(seen, name) + number * step for name, step in each_time.items()})


# --- the source ---


def test_p1_a_source_that_never_said_anything_is_timed_from_when_its_output_was_opened() -> None:
    """Differs: upstream's is not timed before its first beat, and would be waited for for ever."""
    closed = goes_on(Seen(is_read=False), 20)
    assert kinds(ClockLimits(progress=10), *closed, *goes_on(Seen(), 11)) == [None] * 30 + [HEARTBEAT]


def test_p2_one_whose_last_record_is_younger_than_the_limit_is_alive() -> None:
    assert kinds(ClockLimits(progress=10), Seen(progress=1), *goes_on(Seen(progress=1), 5)) == [None] * 6


def test_p3_one_whose_last_record_is_older_than_the_limit_has_failed() -> None:
    assert kinds(ClockLimits(progress=10), Seen(progress=1), Seen(progress=1), every=30)[-1] is HEARTBEAT


def test_p9_one_that_has_ended_its_output_is_not_timed() -> None:
    ended = Seen(is_read=False)
    assert kinds(ClockLimits(silence=1, progress=1), Seen(source_bytes=1, progress=1), *goes_on(ended, 100)) == (
        [None] * 101
    )


def test_bytes_without_records_or_states_are_life_but_no_progress() -> None:
    talking = list(goes_on(Seen(), 10, source_bytes=100))
    assert kinds(ClockLimits(silence=3), *talking) == [None] * 10
    assert kinds(ClockLimits(silence=3, progress=8), *talking)[7] is HEARTBEAT


def test_silence_is_told_before_the_lack_of_progress_that_comes_with_it() -> None:
    assert kinds(ClockLimits(silence=3, progress=3), *goes_on(Seen(), 3))[-1] is SOURCE_SILENT


@pytest.mark.parametrize("kept_from", [{"kept_s": 1.0}, {"kept_s": 0.9}])
def test_time_in_which_something_else_kept_us_from_reading_is_not_the_sources(kept_from: dict[str, float]) -> None:
    assert kinds(ClockLimits(silence=3, progress=3), *goes_on(Seen(), 20, **kept_from)) == [None] * 20


def test_half_of_the_time_kept_back_is_half_of_the_clock() -> None:
    found = kinds(ClockLimits(silence=3), *goes_on(Seen(), 6, kept_s=0.5))
    assert found == [None] * 5 + [SOURCE_SILENT]


def test_time_in_which_nobody_looked_is_not_counted() -> None:
    watchman = Watchman(ClockLimits(silence=30, acknowledgement=30), 0, longest_step=10)
    assert watchman.look(1, Seen()) is None
    assert watchman.look(100_000, Seen()) is None
    assert watchman.look(100_001, Seen()) is None


# --- the destination ---


def owing(**more: int) -> Seen:
    """The source is fine, and a state waits for its echo."""
    return replace(Seen(is_read=False, owes=True), **more)


def test_p4_a_destination_that_has_only_just_been_given_something_is_not_late() -> None:
    blocked = owing(echoes=1, is_blocked=True)
    assert kinds(ClockLimits(acknowledgement=300), *goes_on(blocked, 5), every=0.01) == [None] * 5


def test_p8_one_that_takes_nothing_has_failed_and_cannot_be_given_more() -> None:
    found = looks(ClockLimits(acknowledgement=5), *goes_on(Seen(is_read=False, is_blocked=True), 6))
    assert found[:5] == [None] * 5
    assert found[5] is not None
    assert (found[5].failure.type, found[5].is_stuck) == (DESTINATION, True)


def test_one_that_takes_a_little_now_and_then_is_slow_and_no_more() -> None:
    assert kinds(ClockLimits(acknowledgement=5), *goes_on(owing(is_blocked=True), 50, input_bytes=1)) == [None] * 50


def test_one_that_has_acknowledged_before_owes_the_next_echo_in_time() -> None:
    found = looks(ClockLimits(acknowledgement=5), *goes_on(owing(echoes=1), 6, input_bytes=100))
    assert found[:5] == [None] * 5
    assert found[5] is not None
    assert (found[5].failure.type, found[5].is_stuck) == (DESTINATION, False)


def test_one_that_has_acknowledged_nothing_may_do_so_at_its_end() -> None:
    assert kinds(ClockLimits(acknowledgement=5), *goes_on(owing(), 50, input_bytes=100)) == [None] * 50


def test_every_echo_gives_all_the_time_again() -> None:
    four = list(goes_on(owing(echoes=1), 4))
    assert kinds(ClockLimits(acknowledgement=5), *four, *goes_on(owing(echoes=2), 5)) == [None] * 9
    assert kinds(ClockLimits(acknowledgement=5), *four, *goes_on(owing(echoes=2), 6))[-1] is DESTINATION


def test_an_echo_counts_for_one_that_takes_nothing_at_the_moment() -> None:
    assert kinds(ClockLimits(acknowledgement=5), *goes_on(owing(is_blocked=True), 50, echoes=1)) == [None] * 50


def test_one_that_owes_nothing_may_be_silent() -> None:
    assert kinds(ClockLimits(acknowledgement=5), *goes_on(Seen(is_read=False, echoes=3), 50)) == [None] * 50


def test_after_its_end_of_input_others_time_it() -> None:
    assert kinds(ClockLimits(acknowledgement=5), *goes_on(owing(echoes=1, is_written=False), 50)) == [None] * 50


# --- the whole job ---


def test_a_job_ends_when_its_time_is_over_whatever_it_does() -> None:
    busy = goes_on(Seen(), 10, source_bytes=1, progress=1, echoes=1, input_bytes=1)
    assert kinds(ClockLimits(total=60, left=7), *busy)[6] is TOTAL


def test_one_that_is_launched_too_late_ends_at_the_first_look() -> None:
    assert kinds(ClockLimits(total=60, left=-5), Seen()) == [TOTAL]


# --- all of them ---


@pytest.mark.parametrize(
    ("limits", "seen", "origin", "message"),
    [
        (
            {"silence": 1800},
            Seen(),
            FailureOrigin.SOURCE,
            "the source sent no byte for 30 m 0 s (source_silence_minutes)",
        ),
        (
            {"progress": 10_800},
            Seen(),
            FailureOrigin.SOURCE,
            "the source sent neither a record nor a state for 3 h 0 m (source_progress_minutes)",
        ),
        (
            {"acknowledgement": 7200},
            Seen(is_blocked=True),
            FailureOrigin.DESTINATION,
            "the destination took nothing of its input and acknowledged nothing for 2 h 0 m (acknowledgement_minutes)",
        ),
        (
            {"acknowledgement": 7200},
            Seen(owes=True, echoes=1),
            FailureOrigin.DESTINATION,
            "the destination acknowledged none of the states it has for 2 h 0 m (acknowledgement_minutes)",
        ),
        (
            {"total": 90, "left": 1},
            Seen(),
            FailureOrigin.PLATFORM,
            "the job took longer than 1 m 30 s with all its attempts and waits (total_minutes)",
        ),
    ],
)
def test_what_is_said_names_the_leg_the_time_and_the_setting(
    limits: dict[str, float], seen: Seen, origin: FailureOrigin, message: str
) -> None:
    found = looks(ClockLimits(**limits), seen, seen, every=20_000)[-1]
    assert found is not None
    assert (found.failure.origin, found.failure.message) == (origin, message)


COUNTERS = st.builds(
    Seen,
    is_read=st.booleans(),
    kept_s=st.floats(0, 5),
    source_bytes=st.integers(0, 2),
    progress=st.integers(0, 2),
    is_blocked=st.booleans(),
    input_bytes=st.integers(0, 2),
    echoes=st.integers(0, 2),
    owes=st.booleans(),
    is_written=st.booleans(),
)


@given(st.lists(st.tuples(st.floats(0, 10_000), COUNTERS)))
def test_p6_a_clock_that_is_off_never_fails_anybody(steps: list[tuple[float, Seen]]) -> None:
    watchman, now = Watchman(ClockLimits(), 0, longest_step=FOR_EVER), 0.0
    for step, seen in steps:
        now += step
        assert watchman.look(now, seen) is None


@given(st.lists(st.tuples(st.floats(0.01, 9), COUNTERS), max_size=30))
def test_no_clock_runs_faster_than_time(steps: list[tuple[float, Seen]]) -> None:
    watchman, now = Watchman(ClockLimits(silence=100, progress=100, acknowledgement=100), 0, FOR_EVER), 0.0
    for step, seen in steps:
        now += step
        assert watchman.look(now, seen) is None or now >= 100


@given(st.lists(st.floats(0.01, 9), min_size=1, max_size=30))
def test_who_gives_something_at_every_look_is_never_timed_out(steps: list[float]) -> None:
    watchman, now = Watchman(ClockLimits(silence=0.001, progress=0.001, acknowledgement=0.001), 0, FOR_EVER), 0.0
    for number, step in enumerate(steps, 1):
        now += step
        seen = Seen(source_bytes=number, progress=number, input_bytes=number, is_blocked=True, echoes=number, owes=True)
        assert watchman.look(now, seen) is None


def test_a_connections_own_clocks_go_before_those_of_the_settings() -> None:
    settings = Settings(source_silence_minutes=1, source_progress_minutes=2, acknowledgement_minutes=3, total_minutes=4)
    own = Clocks(source_progress_minutes=0, total_minutes=9)
    assert in_force(own, settings) == Clocks(
        source_silence_minutes=1, source_progress_minutes=0, acknowledgement_minutes=3, total_minutes=9
    )
    assert ClockLimits.of(in_force(own, settings), 100) == ClockLimits(60, 0, 180, 540, 100)


def test_a_job_without_a_total_limit_has_no_end() -> None:
    assert ClockLimits.of(Clocks(total_minutes=0), 5).left is None
