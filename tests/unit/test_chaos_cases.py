"""The table of cases: every victim at every moment under every launcher is decided, and each decision says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from airbyte_workers.chaos.cases import (
    LAUNCHERS,
    POD_PROGRAMS,
    POINTS,
    Case,
    Expected,
    NotApplicable,
    Victim,
    all_cases,
    decide,
)
from airbyte_workers.chaos.selection import Wanted, applicable, sample
from airbyte_workers.chaos.surroundings import EngineChoice, Host, divided
from airbyte_workers.chaos.syncs import Sync
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import JobStatus
from airbyte_workers.names import LauncherName

CASES = list(all_cases())


def of(victim: Victim, point: Failpoint, launcher: LauncherName = "docker") -> Expected | NotApplicable:
    return decide(Case(victim, point, launcher))


def test_every_pair_is_decided_under_every_launcher() -> None:
    assert len(set(CASES)) == len(CASES) == len(Victim) * len(POINTS) * len(LAUNCHERS)
    assert {type(decide(case)) for case in CASES} == {Expected, NotApplicable}


def test_every_decision_says_why_in_a_sentence() -> None:
    reasons = {decide(case).why for case in CASES}
    assert [why for why in reasons if not (why[0].isupper() and why.endswith(".") and len(why.split()) >= 5)] == []


def test_every_moment_is_struck_under_every_launcher() -> None:
    assert {(case.point, case.launcher) for case in applicable(Wanted())} == {
        (point, launcher) for point in POINTS for launcher in LAUNCHERS
    }


def test_every_victim_is_struck_under_every_launcher_that_uses_it() -> None:
    struck = {(case.victim, case.launcher) for case in applicable(Wanted())}
    assert {(victim, launcher) for victim in Victim for launcher in LAUNCHERS} - struck == {
        (Victim.DOCKER_ENGINE, "process")
    }


@pytest.mark.parametrize("victim", sorted(set(Victim) - POD_PROGRAMS - {Victim.DOCKER_ENGINE}))
def test_whoever_comes_back_costs_no_attempt(victim: Victim) -> None:
    """Of the job: the one attempt that it has, or after one that failed by itself a second one."""
    ends = {point: of(victim, point) for point in POINTS}
    assert {end.attempts for end in ends.values() if isinstance(end, Expected)} == {1, 2}
    assert [point for point, end in ends.items() if isinstance(end, Expected) and end.attempts == 2] == [
        Failpoint.DURING_BACKOFF
    ]


@pytest.mark.parametrize("victim", [Victim.SOURCE, Victim.DESTINATION, Victim.ORCHESTRATOR])
def test_a_lost_program_of_the_pod_costs_exactly_one(victim: Victim) -> None:
    ends = [of(victim, point) for point in POINTS if point is not Failpoint.DURING_CANCEL]
    assert {(end.status, end.attempts) for end in ends if isinstance(end, Expected)} == {(JobStatus.SUCCEEDED, 2)}


def test_a_lost_holder_costs_none() -> None:
    ends = [of(Victim.HOLDER, point) for point in POINTS if point is not Failpoint.DURING_CANCEL]
    assert {(end.status, end.attempts) for end in ends if isinstance(end, Expected)} == {(JobStatus.SUCCEEDED, 1)}


@pytest.mark.parametrize("victim", Victim)
def test_what_was_cancelled_stays_cancelled(victim: Victim) -> None:
    end = of(victim, Failpoint.DURING_CANCEL)
    assert isinstance(end, Expected)
    assert (end.status, end.attempts) == (JobStatus.CANCELLED, 1)


@pytest.mark.parametrize(
    ("victim", "first", "last"),
    [
        (Victim.SOURCE, Failpoint.SOURCE_STARTED, Failpoint.COMMITTED),
        (Victim.DESTINATION, Failpoint.DESTINATION_STARTED, Failpoint.END_OF_INPUT),
        (Victim.ORCHESTRATOR, Failpoint.DESTINATION_STARTED, Failpoint.FINAL_MARKER),
        (Victim.HOLDER, Failpoint.DESTINATION_STARTED, Failpoint.SOURCE_EXITED),
    ],
)
def test_a_program_is_struck_from_its_start_to_its_end(victim: Victim, first: Failpoint, last: Failpoint) -> None:
    lives = POINTS[POINTS.index(first) : POINTS.index(last) + 1]
    struck = [point for point in POINTS if isinstance(of(victim, point), Expected)]
    assert struck == [*lives, Failpoint.DURING_CANCEL]


@pytest.mark.parametrize(
    ("point", "attempts"),
    [
        (Failpoint.POD_CREATED, 1),
        (Failpoint.DESTINATION_STARTED, 1),
        (Failpoint.SOURCE_STARTED, 2),
        (Failpoint.COMMITTED, 2),
        (Failpoint.SOURCE_EXITED, 1),
        (Failpoint.TEARDOWN_HALF_DONE, 1),
        (Failpoint.DURING_BACKOFF, 2),
    ],
)
def test_an_engine_costs_an_attempt_while_containers_are_at_work(point: Failpoint, attempts: int) -> None:
    end = of(Victim.DOCKER_ENGINE, point)
    assert isinstance(end, Expected)
    assert end.attempts == attempts
    assert isinstance(of(Victim.DOCKER_ENGINE, point, "process"), NotApplicable)


# --- which are played ---


def test_only_what_was_asked_for_and_applies_is_played() -> None:
    wanted = Wanted({Victim.SOURCE, Victim.HOLDER}, {Failpoint.SOURCE_EXITED}, ("process",))
    assert applicable(wanted) == [Case(Victim.HOLDER, Failpoint.SOURCE_EXITED, "process")]


def test_a_seed_draws_the_same_cases_again_and_another_one_others() -> None:
    cases = applicable(Wanted())
    drawn = sample(cases, 10, seed=7)
    assert drawn == sample(cases, 10, seed=7)
    assert len(set(drawn)) == 10
    assert drawn != sample(cases, 10, seed=8)
    assert sample(cases, len(cases) + 1, seed=7) == cases


# --- where they are played ---

OWN = EngineChoice("unix:///own", is_own=True)
THEIRS = EngineChoice("unix:///theirs", is_own=False, problem="no root")
NONE = EngineChoice(None, is_own=False, problem="no root, and no other engine answers")


@pytest.mark.parametrize(
    ("host", "left_out"),
    [
        (Host(is_linux=True, is_root=True, engine=OWN), set()),
        (Host(is_linux=True, is_root=True, engine=THEIRS), {(Victim.DOCKER_ENGINE, "docker")}),
        (Host(is_linux=True, is_root=True, engine=NONE), {(victim, "docker") for victim in Victim}),
        (
            Host(is_linux=False, is_root=True, engine=NONE),
            {(victim, "docker") for victim in Victim} | {(Victim.HOLDER, "process")},
        ),
    ],
    ids=["own engine", "the user's", "none", "another system"],
)
def test_what_a_host_cannot_play_is_left_out_and_counted(host: Host, left_out: set[tuple[Victim, str]]) -> None:
    cases = applicable(Wanted())
    playable, counted = divided(cases, host)
    others = [case for case in cases if case not in playable]
    assert {(case.victim, case.launcher) for case in others} == left_out
    assert sum(counted.values()) == len(others)


def test_without_root_what_is_in_containers_cannot_be_stopped() -> None:
    host = Host(is_linux=True, is_root=False, engine=THEIRS)
    left_out = [case for case in applicable(Wanted(launchers=("docker",))) if host.problem(case) is not None]
    assert {case.victim for case in left_out if case.point is not Failpoint.DURING_CANCEL} == {
        Victim.HOLDER,
        Victim.DOCKER_ENGINE,
    }
    assert {case.victim for case in left_out if case.point is Failpoint.DURING_CANCEL} == set(Victim)
    assert [case for case in applicable(Wanted(launchers=("process",))) if host.problem(case) is not None] == []


# --- what is synced ---


def test_every_case_is_a_sync_of_its_own_that_its_launcher_can_run(tmp_path: Path) -> None:
    cases = applicable(Wanted())
    asked = [Sync(case, tmp_path).input for case in cases]
    assert [each.connection for each in asked] == [case.name for case in cases]
    images = [bool(each.source and each.source.image) for each in asked]
    assert images == [case.launcher != "process" for case in cases]


def test_the_source_cannot_end_while_the_orchestrator_stands_still(tmp_path: Path) -> None:
    """It sends more than both pipes and a block hold, and its first state early on."""
    source = Sync(Case(Victim.SOURCE, Failpoint.STATE_READ, "process"), tmp_path).input.source
    assert source is not None
    size = source.config["record_bytes"]
    assert source.config["records"] * size > 4 * 256 * 1024
    assert source.config["state_every"] * size < 256 * 1024
