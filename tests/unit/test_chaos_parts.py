"""The small parts of `chaos`: catching a moment, taking a storage away, reading what a destination wrote."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_workers import failpoints
from airbyte_workers.chaos.cases import Case, Victim
from airbyte_workers.chaos.moments import Moment
from airbyte_workers.chaos.observing import read_ids
from airbyte_workers.chaos.storage import Storage
from airbyte_workers.chaos.syncs import Sync
from airbyte_workers.failpoints import Failpoint


@pytest.fixture
def moment(tmp_path: Path) -> Iterator[Moment]:
    failpoints.use(tmp_path)
    yield Moment(tmp_path, Failpoint.COMMITTED)
    failpoints.use(None)


def test_a_program_stands_still_at_an_armed_moment_until_it_is_let_go(moment: Moment) -> None:
    moment.arm()
    assert not moment.is_hit
    program = threading.Thread(target=failpoints.reached, args=(Failpoint.COMMITTED, "orchestrator"))
    program.start()
    while not moment.is_hit:
        assert program.is_alive()
    program.join(0.05)
    assert program.is_alive()
    moment.let_go()
    program.join(5)
    assert not program.is_alive()


def test_a_moment_is_for_one_program_and_once(moment: Moment) -> None:
    moment.arm()
    moment.let_go()
    failpoints.reached(Failpoint.COMMITTED, "orchestrator")
    moment.clear()
    failpoints.reached(Failpoint.COMMITTED, "orchestrator")
    assert not moment.is_hit


def test_nothing_of_a_moment_stays(moment: Moment) -> None:
    moment.arm()
    moment.let_go()
    failpoints.reached(Failpoint.COMMITTED, "orchestrator")
    assert moment.is_hit
    moment.clear()
    assert list(moment.folder.iterdir()) == []


def test_a_storage_that_is_away_cannot_be_used_and_comes_back_whole(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "storage")
    (storage.path / "state").mkdir(parents=True)
    (storage.path / "state" / "marker").write_text("RUNNING")
    storage.take_away()
    assert not storage.is_there
    with pytest.raises(OSError, match="storage"):
        (storage.path / "state").mkdir(parents=True)
    storage.bring_back()
    assert storage.is_there
    assert (storage.path / "state" / "marker").read_text() == "RUNNING"
    assert [each.name for each in tmp_path.iterdir()] == ["storage"]


def test_a_storage_that_nobody_has_used_yet_can_be_away_too(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "storage")
    storage.take_away()
    with pytest.raises(OSError, match="storage"):
        storage.path.mkdir(parents=True)
    storage.bring_back()
    assert storage.is_there
    assert not storage.path.is_file()


def test_what_is_put_in_the_gap_comes_back_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody makes the folder anew between its going and the file in its place."""
    storage = Storage(tmp_path / "storage")
    storage.path.mkdir()
    (storage.path / "before").write_text("1")
    rename = Path.rename

    def raced(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        if target.name.endswith("-0"):
            path.mkdir()
            (path / "between").write_text("2")
        return moved

    monkeypatch.setattr(Path, "rename", raced)
    storage.take_away()
    assert storage.path.is_file()
    monkeypatch.undo()
    storage.bring_back()
    assert sorted(each.name for each in storage.path.iterdir()) == ["before", "between"]


def test_a_line_without_its_end_is_no_record_yet(tmp_path: Path) -> None:
    file = tmp_path / "stream_0.jsonl"
    assert read_ids(file) == []
    file.write_text('{"id": 0}\n{"id": 1}\n{"id": ')
    assert read_ids(file) == [0, 1]


# --- a victim that is away for long ---


def synced(victim: Victim, point: Failpoint, away_s: float) -> Sync:
    return Sync(Case(victim, point, "process"), Path("/nowhere"), away_s)


@pytest.mark.parametrize("victim", [Victim.TEMPORAL_WORKER, Victim.TEMPORAL_SERVER, Victim.POSTGRESQL])
def test_a_sync_outlasts_whoever_is_away_for_long_and_moves_no_record(victim: Victim) -> None:
    long, short = (synced(victim, Failpoint.ECHO_READ, away_s) for away_s in (120, 0.7))
    assert (long.goes_on_meanwhile, short.goes_on_meanwhile) == (True, False)
    slow = long.input.source
    assert slow is not None
    per_state = {name: slow.config[name] for name in ("state_every", "delay_ms")}
    assert long.records / per_state["state_every"] * per_state["delay_ms"] / 1000 > 120


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        (Victim.ORCHESTRATOR, Failpoint.ECHO_READ),
        (Victim.DOCKER_ENGINE, Failpoint.ECHO_READ),
        (Victim.POSTGRESQL, Failpoint.FILES_WRITTEN),
        (Victim.POSTGRESQL, Failpoint.END_OF_INPUT),
    ],
)
def test_nothing_is_expected_of_a_sync_that_does_not_move_then(victim: Victim, point: Failpoint) -> None:
    assert not synced(victim, point, 120).goes_on_meanwhile
