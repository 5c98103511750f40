"""Who may start a workflow cannot read the host: what is refused before there is a job, and what is not."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from desk import DESTINATION, SOURCE, USERS, Desk, configured_stream, operation, refusal, sync
from pydantic import ValidationError
from rows import request
from temporalio.exceptions import ApplicationError

from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY
from airbyte_workers.models import OpenJob, OpenOperation, SyncInput
from airbyte_workers.names import Role

pytestmark = pytest.mark.postgres
PLACES = {"source": "source.", "destination": "destination.", "spec": "", "check": "", "discover": ""}
"""Where a connector can be typed, and how its fields are told."""
WITH_CONFIG = [place for place in PLACES if place != "spec"]
COMMAND = {"command": ["./connector"]}
SECRET = "hunter2"


def typed(place: str, connector: dict[str, Any], *, connection: str = "demo", **more: Any) -> OpenJob | OpenOperation:
    """A job with the connector at its place."""
    if place in ("spec", "check", "discover"):
        return operation(place, connector | more)
    both = {"source": {"image": SOURCE}, "destination": {"image": DESTINATION}} | {place: connector}
    return sync(**both, connection=connection, **more)


def image(place: str) -> dict[str, Any]:
    return {"image": DESTINATION if place == "destination" else SOURCE}


async def refused(desk: Desk, asked: OpenJob | OpenOperation, **settings: Any) -> str:
    """Why it may not run; nothing of it is written."""
    with pytest.raises(ApplicationError) as caught:
        await desk.open(asked, **settings)
    assert [await desk.count(table) for table in ("jobs", "connections", "job_events")] == [0, 0, 0]
    return refusal(caught.value)


# --- programs and folders of the host ---


@pytest.mark.parametrize("launcher", [None, "auto", "process"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_command_needs_a_stack_that_allows_commands(desk: Desk, place: str, launcher: str | None) -> None:
    message = await refused(desk, typed(place, COMMAND, launcher=launcher))
    assert message == (f"{PLACES[place]}command: commands may not run on this stack (ALLOW_LOCAL_COMMANDS); use image")


@pytest.mark.parametrize("place", PLACES)
async def test_a_command_cannot_run_in_a_container(desk: Desk, place: str) -> None:
    told = f"{PLACES[place]}command: a command cannot run in a container (launcher docker); use image"
    for of_input, of_settings in (("docker", "process"), (None, "docker"), ("docker", "docker")):
        asked = typed(place, COMMAND, launcher=of_input)
        assert await refused(desk, asked, allow_local_commands=True, launcher=of_settings) == told


@pytest.mark.parametrize("place", PLACES)
async def test_a_folder_of_the_host_needs_a_stack_that_allows_commands(desk: Desk, place: str) -> None:
    message = await refused(desk, typed(place, {"image": SOURCE}, local_root="/etc"))
    assert message == "local_root: paths of the host may not be chosen on this stack (ALLOW_LOCAL_COMMANDS)"


@pytest.mark.parametrize("place", PLACES)
async def test_where_commands_are_allowed_so_are_folders(desk: Desk, place: str) -> None:
    asked = typed(place, COMMAND, local_root="/srv/files", launcher="process")
    plan = await desk.open(asked, allow_local_commands=True, launcher="docker")
    assert (await desk.job(plan.job_id)).input.local_root == "/srv/files"


@pytest.mark.parametrize(
    ("settings", "launcher"),
    [
        ({}, None),
        ({"allow_local_commands": True, "launcher": "docker"}, None),
        ({"allow_local_commands": True}, "docker"),
    ],
)
async def test_a_stored_connection_runs_no_command_where_none_can_run_now(
    desk: Desk, settings: dict[str, Any], launcher: str | None
) -> None:
    """It was stored where commands were allowed; the next sync names it alone."""
    plan = await desk.open(typed("source", COMMAND), allow_local_commands=True)
    await desk.db.execute("update jobs set status = 'succeeded' where id = $1", plan.job_id)
    with pytest.raises(ApplicationError, match=r"source\.command: ") as caught:
        await desk.open(request(SyncInput(connection="demo", launcher=launcher)), **settings)
    assert refusal(caught.value)
    assert await desk.count("jobs") == 1


# --- secret references ---

BAD_REFERENCES = {
    "env:HOME": "only variables that begin with AIRBYTE_SECRET_",
    "env:airbyte_secret_x": "only variables that begin with AIRBYTE_SECRET_",
    "env:": "only variables that begin with AIRBYTE_SECRET_",
    "file:../key": "only files below SECRETS_DIR",
    "file:a/../../key": "only files below SECRETS_DIR",
    "file:..": "only files below SECRETS_DIR",
    "file:.": "only files below SECRETS_DIR",
    f"vault:{SECRET}": "begins with env: or file:",
    SECRET: "begins with env: or file:",
}
GOOD_REFERENCES = ("env:AIRBYTE_SECRET_KEY", "file:key", "file:a/../key", "file:a/b..c")
NO_TEXTS = (1, None, {"a": SECRET}, ["env:AIRBYTE_SECRET_X"])


def with_reference(reference: object) -> dict[str, Any]:
    return {"host": SECRET, "key": [{"pass": {"_secret": reference}}]}


@pytest.mark.parametrize("handed", [False, True], ids=["typed", "handed over"])
@pytest.mark.parametrize("place", WITH_CONFIG)
async def test_a_reference_that_leads_elsewhere_is_refused_where_it_stands(
    desk: Desk, place: str, handed: bool
) -> None:
    """However the config came: our own clients hand over every one."""
    for reference, words in BAD_REFERENCES.items():
        config = with_reference(reference)
        given = {"config_id": await desk.hand_over(config)} if handed else {"config": config}
        message = await refused(desk, typed(place, image(place) | given), allow_local_commands=True)
        assert message.startswith(f"{PLACES[place]}config.key[0].pass: ")
        assert words in message
        assert SECRET not in message


@pytest.mark.parametrize("place", WITH_CONFIG)
async def test_a_reference_that_is_no_text_is_refused(desk: Desk, place: str) -> None:
    for reference in NO_TEXTS:
        message = await refused(desk, typed(place, image(place) | {"config": with_reference(reference)}))
        assert message.startswith(f"{PLACES[place]}config.key[0].pass: a secret reference")
        assert SECRET not in message


@pytest.mark.parametrize("place", WITH_CONFIG)
async def test_a_reference_to_what_is_meant_for_connectors_is_kept_as_it_is(desk: Desk, place: str) -> None:
    for number, reference in enumerate(GOOD_REFERENCES):
        asked = typed(place, image(place) | {"config": with_reference(reference)}, connection=f"c{number}")
        job = await desk.job((await desk.open(asked)).job_id)
        assert [each.config for each in job.connectors.values() if each.config] == [with_reference(reference)]


@pytest.mark.parametrize("config", [{"config": {"pass": SECRET}}, {"config_id": str(uuid4())}])
def test_a_spec_takes_no_config(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted") as caught:
        operation("spec", {"image": SOURCE} | config)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("place", WITH_CONFIG)
def test_a_file_of_the_host_as_config_is_none_of_the_inputs(place: str) -> None:
    with pytest.raises(ValidationError, match="config_file is read by the command line") as caught:
        typed(place, {"image": SOURCE, "config_file": f"/etc/{SECRET}"})
    assert SECRET not in str(caught.value)


# --- configs by id ---


def by_id(place: str, config_id: object) -> OpenJob | OpenOperation:
    return typed(place, image(place) | {"config_id": config_id})


@pytest.mark.parametrize("place", WITH_CONFIG)
async def test_a_config_that_nobody_handed_over_is_refused(desk: Desk, place: str) -> None:
    await desk.hand_over({"pass": SECRET})
    unknown = uuid4()
    assert (await refused(desk, by_id(place, unknown))).startswith(f"nothing is stored under the id {unknown}")


@pytest.mark.parametrize("first", WITH_CONFIG)
async def test_the_config_that_another_job_took_is_refused(desk: Desk, first: str) -> None:
    config_id = await desk.hand_over({"pass": SECRET})
    plan = await desk.open(by_id(first, config_id))
    await desk.db.execute("update jobs set status = 'succeeded' where id = $1", plan.job_id)
    for second in WITH_CONFIG:
        with pytest.raises(ApplicationError) as caught:
            await desk.open(by_id(second, config_id))
        assert "it was used already" in refusal(caught.value)
        assert SECRET not in caught.value.message
    assert await desk.count("jobs") == 1


@pytest.mark.parametrize("place", WITH_CONFIG)
async def test_a_handed_config_that_cannot_be_opened_is_refused(desk: Desk, place: str) -> None:
    config_id = await desk.hand_over({"pass": SECRET})
    await desk.db.execute("update handed_configs set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1)")
    assert "SECRETS_KEY_FILE must name the key file" in await refused(desk, by_id(place, config_id))


async def test_a_refused_sync_leaves_the_config_that_was_good_for_the_next(desk: Desk) -> None:
    config_id = await desk.hand_over({"pass": SECRET})
    source = {"image": SOURCE, "config_id": config_id}
    await refused(desk, sync(source, {"image": DESTINATION, "config_id": uuid4()}))
    plan = await desk.open(sync(source, {"image": DESTINATION}))
    assert (await desk.job(plan.job_id)).connectors[Role.SOURCE].config == {"pass": SECRET}


# --- what nobody must be asked for to be known as wrong ---


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"catalog": {}}, "`streams` must be a list"),
        ({"catalog": {"streams": []}}, "nothing to sync"),
        ({"catalog": {"streams": [USERS]}}, "streams[0] has no `stream` object"),
        ({"catalog": {"streams": [configured_stream(sync_mode="often")]}}, "sync_mode must be one of"),
        ({"catalog": {"streams": [configured_stream(), configured_stream()]}}, "stream users is listed twice"),
        ({"streams": [{"name": "users"}, {"name": "users", "namespace": ""}]}, "stream users is listed twice"),
    ],
)
async def test_a_choice_that_no_source_could_satisfy_is_refused(desk: Desk, given: dict[str, Any], words: str) -> None:
    assert words in await refused(desk, sync({"image": SOURCE}, {"image": DESTINATION}, **given))


async def test_a_choice_for_a_stored_connection_is_refused_alike(desk: Desk) -> None:
    plan = await desk.open(sync({"image": SOURCE}, {"image": DESTINATION}))
    await desk.db.execute("update jobs set status = 'succeeded' where id = $1", plan.job_id)
    asked = SyncInput.model_validate({"connection": "demo", "catalog": {"streams": []}})
    with pytest.raises(ApplicationError) as caught:
        await desk.open(request(asked))
    assert "nothing to sync" in refusal(caught.value)
    assert await desk.count("jobs") == 1


# --- several at once ---


async def test_all_that_is_forbidden_is_told_at_once(desk: Desk) -> None:
    bad = COMMAND | {"config": {"pass": {"_secret": "env:HOME"}, "other": SECRET}}
    message = await refused(desk, sync(bad, bad, local_root="/etc", launcher="docker"))
    assert [problem.partition(": ")[0] for problem in message.split("; ") if ": " in problem] == [
        *("source.command", "source.command", "source.config.pass"),
        *("destination.command", "destination.command", "destination.config.pass", "local_root"),
    ]
    assert SECRET not in message


async def test_a_refusal_is_never_longer_than_history_takes(desk: Desk) -> None:
    config = {f"{number}{'x' * 90}": {"_secret": f"env:{'Y' * 90}"} for number in range(100)}
    message = await refused(desk, sync({"image": SOURCE, "config": config}, {"image": DESTINATION, "config": config}))
    assert len(message) == MAX_MESSAGE_IN_HISTORY
    assert message.endswith("[cut]")
