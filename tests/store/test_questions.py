"""What a job asks its connectors before it runs: what nobody knows, or what may have changed since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from desk import DESTINATION, SOURCE, USERS, Desk, asks, configured_stream, operation, sync
from rows import CATALOG, succeed

from airbyte_workers.models import AttemptOutcome, AttemptRef, CloseOperation, JobPlan
from airbyte_workers.names import JobKind, Role
from airbyte_workers.store import jobs

pytestmark = pytest.mark.postgres
DIGEST = "airbyte/source-faker@sha256:" + "0" * 64
FOUND = {"streams": [USERS]}
OUR_SPEC, THEIR_SPEC, DISCOVER = ("spec", Role.SOURCE), ("spec", Role.DESTINATION), ("discover", None)
ANSWERED = AttemptOutcome(status="succeeded")


async def asked_by_sync(desk: Desk, source: dict[str, Any], run_id: str | None = None, **changed: Any) -> JobPlan:
    more = {name: changed.pop(name) for name in ("catalog", "streams", "connection") if name in changed}
    return await desk.open(sync(source, {"image": DESTINATION}, run_id=run_id, **more), **changed)


async def discovered(desk: Desk, typed: dict[str, Any]) -> None:
    """A discover has found what the source has."""
    plan = await desk.open(operation("discover", typed), allow_local_commands=True)
    ref = AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.DISCOVER)
    await desk.answered(ref, FOUND)
    await desk.books().close_operation(CloseOperation(ref=ref, outcome=ANSWERED))


# --- one connector ---


@pytest.mark.parametrize("kind", ["check", "discover"])
async def test_what_a_connector_has_not_told_yet_is_asked_first(desk: Desk, kind: str) -> None:
    plan = await desk.open(operation(kind, {"image": SOURCE}))
    assert asks(plan) == [("spec", None)]


@pytest.mark.parametrize("known", [False, True])
async def test_a_spec_asks_nothing_first(desk: Desk, known: bool) -> None:
    if known:
        await desk.know_spec(SOURCE)
    assert asks(await desk.open(operation("spec", {"image": SOURCE}))) == []


PINNED = [SOURCE, DIGEST, "localhost:5000/airbyte/source-faker:7", "airbyte/source-faker:dev"]
UNPINNED = [
    *("airbyte/source-faker", "airbyte/source-faker:latest", "source-faker", "localhost:5000/source-faker"),
    "localhost:5000/airbyte/source-faker:latest",
]


@pytest.mark.parametrize("kind", ["check", "discover"])
async def test_an_image_of_one_version_tells_its_spec_once(desk: Desk, kind: str) -> None:
    for image in PINNED:
        assert asks(await desk.open(operation(kind, {"image": image}))) == [("spec", None)]
        await desk.know_spec(image)
        assert asks(await desk.open(operation(kind, {"image": image}))) == []


@pytest.mark.parametrize("kind", ["check", "discover"])
async def test_an_image_that_can_be_another_tomorrow_is_asked_every_time(desk: Desk, kind: str) -> None:
    for image in UNPINNED:
        await desk.know_spec(image)
        assert asks(await desk.open(operation(kind, {"image": image}))) == [("spec", None)]


@pytest.mark.parametrize("kind", ["check", "discover"])
async def test_a_command_is_asked_every_time(desk: Desk, kind: str) -> None:
    """Also one that is called like an image of which something is known."""
    await desk.know_spec(SOURCE)
    plan = await desk.open(operation(kind, {"command": [SOURCE]}), allow_local_commands=True)
    assert asks(plan) == [("spec", None)]


async def test_another_version_of_an_image_is_asked_for_itself(desk: Desk) -> None:
    await desk.know_spec(SOURCE)
    assert asks(await desk.open(operation("check", {"image": SOURCE.replace("7.2.1", "7.2.2")}))) == [("spec", None)]


# --- a sync ---


@pytest.mark.parametrize(
    ("known", "questions"),
    [
        ([], [OUR_SPEC, THEIR_SPEC, DISCOVER]),
        ([SOURCE], [THEIR_SPEC, DISCOVER]),
        ([DESTINATION], [OUR_SPEC, DISCOVER]),
        ([SOURCE, DESTINATION], [DISCOVER]),
    ],
)
async def test_a_sync_asks_both_connectors_what_they_are_and_the_source_what_it_has(
    desk: Desk, known: list[str], questions: list[tuple[str, Role | None]]
) -> None:
    for image in known:
        await desk.know_spec(image)
    assert asks(await asked_by_sync(desk, {"image": SOURCE})) == questions


async def test_a_sync_asks_the_same_when_its_opening_is_repeated(desk: Desk) -> None:
    first = await asked_by_sync(desk, {"image": SOURCE}, "run-x")
    assert (await asked_by_sync(desk, {"image": SOURCE}, "run-x")).questions == first.questions


@pytest.mark.parametrize("whole", [False, True])
async def test_a_catalog_that_was_given_is_compared_with_what_the_source_has(desk: Desk, whole: bool) -> None:
    chosen = {"catalog": {"streams": [configured_stream()]}} if whole else {"streams": [{"name": "users"}]}
    plan = await asked_by_sync(desk, {"image": SOURCE}, **chosen)
    assert asks(plan) == [OUR_SPEC, THEIR_SPEC, DISCOVER]
    assert plan.has_catalog is whole


async def test_what_was_discovered_lately_is_not_asked_again(desk: Desk) -> None:
    await discovered(desk, {"image": SOURCE, "config": {"a": 1, "b": 2}})
    same = {"image": SOURCE, "config": {"b": 2, "a": 1}}
    assert asks(await asked_by_sync(desk, same)) == [OUR_SPEC, THEIR_SPEC]
    handed = {"image": SOURCE, "config_id": await desk.hand_over({"b": 2, "a": 1})}
    assert asks(await asked_by_sync(desk, handed, connection="other")) == [OUR_SPEC, THEIR_SPEC]


@pytest.mark.parametrize(
    "other",
    [{"config": {"a": 2}}, {"config": {}}, {"image": SOURCE.replace("7.2.1", "7.2.2"), "config": {"a": 1}}],
    ids=["another config", "no config", "another version"],
)
async def test_what_was_discovered_with_something_else_is_asked(desk: Desk, other: dict[str, Any]) -> None:
    await discovered(desk, {"image": SOURCE, "config": {"a": 1}})
    assert DISCOVER in asks(await asked_by_sync(desk, {"image": SOURCE} | other))


@pytest.mark.parametrize(
    ("age_min", "window_min", "again"), [(9, 10, False), (11, 10, True), (0, 0, True), (0, -1, True), (0.5, 0.6, False)]
)
async def test_what_was_discovered_before_the_window_is_asked_again(
    desk: Desk, age_min: float, window_min: float, again: bool
) -> None:
    await discovered(desk, {"image": SOURCE})
    age = timedelta(minutes=age_min)
    await desk.db.execute("update catalogs set created_at = created_at - $1::interval", age)
    plan = await asked_by_sync(desk, {"image": SOURCE}, discover_refresh_window_minutes=window_min)
    assert (DISCOVER in asks(plan)) is again


@pytest.mark.parametrize("typed", [{"image": "airbyte/source-faker"}, {"image": "a/b:latest"}, {"command": ["./x"]}])
async def test_what_can_be_another_program_tomorrow_is_asked_what_it_has(desk: Desk, typed: dict[str, Any]) -> None:
    await discovered(desk, typed)
    assert await desk.count("catalogs") == 1
    assert asks(await asked_by_sync(desk, typed, allow_local_commands=True)) == [OUR_SPEC, THEIR_SPEC, DISCOVER]


async def test_a_catalog_that_a_sync_was_given_is_not_what_its_source_has(desk: Desk) -> None:
    """Only discovered ones are."""
    plan = await asked_by_sync(desk, {"image": SOURCE})
    await jobs.set_catalog(desk.db, await desk.job(plan.job_id), CATALOG, "sha")
    await succeed(desk.db, plan.job_id)
    assert DISCOVER in asks(await asked_by_sync(desk, {"image": SOURCE}))


async def test_a_plan_carries_the_limits_of_what_it_asks(desk: Desk) -> None:
    minutes = {"spec_timeout_minutes": 1, "check_timeout_minutes": 2, "discover_timeout_minutes": 3}
    for asked in (operation("check", {"image": SOURCE}), sync({"image": SOURCE}, {"image": DESTINATION})):
        limits = (await desk.open(asked, **minutes)).limits
        assert (limits.spec_s, limits.check_s, limits.discover_s) == (60, 120, 180)
