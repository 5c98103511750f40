"""The next attempt of a connection: older pods are gone before it starts, and it begins at what is committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from desk import DESTINATION, SOURCE, Desk, sync
from hosts import lease_over, seen
from rows import CATALOG, next_attempt, open_attempt
from still_launcher import StillLauncher
from temporalio.testing import ActivityEnvironment

from activities.workloads import WorkloadActivities
from airbyte_workers.models import AttemptRef, AttemptSummary, Evidence, FailureType, Launched
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import ContainerStatus, PodSpec, PodStatus, RemovalFailed
from airbyte_workers.store import attempts, jobs, states
from airbyte_workers.store.journals import Entry, Journal, States
from airbyte_workers.store.states import StateRow, Writer

pytestmark = pytest.mark.postgres
FIRST, SECOND = "replication-job-1-attempt-0", "replication-job-1-attempt-1"


@dataclass
class Launcher(StillLauncher):
    """Pods that live until they are removed; `resists` as often as it is told."""

    resists: int = 0
    done: list[str] = field(default_factory=list)
    specs: dict[str, PodSpec] = field(default_factory=dict)
    journals: dict[str, bytes] = field(default_factory=dict)

    async def journal(self, pod: str) -> bytes | None:
        return self.journals.get(pod)

    async def launch(self, spec: PodSpec) -> PodStatus:
        self.done.append(f"launch {spec.name}")
        self.specs[spec.name] = spec
        return await self.inspect(spec.name)

    async def inspect(self, pod: str) -> PodStatus:
        return PodStatus(pod, (ContainerStatus(Role.ORCHESTRATOR, running=True),) if pod in self.specs else ())

    async def remove(self, pod: str) -> None:
        self.done.append(f"remove {pod}")
        if self.resists:
            self.resists -= 1
            raise RemovalFailed(f"pod {pod} is still there")
        self.specs.pop(pod, None)

    async def remains(self, pod: str) -> tuple[str, ...]:
        return (pod,) if pod in self.specs else ()


@dataclass
class Connection:
    """One sync and the dataplanes that its pods are launched on."""

    desk: Desk
    launcher: Launcher = field(default_factory=Launcher)

    async def begin(self, **more: Any) -> None:
        plan = await self.desk.open(sync({"image": SOURCE}, {"image": DESTINATION}, **more))
        await jobs.set_catalog(self.desk.db, await self.desk.job(plan.job_id), CATALOG, "sha")
        await open_attempt(self.desk.db, plan.job_id, 0)
        assert (await self.launch(0)).launched

    async def launch(self, number: int, *, dataplane: str = "here", **settings: Any) -> Launched:
        activities = WorkloadActivities(self.desk.means(self.launcher, dataplane=dataplane, **settings))
        ref = AttemptRef(job_id=1, attempt=number, kind=JobKind.SYNC)
        return await ActivityEnvironment().run(activities.launch_workload, ref)

    async def waits(self, launching: asyncio.Task[Launched]) -> None:
        """No second pod is started meanwhile."""
        await asyncio.wait([launching], timeout=0.7)
        assert not launching.done()
        assert self.launcher.done == [f"launch {FIRST}"]
        assert FIRST in await self.live()

    async def live(self) -> list[str]:
        rows = await self.desk.db.fetch("select pod from workloads where status in ('claimed', 'launched', 'running')")
        return [row["pod"] for row in rows]

    async def commit(self, position: int, *, number: int) -> None:
        await states.commit(self.desk.db, await self.writer(number), [row(position)], [])

    async def writer(self, number: int) -> Writer:
        return Writer(1, 1, number, (await attempts.read_attempt(self.desk.db, 1, number)).fence)

    async def leave_in_journal(self, position: int, *, number: int) -> None:
        """What the attempt's pod could not commit."""
        entry = Entry(states=States(rows=(row(position),), counts=()))
        journal = Journal(writer=await self.writer(number), entries=(entry,))
        self.launcher.journals[FIRST] = journal.model_dump_json().encode()


def row(position: int, stream: str = "users") -> StateRow:
    body = {"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": {"n": position}}}
    return StateRow("STREAM", stream, None, json.dumps(body), seq=position)


@pytest.fixture
async def connection(desk: Desk) -> Connection:
    begun = Connection(desk)
    await begun.begin()
    return begun


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_the_pod_of_an_older_attempt_is_gone_before_the_next_one_starts(connection: Connection) -> None:
    """Its watcher was lost, and nobody could remove it."""
    await next_attempt(connection.desk.db, 1, 1)
    assert (await connection.launch(1)).launched
    assert connection.launcher.done == [f"launch {FIRST}", f"remove {FIRST}", f"launch {SECOND}"]
    assert await connection.live() == [SECOND]


async def test_as_long_as_an_older_pod_resists_no_newer_one_starts(connection: Connection) -> None:
    await next_attempt(connection.desk.db, 1, 1)
    connection.launcher.resists = 1
    with pytest.raises(RemovalFailed):
        await connection.launch(1)
    assert f"launch {SECOND}" not in connection.launcher.done
    assert (await connection.launch(1)).launched


async def test_an_older_pod_on_a_host_out_of_reach_is_waited_for_until_its_lease_is_over(
    connection: Connection,
) -> None:
    await next_attempt(connection.desk.db, 1, 1)
    within = {"launch_timeout_minutes": 0.01}  # of the launch alone: waiting for another pod is no launch that hangs
    launching = asyncio.create_task(connection.launch(1, dataplane="there", **within))
    db = connection.desk.db
    await seen(db, "there")
    async with asyncio.timeout(30):
        while await db.fetchval("select count(*) from workloads") < 2:
            await asyncio.sleep(0.01)
    await connection.waits(launching)
    assert await db.fetchval("select reason from job_events where event = 'waits for the end of a lease'") == (
        f"pod {FIRST} may still run on here, out of reach from here"
    )
    await lease_over(db, FIRST, 30)  # it may be ending in order
    await connection.waits(launching)
    await lease_over(db, FIRST)
    assert (await launching).launched
    assert connection.launcher.done == [f"launch {FIRST}", f"launch {SECOND}"]


async def test_a_lease_that_nobody_could_renew_ends_no_older_pod(connection: Connection) -> None:
    """The database has only just come back, and the pod with it."""
    db = connection.desk.db
    await next_attempt(db, 1, 1)
    await lease_over(db, FIRST)
    await seen(db, "there", since_s=1)
    launching = asyncio.create_task(connection.launch(1, dataplane="there"))
    await connection.waits(launching)
    await seen(db, "there")
    assert (await launching).launched


@pytest.mark.parametrize("marker", [Marker.SUCCESS, Marker.FAILURE])
async def test_an_older_pod_out_of_reach_that_proved_its_own_end_is_not_waited_for(
    connection: Connection, marker: Marker
) -> None:
    """Also where its watcher had given it up before."""
    markers = Markers(connection.desk.objects(), FIRST)
    given_up = AttemptSummary(status="failed")
    await markers.write(Marker.FAILURE, given_up.model_dump_json().encode())
    await next_attempt(connection.desk.db, 1, 1)
    launching = asyncio.create_task(connection.launch(1, dataplane="there"))
    await connection.waits(launching)
    own = AttemptSummary(status="failed", evidence=Evidence(source_exit_code=1, destination_exit_code=0))
    await markers.write(marker, own.model_dump_json().encode())
    assert (await launching).launched


async def test_the_source_of_the_next_attempt_is_given_what_was_committed(connection: Connection) -> None:
    await connection.commit(7, number=0)
    await next_attempt(connection.desk.db, 1, 1)
    await connection.launch(1)
    given = {each.role: each for each in connection.launcher.specs[SECOND].containers}
    (state,) = json.loads(given[Role.SOURCE].files["state.json"])
    assert state["stream"]["stream_state"] == {"n": 7}
    assert given[Role.SOURCE].arguments[-2:] == ("--state", "{folder}/state.json")
    assert "state.json" not in given[Role.DESTINATION].files


async def test_it_is_given_what_was_acknowledged_but_could_not_be_committed_too(connection: Connection) -> None:
    await connection.leave_in_journal(8, number=0)
    await next_attempt(connection.desk.db, 1, 1)
    await connection.launch(1)
    given = {each.role: each for each in connection.launcher.specs[SECOND].containers}
    (state,) = json.loads(given[Role.SOURCE].files["state.json"])
    assert state["stream"]["stream_state"] == {"n": 8}


async def test_each_pod_and_its_place_carry_the_fence_of_their_attempt(connection: Connection) -> None:
    await next_attempt(connection.desk.db, 1, 1)
    await connection.launch(1)
    spec = connection.launcher.specs[SECOND]
    assert (spec.labels["fence"], json.loads(spec.orchestrator_input)["fence"]) == ("2", 2)
    rows = await connection.desk.db.fetch("select pod, fence from workloads")
    assert {row["pod"]: row["fence"] for row in rows} == {FIRST: 1, SECOND: 2}


# --- the job's time ---


async def test_once_the_jobs_time_is_over_nothing_more_is_launched(desk: Desk) -> None:
    connection = Connection(desk)
    await connection.begin(clocks={"total_minutes": 5})
    told = json.loads(connection.launcher.specs[FIRST].orchestrator_input)
    assert (told["clocks"]["total_minutes"], told["ends_by"] is not None) == (5, True)
    await next_attempt(desk.db, 1, 1)
    await desk.db.execute("update jobs set started_at = started_at - interval '6 minutes'")
    launched = await connection.launch(1)
    assert launched.failure is not None
    assert (launched.launched, launched.failure.type) == (False, FailureType.TOTAL_TIMEOUT)
    assert f"launch {SECOND}" not in connection.launcher.done
    assert SECOND not in await connection.live()


async def test_a_job_without_a_total_limit_has_no_end(connection: Connection) -> None:
    await connection.desk.db.execute("update jobs set started_at = started_at - interval '600 days'")
    await next_attempt(connection.desk.db, 1, 1)
    assert (await connection.launch(1)).launched
    assert json.loads(connection.launcher.specs[SECOND].orchestrator_input)["ends_by"] is None
