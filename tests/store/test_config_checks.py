"""Configs against the specs of their connectors: what is told, what is learnt, what cannot be checked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from desk import DESTINATION, SOURCE, SPEC, SPEC_TEXT, Desk, asks, operation, sync

from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY
from airbyte_workers.models import AttemptRef, Failure, FailureOrigin, FailureType, JobPlan
from airbyte_workers.names import JobKind, Role
from airbyte_workers.protocol.config_secrets import UNTOLD
from airbyte_workers.store import catalogs

pytestmark = pytest.mark.postgres
ASKING = ("check", "discover")
BAD = {"port": "hunter2", "pin": "hunter3"}
GOOD = {"host": "h", "port": 1, "pin": {"_secret": "file:pin"}}
THEIRS = {
    "connectionSpecification": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"token": {"type": "string", "airbyte_secret": True}},
    }
}
BROKE = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="spec exited with code 1")


def paths(failure: Failure | None) -> list[str]:
    """Where the problems are that a failure tells, and nothing of what stands there."""
    assert failure is not None
    assert (failure.origin, failure.type) == (FailureOrigin.PLATFORM, FailureType.CONFIG_ERROR)
    assert "hunter" not in failure.message
    head, _, told = failure.message.partition(": ")
    assert head == "the config does not fit the connector's spec"
    return [problem.partition(": ")[0] for problem in told.split("; ")]


async def told(desk: Desk, plan: JobPlan, spec: dict[str, Any] | None, of: Role | None = None) -> None:
    """The spec pod has ended."""
    ref = AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.SPEC, of=of)
    await desk.answered(ref, spec, () if spec is not None else (BROKE,))


async def checked(desk: Desk, plan: JobPlan) -> Failure | None:
    return (await desk.books().check_configs(plan.job_id)).failure


async def unchecked(desk: Desk, plan: JobPlan) -> list[tuple[str, str]]:
    return [event for event in await desk.events(plan.job_id) if event[0].endswith("not checked")]


# --- after the connectors were asked ---


@pytest.mark.parametrize("kind", ASKING)
async def test_problems_of_an_operation_are_told_by_their_field(desk: Desk, kind: str) -> None:
    plan = await desk.open(operation(kind, {"image": SOURCE, "config": BAD}))
    await told(desk, plan, SPEC)
    assert paths(await checked(desk, plan)) == ["config.host", "config.port"]


async def test_problems_of_a_sync_are_told_by_connector_and_field_all_at_once(desk: Desk) -> None:
    plan = await desk.open(sync({"image": SOURCE, "config": BAD}, {"image": DESTINATION, "config": {"path": "hunter"}}))
    await told(desk, plan, SPEC, Role.SOURCE)
    await told(desk, plan, THEIRS, Role.DESTINATION)
    found = ["source.config.host", "source.config.port", "destination.config.path"]
    assert paths(await checked(desk, plan)) == found


@pytest.mark.parametrize("kind", ASKING)
async def test_a_config_that_fits_has_no_problems(desk: Desk, kind: str) -> None:
    plan = await desk.open(operation(kind, {"image": SOURCE, "config": GOOD}))
    await told(desk, plan, SPEC)
    assert (await checked(desk, plan), await unchecked(desk, plan)) == (None, [])


async def test_one_connector_of_a_sync_may_be_known_and_the_other_asked(desk: Desk) -> None:
    await desk.know_spec(SOURCE, SPEC_TEXT)
    plan = await desk.open(sync({"image": SOURCE, "config": BAD}, {"image": DESTINATION, "config": {"path": "x"}}))
    await told(desk, plan, THEIRS, Role.DESTINATION)
    found = ["source.config.host", "source.config.port", "destination.config.path"]
    assert paths(await checked(desk, plan)) == found


async def test_each_connector_of_a_sync_is_checked_against_its_own_spec(desk: Desk) -> None:
    plan = await desk.open(sync({"image": SOURCE, "config": GOOD}, {"image": DESTINATION, "config": {"token": "t"}}))
    await told(desk, plan, SPEC, Role.SOURCE)
    await told(desk, plan, THEIRS, Role.DESTINATION)
    assert await checked(desk, plan) is None


async def test_a_config_that_was_handed_over_is_checked_like_any_other(desk: Desk) -> None:
    plan = await desk.open(operation("check", {"image": SOURCE, "config_id": await desk.hand_over(BAD)}))
    await told(desk, plan, SPEC)
    assert paths(await checked(desk, plan)) == ["config.host", "config.port"]


async def test_many_problems_are_cut_to_what_history_takes(desk: Desk) -> None:
    names = {f"{number}{'x' * 200}": {"type": "integer"} for number in range(40)}
    spec = {"connectionSpecification": {"type": "object", "properties": names}}
    config = dict.fromkeys(names, "text")
    plan = await desk.open(sync({"image": SOURCE, "config": config}, {"image": DESTINATION, "config": config}))
    for role in (Role.SOURCE, Role.DESTINATION):
        await told(desk, plan, spec, role)
    failure = await checked(desk, plan)
    assert failure is not None
    assert len(failure.message) == MAX_MESSAGE_IN_HISTORY


# --- what is learnt ---


@pytest.mark.parametrize("config", [GOOD, BAD], ids=["fits", "does not fit"])
async def test_secret_names_are_those_of_both_specs(desk: Desk, config: dict[str, Any]) -> None:
    plan = await desk.open(sync({"image": SOURCE, "config": config}, {"image": DESTINATION}))
    assert (await desk.job(plan.job_id)).secret_names == ()
    await told(desk, plan, SPEC, Role.SOURCE)
    await told(desk, plan, THEIRS, Role.DESTINATION)
    await checked(desk, plan)
    assert (await desk.job(plan.job_id)).secret_names == ("pin", "token")


@pytest.mark.parametrize(
    ("image", "kept"), [(SOURCE, True), ("airbyte/source-faker:latest", False), ("airbyte/source-faker", False)]
)
async def test_what_an_image_of_one_version_told_is_kept_for_the_next_job(desk: Desk, image: str, kept: bool) -> None:
    plan = await desk.open(operation("check", {"image": image, "config": GOOD}))
    await told(desk, plan, SPEC)
    await checked(desk, plan)
    stored = await catalogs.find_spec(desk.db, image)
    assert (stored is not None and msgspec.json.decode(stored) == SPEC) is kept
    assert asks(await desk.open(operation("discover", {"image": image}))) == ([] if kept else [("spec", None)])


async def test_what_a_command_told_is_not_kept(desk: Desk) -> None:
    typed = {"command": [SOURCE], "config": GOOD}
    plan = await desk.open(operation("check", typed), allow_local_commands=True)
    await told(desk, plan, SPEC)
    await checked(desk, plan)
    assert await desk.count("specs") == 0


async def test_checked_again_it_says_and_keeps_the_same(desk: Desk) -> None:
    plan = await desk.open(operation("check", {"image": SOURCE, "config": BAD}))
    await told(desk, plan, SPEC)
    first, again = await checked(desk, plan), await checked(desk, plan)
    assert first == again is not None
    assert await desk.count("specs") == 1


# --- what cannot be checked ---


@pytest.mark.parametrize(
    "spec",
    [None, {}, {"connectionSpecification": None}, {"connectionSpecification": ["x"]}, {"documentationUrl": "x"}],
    ids=["no answer", "empty", "null", "a list", "another field"],
)
async def test_a_connector_that_did_not_tell_its_spec_is_noted_and_the_job_goes_on(
    desk: Desk, spec: dict[str, Any] | None
) -> None:
    plan = await desk.open(operation("check", {"image": SOURCE, "config": BAD}))
    await told(desk, plan, spec)
    assert await checked(desk, plan) is None
    assert await unchecked(desk, plan) == [("config not checked", f"{SOURCE} did not tell its spec")]
    assert (await desk.job(plan.job_id)).secret_names == (UNTOLD,)
    assert await desk.count("specs") == 0


async def test_a_connector_whose_pod_left_nothing_is_noted_too(desk: Desk) -> None:
    plan = await desk.open(sync({"image": SOURCE, "config": BAD}, {"image": DESTINATION, "config": {"path": "x"}}))
    await told(desk, plan, THEIRS, Role.DESTINATION)
    assert paths(await checked(desk, plan)) == ["destination.config.path"]
    assert await unchecked(desk, plan) == [("source.config not checked", f"{SOURCE} did not tell its spec")]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
        {"$ref": "https://example.com/schema.json"},
        {"type": "object", "oneOf": "x"},
    ],
    ids=["no type", "leads nowhere", "elsewhere", "no list"],
)
async def test_a_spec_that_nothing_can_be_checked_against_is_noted_and_the_job_goes_on(
    desk: Desk, schema: dict[str, Any]
) -> None:
    plan = await desk.open(operation("check", {"image": SOURCE, "config": {"a": 1} | BAD}))
    await told(desk, plan, {"connectionSpecification": schema})
    assert await checked(desk, plan) is None
    ((event, reason),) = await unchecked(desk, plan)
    assert event == "config not checked"
    assert reason.startswith("the connector's spec ")
    assert "hunter" not in reason


# --- what is known when the job is opened ---


@pytest.mark.parametrize("kind", ASKING)
async def test_a_config_that_does_not_fit_a_known_spec_is_refused_at_once(desk: Desk, kind: str) -> None:
    await desk.know_spec(SOURCE, SPEC_TEXT)
    plan = await desk.open(operation(kind, {"image": SOURCE, "config": BAD}))
    assert (paths(plan.refused), asks(plan)) == (["config.host", "config.port"], [])
    assert (await desk.job(plan.job_id)).secret_names == ("pin",)


@pytest.mark.parametrize("kind", ASKING)
async def test_a_config_that_fits_a_known_spec_is_not_refused(desk: Desk, kind: str) -> None:
    await desk.know_spec(SOURCE, SPEC_TEXT)
    plan = await desk.open(operation(kind, {"image": SOURCE, "config": GOOD}))
    assert plan.refused is None
    assert (await desk.job(plan.job_id)).secret_names == ("pin",)


async def test_a_spec_is_never_refused_for_a_config(desk: Desk) -> None:
    await desk.know_spec(SOURCE, SPEC_TEXT)
    plan = await desk.open(operation("spec", {"image": SOURCE}))
    assert (plan.refused, await checked(desk, plan)) == (None, None)


@pytest.mark.parametrize(
    ("known", "refused"), [([SOURCE], False), ([DESTINATION], False), ([SOURCE, DESTINATION], True)]
)
async def test_a_sync_is_refused_at_once_when_all_its_specs_are_known(
    desk: Desk, known: list[str], refused: bool
) -> None:
    """With one of them still to be asked, both are told together later; what the source has is no matter."""
    for image in known:
        await desk.know_spec(image, SPEC_TEXT)
    plan = await desk.open(sync({"image": SOURCE, "config": BAD}, {"image": DESTINATION}))
    found = ["source.config.host", "source.config.port", "destination.config.host"]
    assert (paths(plan.refused) if plan.refused is not None else None) == (found if refused else None)
    assert ("discover", None) in asks(plan)


async def test_opened_again_the_plan_is_refused_again(desk: Desk) -> None:
    await desk.know_spec(SOURCE, SPEC_TEXT)
    asked = operation("check", {"image": SOURCE, "config": BAD}, "run-x")
    first, again = await desk.open(asked), await desk.open(asked)
    assert first.refused == again.refused is not None
