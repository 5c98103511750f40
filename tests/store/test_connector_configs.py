"""Configs that connectors send anew: stored sealed, under the attempt's fence, and used from the next launch (V6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from desk import DESTINATION, SOURCE, Desk, operation, sync
from outage import way_to
from rows import CATALOG, close_job, next_attempt, open_attempt
from still_launcher import StillLauncher
from temporalio.testing import ActivityEnvironment

from activities.launch_configs import LaunchConfig, LaunchConfigs
from activities.pod_specs import Author
from activities.workloads import WorkloadActivities
from airbyte_workers.models import AttemptRef, ConnectorResult, FailureOrigin, JobStatus
from airbyte_workers.names import JobKind, Role, pod_name
from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.orchestrator.joblog import LogLimits, LogWriter
from airbyte_workers.orchestrator.journal import JournalFile
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.control import Launched, NewConfig, NewConfigs
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.settings import Settings
from airbyte_workers.store import connector_configs, jobs, workloads
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.database import connected
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.secrets import SecretError
from airbyte_workers.store.states import StaleFence, Writer
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
TYPED = {"host": "api.example", "token": "token-as-typed"}
SPEC = '{"connectionSpecification":{"properties":{"token":{"airbyte_secret":true}}}}'
WORDS = "the source sent a new config (token refresh): stored, used from the next launch"


def sent(token: str) -> dict[str, Any]:
    return {"host": "api.example", "token": token}


class Rounds:
    """Jobs of one connection, one after the other, with the config that people typed for each."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.settings = desk.settings(secrets_dir=desk.folder, database_url="postgresql://h/d")
        self.configs = LaunchConfigs(desk.db, desk.seal, self.settings)

    async def job(self, typed: Mapping[str, Any] = TYPED, name: str = "demo") -> jobs.Job:
        """Its connectors' specs are known, and what it syncs."""
        for image in (SOURCE, DESTINATION):
            await self.desk.know_spec(image, SPEC)
        sides = ({"image": SOURCE, "config": typed}, {"image": DESTINATION, "config": typed})
        opened = await self.desk.job((await self.desk.open(sync(*sides, connection=name))).job_id)
        await jobs.set_catalog(self.desk.db, opened, CATALOG, "sha")
        return await self.desk.job(opened.id)

    async def end(self, job: jobs.Job) -> None:
        await close_job(self.desk.db, job.id, JobStatus.FAILED)

    async def launched(self, job: jobs.Job, role: Role = Role.SOURCE) -> LaunchConfig:
        return await self.configs.of(job, role)

    async def token(self, job: jobs.Job, role: Role = Role.SOURCE) -> str:
        """With what the connector is launched now."""
        return str(json.loads((await self.launched(job, role)).file)["token"])

    async def sealed(self, job: jobs.Job, token: str, role: Role = Role.SOURCE) -> bytes:
        """A new config as its reader seals it."""
        launched = (await self.launched(job, role)).launched
        new = NewConfig(FailureOrigin(role), json.dumps(sent(token)).encode(), launched)
        return connector_configs.sealed(new)

    async def keep(self, job: jobs.Job, attempt: Attempt, token: str, role: Role = Role.SOURCE) -> None:
        await connector_configs.keep(self.desk.db, writer(job, attempt), role, await self.sealed(job, token, role))

    async def tell(self, job: jobs.Job, token: str, number: int = 0, of: Role | None = None) -> None:
        """As a check or a discover does."""
        launched = (await self.launched(job, of or Role.SOURCE)).launched
        new = NewConfig(FailureOrigin(of or Role.SOURCE), json.dumps(sent(token)).encode(), launched)
        ref = AttemptRef(job_id=job.id, attempt=number, kind=JobKind.CHECK if of else JobKind.DISCOVER, of=of)
        await connector_configs.keep_told(self.desk.db, ref, connector_configs.in_words(new))


def writer(job: jobs.Job, attempt: Attempt) -> Writer:
    assert job.connection_id is not None
    return Writer(job.connection_id, job.id, attempt.number, attempt.fence)


@pytest.fixture
def rounds(desk: Desk) -> Rounds:
    return Rounds(desk)


async def everything(db: asyncpg.Pool) -> bytes:
    """Every value of the table, as PostgreSQL has it."""
    rows = await db.fetch("select * from connector_configs")
    return b"\n".join(each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row.values())


# --- from the next launch ---


async def test_v6_the_next_launch_has_the_config_that_the_connector_sent(rounds: Rounds) -> None:
    job = await rounds.job()
    assert await rounds.token(job) == "token-as-typed"
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    assert await rounds.token(job) == "token-2"
    assert await rounds.token(job, Role.DESTINATION) == "token-as-typed"
    await rounds.end(job)
    assert await rounds.token(await rounds.job()) == "token-2"


async def test_another_connection_with_the_same_config_has_nothing_of_it(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    other = await rounds.job(name="other")
    assert await rounds.token(other) == "token-as-typed"
    await rounds.desk.db.execute("update connector_configs set connection_id = $1", other.connection_id)
    assert await rounds.token(other) == "token-as-typed", "a row was moved, and counted"


async def test_the_old_values_and_the_new_ones_are_secret(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    assert set((await rounds.launched(job)).secrets) == {"token-as-typed", "token-2"}


async def test_pods_of_the_connection_get_what_it_takes_to_keep_a_config_and_others_do_not(rounds: Rounds) -> None:
    job = await rounds.job()
    author = Author(rounds.desk.db, rounds.settings, rounds.configs)
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    await rounds.keep(job, attempt, "token-2")
    spec = await author.replication(job, attempt)
    told = ReplicationInput.model_validate_json(spec.orchestrator_input)
    assert json.loads(told.launched[FailureOrigin.SOURCE].config) == sent("token-2")
    assert json.loads(told.launched[FailureOrigin.SOURCE].typed) == TYPED
    assert {each.public_key for each in told.launched.values()} == {rounds.desk.seal.public_key.hex()}
    ref = AttemptRef(job_id=job.id, attempt=0, kind=JobKind.CHECK, of=Role.SOURCE)
    asked = ConnectorInput.model_validate_json((await author.operation(job, ref)).orchestrator_input)
    assert asked.launched == {FailureOrigin.SOURCE: told.launched[FailureOrigin.SOURCE]}
    alone = await rounds.desk.job(
        (await rounds.desk.open(operation("check", {"image": SOURCE, "config": TYPED}))).job_id
    )
    by_itself = await author.operation(alone, AttemptRef(job_id=alone.id, attempt=0, kind=JobKind.CHECK))
    assert (
        ConnectorInput.model_validate_json(by_itself.orchestrator_input).launched[FailureOrigin.SOURCE].public_key == ""
    )


# --- a person's word is newer ---


async def test_a_config_that_was_typed_anew_wins_and_what_was_sent_is_dropped(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    await rounds.end(job)
    changed = await rounds.job(TYPED | {"token": "typed-anew"})
    assert await rounds.token(changed) == "typed-anew"
    assert await rounds.desk.count("connector_configs") == 0
    reason = "the source sent it in place of a config that was changed since: the typed one is used"
    assert ("new config dropped", reason) in await rounds.desk.events(changed.id)
    await rounds.end(changed)
    assert await rounds.token(await rounds.job()) == "token-as-typed"


async def test_so_does_a_secret_that_was_changed_where_a_reference_finds_it(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_SECRET_T", "first-value")
    job = await rounds.job(TYPED | {"token": {"_secret": "env:AIRBYTE_SECRET_T"}})
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    assert await rounds.token(job) == "token-2"
    monkeypatch.setenv("AIRBYTE_SECRET_T", "second-value")
    assert await rounds.token(job) == "second-value"
    monkeypatch.delenv("AIRBYTE_SECRET_T")
    with pytest.raises(SecretError):
        await rounds.token(job)


async def test_a_config_that_cannot_be_read_is_dropped(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    await rounds.desk.db.execute("update connector_configs set sealed = 'nonsense'")
    assert await rounds.token(job) == "token-as-typed"
    assert await rounds.desk.count("connector_configs") == 0


async def test_one_that_somebody_else_sealed_does_not_count(rounds: Rounds) -> None:
    """The public key is there for anybody; what the config is based on only the workers and their pods know."""
    job = await rounds.job()
    forged = NewConfig(
        FailureOrigin.SOURCE, b'{"token":"forged"}', Launched(public_key=rounds.desk.seal.public_key.hex())
    )
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    await connector_configs.keep(rounds.desk.db, writer(job, attempt), Role.SOURCE, connector_configs.sealed(forged))
    assert await rounds.token(job) == "token-as-typed"


# --- at rest ---


async def test_no_column_has_anything_of_it_in_plain(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    stored = await everything(rounds.desk.db)
    assert str(job.connection_id).encode() in stored
    for plain in (b"token", b"api.example", (await rounds.launched(job)).launched.based_on.encode()):
        assert plain not in stored


async def test_it_goes_with_its_connection(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.keep(job, await open_attempt(rounds.desk.db, job.id, 0), "token-2")
    await rounds.desk.db.execute("delete from retry_states")
    await rounds.desk.db.execute("delete from jobs")
    await rounds.desk.db.execute("delete from connections")
    assert await rounds.desk.count("connector_configs") == 0


# --- which is the newest ---


async def test_a_stale_fence_stores_nothing(rounds: Rounds) -> None:
    job = await rounds.job()
    first = await open_attempt(rounds.desk.db, job.id, 0)
    second = await next_attempt(rounds.desk.db, job.id, 1)
    await rounds.keep(job, second, "token-3")
    with pytest.raises(StaleFence):
        await rounds.keep(job, first, "token-2")
    assert await rounds.token(job) == "token-3"


async def test_of_one_attempt_what_its_checks_said_is_older_whenever_it_is_told(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.tell(job, "token-of-discover")
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    await rounds.tell(job, "token-of-check", of=Role.SOURCE)
    assert await rounds.token(job) == "token-of-check"
    for token in ("token-2", "token-3"):
        await rounds.keep(job, attempt, token)
        assert await rounds.token(job) == token
    await rounds.tell(job, "token-of-check", of=Role.SOURCE)
    assert await rounds.token(job) == "token-3"
    await next_attempt(rounds.desk.db, job.id, 1)
    await rounds.tell(job, "token-4", number=1, of=Role.SOURCE)
    assert await rounds.token(job) == "token-4"


async def test_what_an_earlier_job_told_comes_too_late(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.end(job)
    later = await rounds.job()
    await rounds.tell(later, "token-3")
    await rounds.tell(job, "token-2")
    assert await rounds.token(later) == "token-3"


async def test_the_past_of_the_job_tells_it_once_an_attempt(rounds: Rounds) -> None:
    job = await rounds.job()
    await rounds.tell(job, "token-1")
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    for token in ("token-2", "token-3"):
        await rounds.keep(job, attempt, token)
    rows = await rounds.desk.db.fetch("select attempt, reason from job_events where event = 'new config' order by id")
    assert [tuple(row) for row in rows] == [(None, WORDS), (0, WORDS)]


@pytest.mark.parametrize("told", [None, "no base64!"])
async def test_a_result_without_one_stores_nothing(rounds: Rounds, told: str | None) -> None:
    job = await rounds.job()
    ref = AttemptRef(job_id=job.id, attempt=0, kind=JobKind.DISCOVER)
    await connector_configs.keep_told(rounds.desk.db, ref, told)
    assert await rounds.desk.count("connector_configs") == 0


@pytest.mark.parametrize("status", ["succeeded", "failed"])
async def test_what_a_discover_left_in_its_marker_is_stored_when_its_watch_ends(rounds: Rounds, status: Any) -> None:
    job = await rounds.job()
    new = NewConfig(FailureOrigin.SOURCE, json.dumps(sent("token-2")).encode(), (await rounds.launched(job)).launched)
    ref = AttemptRef(job_id=job.id, attempt=0, kind=JobKind.DISCOVER)
    pod = pod_name(ref.kind, ref.job_id, ref.attempt, ref.of)
    place = Workload(pod, ref.kind, ref.job_id, ref.attempt, None, "here", "process", 0)
    await workloads.claim(rounds.desk.db, place, limit=9, lease_s=600)
    result = ConnectorResult(status=status, new_config=connector_configs.in_words(new))
    await Markers(rounds.desk.objects(), pod).write(Marker.SUCCESS, result.model_dump_json().encode())
    watch = WorkloadActivities(rounds.desk.means(StillLauncher(), dataplane="here"))
    outcome = await ActivityEnvironment().run(watch.watch_workload, ref)
    assert (await rounds.token(job), "token-2" in outcome.model_dump_json()) == ("token-2", False)


# --- by the attempt's own program ---


class Program:
    """What commits in an orchestrator, and its job's log."""

    def __init__(self, db: asyncpg.Pool, folder: Path, place: Writer, launched: Launched) -> None:
        self.said: list[str] = []
        self.stale = 0
        self._log = LogWriter(desk_objects(folder), "logs", Redactor(), LogLimits.of(Settings(home=folder)))
        configs = NewConfigs({FailureOrigin.SOURCE: launched})
        self.ledger = Ledger([("users", None)], self, staged_states_bytes=1, configs=configs)
        self.committer = Committer(db, JournalFile(folder, place, longest=1 << 20), self.ledger, self._superseded)

    @property
    def redact(self) -> Redactor:
        return self._log.redact

    def __call__(self, leg: str, level: str, text: str, stream: Any = None) -> None:
        self.said.append(text)

    def _superseded(self) -> None:
        self.stale += 1

    def source(self, token: str) -> None:
        body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": sent(token)}}
        line = json.dumps({"type": "CONTROL", "control": body}).encode() + b"\n"
        self.ledger.configs.read(self, FailureOrigin.SOURCE, line)


def desk_objects(folder: Path) -> Any:
    return Desk(None, Seal(bytes(32)), folder).objects()  # type: ignore[arg-type]  # no database for that


async def test_it_is_stored_as_soon_as_it_is_read_and_said_once(rounds: Rounds, tmp_path: Path) -> None:
    job = await rounds.job()
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    program = Program(rounds.desk.db, tmp_path, writer(job, attempt), (await rounds.launched(job)).launched)
    running = asyncio.create_task(program.committer.run())
    for token in ("token-2", "token-3"):
        program.source(token)
        async with asyncio.timeout(20):
            while await rounds.token(job) != token:
                await asyncio.sleep(0.01)
    program.committer.close()
    await running
    assert program.said == [WORDS, WORDS]


async def test_a_database_that_is_away_is_waited_for(rounds: Rounds, server_url: str, tmp_path: Path) -> None:
    job = await rounds.job()
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    launched = (await rounds.launched(job)).launched
    async with way_to(rounds.desk.db, server_url) as way, connected(way.url, size=1, timeout=20) as db:
        program = Program(db, tmp_path, writer(job, attempt), launched)
        await way.cut()
        running = asyncio.create_task(program.committer.run())
        program.source("token-2")
        async with asyncio.timeout(20):
            while not program.said:
                await asyncio.sleep(0.01)
        assert program.said[0].startswith("a new config of the source waits for the database: ")
        assert await rounds.token(job) == "token-as-typed"
        await way.open()
        program.committer.close()
        await running
    assert await rounds.token(job) == "token-2"


async def test_of_an_attempt_that_was_superseded_nothing_is_stored(rounds: Rounds, tmp_path: Path) -> None:
    job = await rounds.job()
    first = await open_attempt(rounds.desk.db, job.id, 0)
    launched = (await rounds.launched(job)).launched
    await next_attempt(rounds.desk.db, job.id, 1)
    program = Program(rounds.desk.db, tmp_path, writer(job, first), launched)
    program.source("token-2")
    program.committer.close()
    await program.committer.run()
    assert (program.stale, await rounds.token(job)) == (1, "token-as-typed")


async def test_without_a_key_to_seal_it_to_it_is_lost_and_that_is_said(rounds: Rounds, tmp_path: Path) -> None:
    job = await rounds.job()
    attempt = await open_attempt(rounds.desk.db, job.id, 0)
    program = Program(rounds.desk.db, tmp_path, writer(job, attempt), Launched())
    program.source("token-2")
    program.committer.close()
    await program.committer.run()
    assert await rounds.desk.count("connector_configs") == 0
    (said,) = program.said
    assert said.startswith("the source sent a new config (token refresh), which cannot be stored: ")
