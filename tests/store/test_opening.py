"""The activity that opens a job settles what runs its pods, once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rows import request, sync_input
from temporalio.exceptions import ApplicationError

from activities.bookkeeping import MAX_WHY, BookkeepingActivities
from activities.means import Means
from airbyte_workers.models import SearchAttributes
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.runtime.search_attributes import OURS
from airbyte_workers.settings import Settings
from airbyte_workers.store import history, jobs
from airbyte_workers.store.objects import open_objects
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
IMAGES = {"source": {"image": "airbyte/source-faker:7.2.1"}, "destination": {"image": "airbyte/destination-null:1"}}
COMMANDS = {"source": {"command": ["./source"]}, "destination": {"image": "airbyte/destination-null:1"}}


class Engine:
    """An engine that can be away; counts how often it was asked for its version."""

    def __init__(self) -> None:
        self.away = False
        self.refusal: str | None = None
        self.asked = 0

    async def engine_version(self) -> str:
        self.asked += 1
        if self.away:
            raise EngineError("no answer")
        return "28.5"

    async def knows(self, image: str) -> bool:
        if self.refusal is not None:
            raise EngineError(self.refusal, 403)
        return True


def books(
    db: asyncpg.Pool, seal: Seal, folder: Path, engine: Engine, registered: Collection[str] = (), **settings: Any
) -> BookkeepingActivities:
    chosen = Settings(home=folder, orchestrator_image="airbyte-workers:1", **settings)
    means = Means(db, seal, chosen, open_objects(chosen), {})
    return BookkeepingActivities(means, engine, searchable=lambda: registered)


async def test_what_was_left_open_is_chosen_kept_and_told(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> None:
    plan = await books(db, seal, tmp_path, Engine()).open_job(request(sync_input(**IMAGES)))
    why = "Docker engine 28.5 answers and has the images, or can pull them"
    assert plan.launcher == f"docker ({why})"
    assert (await jobs.read_job(db, seal, plan.job_id)).launcher == "docker"
    told = [(event.event, event.reason) for event in await history.events(db, plan.job_id)]
    assert ("launcher", f"docker: {why}") in told


async def test_a_repetition_of_the_activity_keeps_the_choice_and_asks_nobody(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    engine = Engine()
    asked = request(sync_input(**IMAGES), "run-x")
    first = await books(db, seal, tmp_path, engine).open_job(asked)
    engine.away = True
    again = await books(db, seal, tmp_path, engine, launcher="process").open_job(asked)
    assert again.launcher == "docker (chosen before)"
    assert (again.job_id, engine.asked) == (first.job_id, 1)
    launchers = [event for event in await history.events(db, first.job_id) if event.event == "launcher"]
    assert len(launchers) == 1


@pytest.mark.parametrize(
    ("of_input", "of_settings", "launcher"),
    [
        (None, "process", "process (as asked for)"),
        (None, "docker", "docker (as asked for)"),
        ("docker", "process", "docker (as asked for)"),
        ("process", "docker", "process (as asked for)"),
        ("auto", "process", "process (no Docker engine answers)"),
    ],
)
async def test_what_the_input_asks_for_comes_before_the_settings(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, of_input: str | None, of_settings: str, launcher: str
) -> None:
    engine = Engine()
    engine.away = True
    asked = request(sync_input(**IMAGES, launcher=of_input))
    mine = books(db, seal, tmp_path, engine, launcher=of_settings, allow_local_commands=True)
    assert (await mine.open_job(asked)).launcher == launcher


@pytest.mark.parametrize("of_input", ["process", "auto"])
async def test_a_stack_of_containers_runs_no_program_on_its_host(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, of_input: str
) -> None:
    """A connector that runs as a program of the host can read it: whoever may start a workflow must not choose that."""
    asked = request(sync_input(**IMAGES, launcher=of_input))
    with pytest.raises(ApplicationError, match="containers alone"):
        await books(db, seal, tmp_path, Engine(), launcher="docker").open_job(asked)


async def test_a_registrys_long_words_are_cut_for_history_and_whole_in_the_events(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    engine = Engine()
    engine.refusal = "denied " * 100
    plan = await books(db, seal, tmp_path, engine).open_job(request(sync_input(**IMAGES)))
    assert plan.launcher.startswith("process (airbyte/source-faker:7.2.1 is not on this host")
    assert len(plan.launcher) <= MAX_WHY + len("process ()")
    (told,) = [event.reason for event in await history.events(db, plan.job_id) if event.event == "launcher"]
    assert told.endswith(engine.refusal)


@pytest.mark.parametrize(
    ("settings", "of_input", "words"),
    [
        ({"allow_local_commands": True}, "docker", "source.command: a command cannot run in a container"),
        (
            {"allow_local_commands": True, "launcher": "docker"},
            None,
            "source.command: a command cannot run in a container",
        ),
        ({}, "auto", "source.command: commands may not run on this stack"),
    ],
)
async def test_a_command_where_none_can_run_is_refused_before_there_is_a_job(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, settings: dict[str, Any], of_input: str | None, words: str
) -> None:
    asked = request(sync_input(**COMMANDS, launcher=of_input))
    with pytest.raises(ApplicationError, match=words) as caught:
        await books(db, seal, tmp_path, Engine(), **settings).open_job(asked)
    assert caught.value.type == "InvalidInput"
    assert caught.value.non_retryable
    assert await jobs.count_active(db) == 0


async def test_openings_of_one_run_at_once_are_one_job_with_one_launcher(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    """A try of which the server thinks that it was lost may still be at work."""
    asked = request(sync_input(**IMAGES), "run-x")
    mine = books(db, seal, tmp_path, Engine())
    results = await asyncio.gather(*(mine.open_job(asked) for _ in range(3)), return_exceptions=True)
    plans = [each for each in results if not isinstance(each, BaseException)]
    assert len({plan.job_id for plan in plans}) == 1
    assert {plan.launcher.split()[0] for plan in plans} == {"docker"}


SEARCHED = SearchAttributes(
    keywords={"AirbyteConnection": "demo", "AirbyteWorkspace": "sales"},
    lists={"AirbyteImage": ("airbyte/source-faker:7.2.1", "airbyte/destination-null:1")},
    status=True,
)


@pytest.mark.parametrize(
    ("registered", "searched"),
    [
        (OURS, SEARCHED),
        ((), SearchAttributes()),
        (("AirbyteConnection", "Theirs"), SearchAttributes(keywords={"AirbyteConnection": "demo"})),
    ],
    ids=["all", "none", "some"],
)
async def test_a_run_is_told_of_search_attributes_that_are_registered_alone(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, registered: Collection[str], searched: SearchAttributes
) -> None:
    opening = books(db, seal, tmp_path, Engine(), registered, workspace="sales")
    plan = await opening.open_job(request(sync_input(**IMAGES)))
    assert plan.search == searched


async def test_arguments_of_commands_are_in_no_search_attribute(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> None:
    """Temporal keeps these in clear, whatever encrypts its payloads."""
    commands = {"source": {"command": ["/opt/src", "--token", "s3cr3t"]}, "destination": {"command": ["./dst"]}}
    opening = books(db, seal, tmp_path, Engine(), OURS, allow_local_commands=True)
    plan = await opening.open_job(request(sync_input(**commands)))
    assert plan.search.lists == {"AirbyteImage": ("src", "dst")}
