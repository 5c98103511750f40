"""What a sync syncs, settled before its first attempt: chosen, or given and compared with what the connectors say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from desk import DESTINATION, SOURCE, USERS, Desk, asks, configured_stream, sync
from rows import succeed

from activities.catalogs import MAX_CHOICES_SHOWN
from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY
from airbyte_workers.models import AttemptRef, Configured, Failure, FailureOrigin, FailureType, JobPlan
from airbyte_workers.names import JobKind, Role
from airbyte_workers.store import catalogs

pytestmark = pytest.mark.postgres
LOGS = {"name": "logs", "json_schema": {"properties": {"line": {}}}, "supported_sync_modes": ["full_refresh"]}
FOUND = {"streams": [USERS, LOGS]}
BROKE = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="discover exited with code 1")


WRONG = {
    "stream": (configured_stream(USERS | {"name": "userz"}), "the source has no stream userz; did you mean users?"),
    "mode": (configured_stream(LOGS, sync_mode="incremental"), "stream logs cannot be read as incremental"),
    "cursor": (
        configured_stream(USERS, sync_mode="incremental", cursor_field=["when"]),
        "stream users: cursor_field when is not in its schema",
    ),
    "key": (
        configured_stream(USERS, destination_sync_mode="append_dedup", primary_key=[["uid"]]),
        "stream users: primary_key uid is not in its schema",
    ),
    "namespace": (
        configured_stream(USERS | {"namespace": "n"}),
        "the source has no stream n.users; did you mean users?",
    ),
}


async def opened(
    desk: Desk,
    *given: dict[str, Any],
    found: dict[str, Any] | None = FOUND,
    listed: object = None,
    source: dict[str, Any] | None = None,
    **more: Any,
) -> JobPlan:
    """A sync whose connectors have been asked; with streams as they were `given`, or its own choice."""
    if given:
        more["catalog"] = {"streams": list(given)}
    plan = await desk.open(sync(source or {"image": SOURCE}, {"image": DESTINATION}, **more), allow_local_commands=True)
    discover = AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.DISCOVER)
    await desk.answered(discover, found, () if found is not None else (BROKE,))
    spec = AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.SPEC, of=Role.DESTINATION)
    modes = {} if listed is None else {"supported_destination_sync_modes": listed}
    await desk.answered(spec, {"connectionSpecification": {}} | modes)
    return plan


async def configured(desk: Desk, plan: JobPlan, **settings: Any) -> Configured:
    return await desk.books(**settings).configure_catalog(plan.job_id)


async def settled(desk: Desk, plan: JobPlan) -> list[dict[str, Any]]:
    """The streams of the job's stored catalog."""
    catalog_id = (await desk.job(plan.job_id)).catalog_id
    assert catalog_id is not None
    streams: list[dict[str, Any]] = msgspec.json.decode(await catalogs.read(desk.db, catalog_id))["streams"]
    return streams


async def refused(desk: Desk, plan: JobPlan) -> str:
    """Why the sync cannot go on; nothing is stored for it."""
    answer = await configured(desk, plan)
    assert answer.failure is not None
    assert (answer.failure.type, answer.choice) == (FailureType.CONFIG_ERROR, ())
    assert (await desk.job(plan.job_id)).catalog_id is None
    return answer.failure.message


async def unchecked(desk: Desk, plan: JobPlan) -> list[str]:
    return [reason for event, reason in await desk.events(plan.job_id) if event == "catalog not checked"]


# --- given whole ---


async def test_a_given_catalog_that_fits_is_settled_as_it_was_given(desk: Desk) -> None:
    given = [
        configured_stream(USERS, sync_mode="incremental", cursor_field=["at"]),
        configured_stream(LOGS, destination_sync_mode="overwrite"),
    ]
    plan = await opened(desk, *given)
    answer = await configured(desk, plan)
    assert (answer.failure, answer.choice) == (None, ("users: incremental, append", "logs: full_refresh, overwrite"))
    assert await settled(desk, plan) == given
    assert await unchecked(desk, plan) == []


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_the_source_cannot_give_is_refused(desk: Desk, wrong: str) -> None:
    given, words = WRONG[wrong]
    assert words in await refused(desk, await opened(desk, given))


async def test_all_that_is_wrong_is_told_at_once(desk: Desk) -> None:
    others = [
        configured_stream(USERS, sync_mode="incremental", cursor_field=["when"], primary_key=[["uid"]])
        | {"destination_sync_mode": "append_dedup"},
        *(WRONG[each][0] for each in ("stream", "mode", "namespace")),
    ]
    message = await refused(desk, await opened(desk, *others))
    assert [words for _, words in WRONG.values() if words not in message] == []


async def test_what_is_wrong_with_either_connector_is_told_at_once(desk: Desk) -> None:
    message = await refused(desk, await opened(desk, WRONG["stream"][0], configured_stream(LOGS), listed=["overwrite"]))
    assert "the source has no stream userz" in message
    assert "stream logs cannot be written as append" in message


@pytest.mark.parametrize(
    ("listed", "refusal"),
    [
        (["overwrite"], "stream users cannot be written as append; the destination lists overwrite"),
        (["overwrite", "append"], None),
        ([], None),
        (None, None),
        ("append", None),
    ],
    ids=["another", "listed", "none", "does not say", "says it wrong"],
)
async def test_what_the_destination_does_not_list_is_refused(desk: Desk, listed: object, refusal: str | None) -> None:
    plan = await opened(desk, configured_stream(USERS), listed=listed)
    if refusal is None:
        assert (await configured(desk, plan)).failure is None
    else:
        assert await refused(desk, plan) == refusal


async def test_modes_that_a_destination_told_another_job_count(desk: Desk) -> None:
    await desk.know_spec(DESTINATION, '{"supported_destination_sync_modes":["overwrite"]}')
    assert "cannot be written as append" in await refused(desk, await opened(desk, configured_stream(USERS)))


async def test_a_given_catalog_goes_through_when_the_source_does_not_say_what_it_has(desk: Desk) -> None:
    """It may well be right, and the source may be able to read what it cannot discover."""
    given = configured_stream(USERS | {"name": "userz"})
    plan = await opened(desk, given, found=None)
    assert (await configured(desk, plan)).failure is None
    assert await settled(desk, plan) == [given]
    assert await unchecked(desk, plan) == ["the source did not say what it has"]


async def test_what_the_destination_cannot_write_is_refused_without_the_source_too(desk: Desk) -> None:
    plan = await opened(desk, configured_stream(USERS), found=None, listed=["overwrite"])
    assert "cannot be written as append" in await refused(desk, plan)


async def test_a_refusal_is_never_longer_than_history_takes(desk: Desk) -> None:
    given = [configured_stream(USERS | {"name": f"{number}{'x' * 500}"}) for number in range(20)]
    assert len(await refused(desk, await opened(desk, *given))) == MAX_MESSAGE_IN_HISTORY


# --- chosen ---


async def test_without_a_choice_every_stream_is_settled(desk: Desk) -> None:
    plan = await opened(desk)
    answer = await configured(desk, plan)
    assert [stream["stream"]["name"] for stream in await settled(desk, plan)] == ["users", "logs"]
    assert answer.choice == ("users: full_refresh, append", "logs: full_refresh, append")


async def test_a_choice_is_made_with_what_the_destination_lists(desk: Desk) -> None:
    plan = await opened(desk, streams=[{"name": "logs"}], listed=["append", "overwrite"])
    assert (await configured(desk, plan)).choice == ("logs: full_refresh, overwrite",)


async def test_a_choice_that_cannot_be_made_is_refused(desk: Desk) -> None:
    wanted = [{"name": "userz"}, {"name": "logs", "sync_mode": "incremental"}]
    message = await refused(desk, await opened(desk, streams=wanted))
    assert "the source has no stream userz" in message
    assert "stream logs cannot be read as incremental" in message


@pytest.mark.parametrize("streams", [None, [{"name": "users"}]])
async def test_nothing_can_be_chosen_from_a_source_that_does_not_say_what_it_has(
    desk: Desk, streams: list[dict[str, Any]] | None
) -> None:
    plan = await opened(desk, found=None, streams=streams)
    assert "the source's catalog is not known" in await refused(desk, plan)


async def test_a_long_choice_is_shown_in_part_and_settled_whole(desk: Desk) -> None:
    plan = await opened(desk, found={"streams": [USERS | {"name": f"s{number}"} for number in range(25)]})
    choice = (await configured(desk, plan)).choice
    assert (len(choice), choice[-1]) == (MAX_CHOICES_SHOWN + 1, "and 5 more streams")
    assert len(await settled(desk, plan)) == 25


# --- what is kept ---


async def test_settled_again_it_is_the_same_stored_once(desk: Desk) -> None:
    plan = await opened(desk)
    first, again = await configured(desk, plan), await configured(desk, plan)
    assert first == again
    assert await desk.db.fetchval("select count(*) from catalogs where kind = 'configured'") == 1
    assert await desk.db.fetchval("select count(*) from catalogs where kind = 'discovered'") == 1


@pytest.mark.parametrize(("image", "again"), [(SOURCE, False), ("airbyte/source-faker", True)])
async def test_what_an_image_of_one_version_has_is_known_to_the_next_sync(desk: Desk, image: str, again: bool) -> None:
    plan = await opened(desk, source={"image": image})
    await configured(desk, plan)
    assert await desk.db.fetchval("select count(*) from catalogs where kind = 'discovered'") == (0 if again else 1)
    await succeed(desk.db, plan.job_id)
    later = await opened(desk, source={"image": image}, found={"streams": [USERS]} if again else None)
    assert (("discover", None) in asks(later)) is again
    assert len((await configured(desk, later)).choice) == (1 if again else 2)


@pytest.mark.parametrize("found", [{"streams": None}, {"streams": [{"title": "x"}]}, {}])
async def test_what_is_no_catalog_is_told_and_not_kept(desk: Desk, found: dict[str, Any]) -> None:
    assert (await refused(desk, await opened(desk, found=found))).startswith("catalog: ")
    assert await desk.count("catalogs") == 0
