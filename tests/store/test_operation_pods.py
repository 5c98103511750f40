"""From a job's row to the pods that ask one connector one thing, and to what of its config each of them sees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from desk import DESTINATION, SOURCE, Desk, operation, sync
from rows import CATALOG, open_attempt

from activities.launch_configs import LaunchConfigs
from activities.pod_specs import Author
from airbyte_workers.models import AttemptRef, JobPlan
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.pods.pod import ContainerLimits, ContainerSpec, PodSpec, Program
from airbyte_workers.store import jobs, reaping
from airbyte_workers.store.secrets import SecretError

pytestmark = pytest.mark.postgres
DATABASE = "postgresql://app:dbpass@h/d"
READ = {"host": "db.example", "pass": {"_secret": "env:AIRBYTE_SECRET_READ"}, "pin": "4711-pin"}
RESOLVED = {"host": "db.example", "pass": "from-env", "pin": "4711-pin"}
WRITTEN = {"path": "out/folder", "key": {"_secret": "file:key"}}
WRITTEN_VALUES = ("out/folder", "from-file")
SPEC_OF_BOTH = '{"connectionSpecification":{"properties":{"pin":{"airbyte_secret":true}}}}'
SYNCS_QUESTIONS = [
    (JobKind.SPEC, Role.SOURCE),
    (JobKind.SPEC, Role.DESTINATION),
    (JobKind.DISCOVER, None),
    (JobKind.CHECK, Role.SOURCE),
    (JobKind.CHECK, Role.DESTINATION),
]


@pytest.fixture(autouse=True)
def secrets(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configs refer to is there."""
    monkeypatch.setenv("AIRBYTE_SECRET_READ", "from-env")
    (desk.folder / "key").write_text("from-file\n")


async def sync_plan(desk: Desk) -> JobPlan:
    """A sync whose specs are known."""
    for image in (SOURCE, DESTINATION):
        await desk.know_spec(image, SPEC_OF_BOTH)
    return await desk.open(sync({"image": SOURCE, "config": READ}, {"image": DESTINATION, "config": WRITTEN}))


def author(desk: Desk, **settings: Any) -> Author:
    known = desk.settings(secrets_dir=desk.folder, database_url=DATABASE, **settings)
    return Author(desk.db, known, LaunchConfigs(desk.db, desk.seal, known))


async def pod(desk: Desk, job_id: int, kind: JobKind, of: Role | None = None, **settings: Any) -> PodSpec:
    ref = AttemptRef(job_id=job_id, attempt=0, kind=kind, of=of)
    return await author(desk, **settings).operation(await desk.job(job_id), ref)


async def replication(desk: Desk, job_id: int) -> PodSpec:
    await jobs.set_catalog(desk.db, await desk.job(job_id), CATALOG, "sha")
    attempt = await open_attempt(desk.db, job_id, 0)
    return await author(desk).replication(await desk.job(job_id), attempt)


def only(spec: PodSpec) -> ContainerSpec:
    (container,) = spec.containers
    assert (container.role, spec.orchestrator) == (Role.MAIN, Role.SIDECAR)
    return container


def given(spec: PodSpec) -> ConnectorInput:
    return ConnectorInput.model_validate_json(spec.orchestrator_input)


def shown(container: ContainerSpec) -> str:
    """All that an engine, or a list of processes, shows of a container."""
    return json.dumps([container.environment, container.arguments, container.program.image, repr(container)])


def whole(spec: PodSpec) -> str:
    """All that a pod is given, its files too."""
    files = b"".join(content for container in spec.containers for content in container.files.values())
    parts = [spec.orchestrator_input, files, json.dumps(dict(spec.labels)).encode()]
    return b"".join(parts).decode() + "".join(map(shown, spec.containers))


# --- pods of operations ---


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (JobKind.SPEC, ("spec",)),
        (JobKind.CHECK, ("check", "--config", "{folder}/config.json")),
        (JobKind.DISCOVER, ("discover", "--config", "{folder}/config.json")),
    ],
)
async def test_the_pod_of_an_operation(desk: Desk, kind: JobKind, arguments: tuple[str, ...]) -> None:
    config = {} if kind is JobKind.SPEC else {"config": READ}
    job_id = (await desk.open(operation(str(kind), {"image": SOURCE} | config))).job_id
    spec = await pod(desk, job_id, kind, lease_seconds=90)
    container = only(spec)
    assert (spec.name, spec.kind) == (f"{kind}-job-{job_id}-attempt-0", kind)
    labels = {"job": str(job_id), "attempt": "0", "connection": "", "fence": "0", "lease": "90"}
    run = (await jobs.read_job(desk.db, desk.seal, job_id)).run_id
    assert spec.labels == labels | {"run": run, "database": await reaping.installation(desk.db)}
    assert (container.program, container.arguments) == (Program(image=SOURCE), arguments)
    assert {name: json.loads(content) for name, content in container.files.items()} == (
        {} if kind is JobKind.SPEC else {"config.json": RESOLVED}
    )
    told = given(spec)
    assert (told.pod, told.operation, told.origin) == (spec.name, kind, "source")
    assert told.log_prefix == f"logs/{job_id}/{kind}"


async def test_the_spec_that_a_check_asks_first_has_a_pod_without_its_config(desk: Desk) -> None:
    job_id = (await desk.open(operation("check", {"image": SOURCE, "config": READ}))).job_id
    spec = await pod(desk, job_id, JobKind.SPEC)
    assert (spec.name, only(spec).arguments, only(spec).files) == (f"spec-job-{job_id}-attempt-0", ("spec",), {})
    assert [value for value in RESOLVED.values() if value in whole(spec)] == []


async def test_a_command_is_run_with_the_same_words(desk: Desk) -> None:
    typed = {"command": ["./source", "--quiet"], "config": READ, "local_root": "/srv/x", "launcher": "process"}
    job_id = (await desk.open(operation("check", typed), allow_local_commands=True)).job_id
    spec = await pod(desk, job_id, JobKind.CHECK)
    assert only(spec).program == Program(command=("./source", "--quiet"))
    assert only(spec).arguments == ("check", "--config", "{folder}/config.json")
    assert str(spec.local_root) == "/srv/x"


async def test_limits_are_those_of_the_connector_or_of_the_settings(desk: Desk) -> None:
    typed = {"image": SOURCE, "resources": {"cpu_limit": "0.5", "pids_limit": 7}}
    job_id = (await desk.open(operation("check", typed))).job_id
    spec = await pod(desk, job_id, JobKind.CHECK, job_main_container_memory_limit="1Gi")
    assert only(spec).limits == ContainerLimits(cpus=0.5, memory_bytes=2**30, pids=7)


# --- pods of a sync's questions ---


@pytest.mark.parametrize(("kind", "of"), SYNCS_QUESTIONS)
async def test_the_pod_of_a_syncs_question_is_about_one_connector(desk: Desk, kind: JobKind, of: Role | None) -> None:
    job_id = (await sync_plan(desk)).job_id
    spec = await pod(desk, job_id, kind, of)
    suffix = f"-{of}" if of is not None else ""
    assert (spec.name, spec.kind) == (f"{kind}-job-{job_id}-attempt-0{suffix}", kind)
    assert (spec.labels["job"], spec.labels["connection"]) == (str(job_id), "demo")
    told = given(spec)
    assert (told.pod, told.operation, told.origin) == (spec.name, kind, of or Role.SOURCE)
    of_attempt = f"0/0-{int(of is Role.DESTINATION)}-"  # a check stands at the head of its attempt's log
    assert told.log_prefix == f"logs/{job_id}/{of_attempt if kind is JobKind.CHECK else ''}{kind}{suffix}"
    assert only(spec).program == Program(image=DESTINATION if of is Role.DESTINATION else SOURCE)


async def test_names_logs_and_labels_of_a_syncs_pods_are_all_different(desk: Desk) -> None:
    job_id = (await sync_plan(desk)).job_id
    pods = [await pod(desk, job_id, kind, of) for kind, of in SYNCS_QUESTIONS]
    attempt = ReplicationInput.model_validate_json((await replication(desk, job_id)).orchestrator_input)
    assert len({spec.name for spec in pods} | {attempt.pod}) == 6
    assert len({given(spec).log_prefix for spec in pods} | {attempt.log_prefix}) == 6


@pytest.mark.parametrize(("kind", "of"), SYNCS_QUESTIONS)
async def test_a_syncs_question_shows_a_connector_nothing_of_the_other(
    desk: Desk, kind: JobKind, of: Role | None
) -> None:
    spec = await pod(desk, (await sync_plan(desk)).job_id, kind, of)
    own, others = (WRITTEN_VALUES, RESOLVED.values()) if of is Role.DESTINATION else (RESOLVED.values(), WRITTEN_VALUES)
    seen = whole(spec)
    assert [value for value in others if value in seen] == []
    assert [value in seen for value in own] == [kind is not JobKind.SPEC] * len(own)


# --- secrets ---


async def test_the_pods_program_is_told_what_it_must_never_tell(desk: Desk) -> None:
    await desk.know_spec(SOURCE, SPEC_OF_BOTH)
    job_id = (await desk.open(operation("check", {"image": SOURCE, "config": READ}))).job_id
    told = given(await pod(desk, job_id, JobKind.CHECK))
    assert (sorted(told.secrets), told.secret_names) == (["4711-pin", "from-env"], ("pin",))


async def test_before_the_spec_is_known_references_are_secret_already(desk: Desk) -> None:
    job_id = (await desk.open(operation("check", {"image": SOURCE, "config": READ}))).job_id
    told = given(await pod(desk, job_id, JobKind.CHECK))
    assert (told.secrets, told.secret_names) == (("from-env",), ())


async def test_the_orchestrator_of_a_sync_is_told_the_secrets_of_both_connectors(desk: Desk) -> None:
    spec = await replication(desk, (await sync_plan(desk)).job_id)
    told = ReplicationInput.model_validate_json(spec.orchestrator_input)
    assert (sorted(told.secrets), told.secret_names) == (["4711-pin", "from-env", "from-file"], ("pin",))


@pytest.mark.parametrize("kind", [JobKind.SYNC, JobKind.CHECK, JobKind.DISCOVER])
async def test_a_connector_has_its_config_as_a_file_and_nowhere_else(desk: Desk, kind: JobKind) -> None:
    if kind is JobKind.SYNC:
        spec = await replication(desk, (await sync_plan(desk)).job_id)
    else:
        job_id = (await desk.open(operation(str(kind), {"image": SOURCE, "config": READ}))).job_id
        spec = await pod(desk, job_id, kind)
    values = [*RESOLVED.values(), *WRITTEN_VALUES]
    for container in spec.containers:
        assert [value for value in [*values, "dbpass"] if value in shown(container)] == []
        others = b"".join(content for name, content in container.files.items() if name != "config.json").decode()
        assert [value for value in [*values, "dbpass"] if value in others] == []
    assert [value for value in values if value in json.dumps(dict(spec.labels)) + repr(spec)] == []
    configs = {each.role: json.loads(each.files["config.json"]) for each in spec.containers}
    assert configs[Role.SOURCE if kind is JobKind.SYNC else Role.MAIN] == RESOLVED


@pytest.mark.parametrize("kind", [JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER])
async def test_a_pod_that_asks_one_connector_knows_nothing_of_the_database(desk: Desk, kind: JobKind) -> None:
    job_id = (await desk.open(operation(str(kind), {"image": SOURCE}))).job_id
    assert "dbpass" not in whole(await pod(desk, job_id, kind))


async def test_a_secret_that_is_not_there_is_told_by_its_reference(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRBYTE_SECRET_READ")
    job_id = (await desk.open(operation("check", {"image": SOURCE, "config": READ}))).job_id
    with pytest.raises(SecretError, match="AIRBYTE_SECRET_READ"):
        await pod(desk, job_id, JobKind.CHECK)
