"""The command `chaos`: a sample of its cases; that it can fail; that nothing of it stays behind, however it ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from e2e_support import Ended, Place, processes_of, until

from airbyte_workers.chaos.cases import Case, Expected, Victim
from airbyte_workers.chaos.folder import removed, taken
from airbyte_workers.chaos.moments import Moment
from airbyte_workers.chaos.runs import Outcome, Run
from airbyte_workers.chaos.stage import staged
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import JobStatus

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(600)]
SEED = 20261126


def sampled(place: Place, launcher: str, size: int) -> Ended:
    options = ("--launcher", launcher, "--sample", str(size), "--seed", str(SEED), "-o", "json")
    return place.run("chaos", *options, seconds=500)


def check(ended: Ended, size: int, place: Place) -> None:
    """Every case was hit and went as the table says, and its stage is gone."""
    assert ended.code == 0, ended.err
    report = ended.report
    assert (report["seed"], report["violated"], len(report["cases"])) == (SEED, 0, size)
    assert [case for case in report["cases"] if not (case["hit"] and case["struck"])] == []
    assert f"seed {SEED}" in ended.err
    assert not (place.home / "chaos").exists()
    assert processes_of(place.home) == []


def test_a_sample_with_local_programs(alone: Place) -> None:
    check(sampled(alone, "process", 10), 10, alone)


@pytest.mark.docker
def test_a_sample_in_containers(alone: Place) -> None:
    check(sampled(alone, "docker", 4), 4, alone)


def test_records_arrive_while_temporal_postgresql_and_the_worker_are_away(alone: Place) -> None:
    victims = ("temporal-worker", "temporal-server", "postgresql")
    words = [word for each in victims for word in ("--victim", each)]
    where = ("--point", "echo-read", "--launcher", "process", "--away", "4")
    ended = alone.run("chaos", *words, *where, "-o", "json", seconds=300)
    assert ended.code == 0, ended.err
    assert [(each["victim"], each["attempts"]) for each in ended.report["cases"]] == [(each, 1) for each in victims]


# --- it can fail ---


async def played(folder: Path, expected: Expected) -> Outcome:
    case = Case(Victim.HOLDER, Failpoint.FIRST_BYTE, "process")
    async with taken(folder) as own:
        try:
            async with staged(own, None) as stage:
                return await Run(stage, case, expected).play()
        finally:
            await removed(own)


async def test_an_end_that_is_not_the_tables_is_a_violation(tmp_path: Path) -> None:
    outcome = await played(tmp_path / "chaos", Expected(JobStatus.FAILED, 3, ""))
    assert outcome.hit
    assert outcome.violations == (
        "the job is succeeded, expected failed",
        "the job had 1 attempt(s), expected 3",
    )


async def test_a_moment_that_never_comes_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moment, "arm", Moment.clear)
    outcome = await played(tmp_path / "chaos", Expected(JobStatus.SUCCEEDED, 1, ""))
    assert (outcome.hit, outcome.struck) == (False, "")
    assert outcome.violations == ("the moment first-byte was not hit",)


# --- nothing stays behind ---


def test_ctrl_c_ends_everything_in_order(alone: Place) -> None:
    with alone.started("chaos", "--all", "--launcher", "process") as command:
        until(lambda: processes_of(alone.home / "chaos" / "home" / "pods"), "the pod of the first case")
        command.interrupt()
        ended = command.ended(60)
    assert ended.code == 130
    assert not (alone.home / "chaos").exists()
    assert processes_of(alone.home) == []


def test_whatever_a_killed_command_left_ends_with_the_next_one(alone: Place) -> None:
    with alone.started("chaos", "--all", "--launcher", "process") as command:
        until(lambda: processes_of(alone.home / "chaos" / "home" / "pods"), "the pod of the first case")
        command.process.send_signal(signal.SIGKILL)
        command.ended()
    left = {process.pid for process in processes_of(alone.home)}
    assert left
    again = alone.run("chaos", "--victim", "holder", "--point", "first-byte", "--launcher", "process", seconds=200)
    assert again.code == 0, again.out + again.err
    assert processes_of(alone.home) == []


def test_two_commands_do_not_share_a_folder(alone: Place) -> None:
    with alone.started("chaos", "--all", "--launcher", "process") as first:
        first.until_said("starting Temporal")
        second = alone.run("chaos", "--all")
        first.interrupt()
        assert first.ended(60).code == 130
    assert second.code == 1
    assert second.error.startswith("another chaos command uses ")


# --- what is typed ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say which cases"),
        (("--all", "--victim", "source"), "--all is every case"),
        (("--victim", "source", "--point", "pod-created"), "no such case applies"),
        (("--victim", "docker-engine", "--launcher", "process"), "no such case applies"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_starts(
    alone: Place, words: tuple[str, ...], said: str
) -> None:
    ended = alone.run("chaos", *words)
    assert (ended.code, said in ended.error) == (2, True)
    assert not (alone.home / "chaos").exists()


def test_a_folder_with_other_things_in_it_is_not_emptied(alone: Place) -> None:
    mine = alone.work / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    ended = alone.run("chaos", "--all", "--folder", str(mine))
    assert (ended.code, "has other things in it" in ended.error) == (1, True)
    assert [each.name for each in mine.iterdir()] == ["thesis.txt"]


def test_the_table_can_be_read_by_programs(alone: Place) -> None:
    ended = alone.run("chaos", "--table", "--victim", "holder", "--launcher", "process", "-o", "json")
    table = json.loads(ended.out)
    assert [row["point"] for row in table] == list(Failpoint)
    assert {row["applies"] for row in table} == {True, False}
