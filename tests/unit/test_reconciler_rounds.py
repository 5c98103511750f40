"""The reconciler's rounds: again and again, whoever is away; told once; none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from activities.run_looks import TemporalAway
from airbyte_workers.pods.pod import LauncherAway
from airbyte_workers.runtime.reconciler import Reconciler, reconciling
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import StorageError

TASKS = {"look": "jobs", "close": "jobs", "places": "places", "listed": "pods"}


@dataclass
class Rounds:
    """Repairs and leftovers in one: counts what is asked of it, and fails or hangs as it is told."""

    errors: dict[str, list[Exception]] = field(default_factory=dict)
    hangs: frozenset[str] = frozenset()
    done: list[str] = field(default_factory=list)
    leases: list[bool] = field(default_factory=list)
    closed: bool = False

    async def look(self) -> None:
        await self._done("look")

    async def close(self) -> None:
        await self._done("close")

    async def sweep_places(self, *, leases_count: bool) -> None:
        self.leases.append(leases_count)
        await self._done("places")

    async def sweep_listed(self) -> None:
        await self._done("listed")

    async def aclose(self) -> None:
        self.closed = True

    async def _done(self, name: str) -> None:
        self.done.append(name)
        if name in self.hangs:
            await asyncio.Event().wait()
        if self.errors.get(name):
            raise self.errors[name].pop(0)

    async def until(self, condition: Callable[[Rounds], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                await asyncio.sleep(0.005)


def settings(folder: Path, **changed: Any) -> Settings:
    return Settings(home=folder, **({"reconcile_interval_s": 0.01, "removal_timeout_s": 0.05} | changed))


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


async def test_whatever_a_round_logs_says_which_it_is(tmp_path: Path) -> None:
    """Nothing of it is left in whoever started the rounds."""
    seen: dict[str, object] = {}

    class Bound(Rounds):
        async def _done(self, name: str) -> None:
            seen[name] = get_contextvars().get("task")
            await super()._done(name)

    rounds = Bound()
    async with reconciling(rounds, rounds, settings(tmp_path)):  # type: ignore[arg-type]  # both in one
        await rounds.until(lambda _: len(seen) == 4)
    assert seen == {name: f"reconciler/{task}" for name, task in TASKS.items()}
    assert "task" not in get_contextvars()


async def test_everything_is_done_at_the_start_and_then_again(tmp_path: Path) -> None:
    rounds = Rounds()
    async with reconciling(rounds, rounds, settings(tmp_path)):  # type: ignore[arg-type]  # it counts
        await rounds.until(lambda each: min(map(each.done.count, ("look", "close", "places", "listed"))) >= 3)
    assert rounds.closed
    assert rounds.done.index("look") < rounds.done.index("close")


@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (TemporalAway("connection refused"), "Temporal"),
        (StorageError("no such bucket"), "object storage"),
        (LauncherAway("no engine"), "a launcher"),
        (ConnectionRefusedError("no server"), "PostgreSQL"),
        (TimeoutError(), "PostgreSQL"),
        (KeyError("a bug of ours"), "a bug"),
    ],
)
async def test_whoever_is_away_is_told_of_once_and_waited_for(
    tmp_path: Path, logged: list[Any], error: Exception, whose: str
) -> None:
    rounds = Rounds(errors={"look": [error] * 5})
    async with reconciling(rounds, rounds, settings(tmp_path)):  # type: ignore[arg-type]  # it counts
        await rounds.until(lambda each: each.done.count("close") >= 2)
    told = [(line["event"], line["what"], line.get("whose")) for line in logged]
    assert told == [("cannot reconcile now", "jobs", whose), ("reconciling again", "jobs", None)]


async def test_a_round_that_hangs_ends_and_keeps_no_other_waiting(tmp_path: Path, logged: list[Any]) -> None:
    rounds = Rounds(hangs=frozenset({"listed"}))
    async with reconciling(rounds, rounds, settings(tmp_path)):  # type: ignore[arg-type]  # it counts
        await rounds.until(lambda each: each.done.count("listed") >= 2)
        assert rounds.done.count("look") > 2
    assert [(line["what"], line["whose"]) for line in logged] == [("pods", "the time limit of a round")]


async def test_leases_count_only_after_two_rounds_in_which_others_could_renew_theirs(tmp_path: Path) -> None:
    rounds = Rounds()
    reconciler = Reconciler(rounds, rounds, settings(tmp_path, reconcile_interval_s=1000))  # type: ignore[arg-type]  # it counts

    def pass_by(seconds: float) -> None:
        assert reconciler._reachable_since is not None
        reconciler._reachable_since -= seconds

    await reconciler._sweep_places()
    pass_by(1900)
    await reconciler._sweep_places()
    pass_by(100)
    await reconciler._sweep_places()
    rounds.errors = {"places": [OSError("the database is away")]}
    with pytest.raises(OSError, match="away"):
        await reconciler._sweep_places()
    await reconciler._sweep_places()
    assert rounds.leases == [False, False, True, True, False]
