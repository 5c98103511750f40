"""Pods against rows: what nobody looks after is ended and its place given back; no pod that may work is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from cut_off import TERMINATED, WHY, Stand
from desk import Desk
from rows import FAILED, SUCCEEDED, close_attempt
from still_launcher import StillLauncher

from activities.leftovers import Leftovers
from airbyte_workers.models import AttemptOutcome, AttemptSummary, FailureType
from airbyte_workers.names import JobKind, Role, pod_name
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import ContainerStatus, LauncherAway, PodStatus, RemovalFailed
from airbyte_workers.store import reaping, workloads
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
STOPPED = AttemptSummary(status="cancelled")


@dataclass
class Engine(StillLauncher):
    """Has the pods it is told of; each ends in order when it is asked to, unless `deaf`."""

    desk: Desk
    pods: dict[str, Mapping[str, str]] = field(default_factory=dict)
    deaf: bool = False
    away: bool = False
    resists: bool = False
    done: list[tuple[str, str]] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)

    async def inspect(self, pod: str) -> PodStatus:
        self._answer()
        if pod not in self.pods:
            return PodStatus(pod)
        running = pod not in self.ended
        return PodStatus(pod, (ContainerStatus(Role.ORCHESTRATOR, running),), self.pods[pod])

    async def list(self) -> list[PodStatus]:
        return [await self.inspect(pod) for pod in self.pods]

    async def terminate(self, pod: str) -> None:
        self.done.append(("terminate", pod))
        if not self.deaf:
            self.ended.add(pod)
            await Markers(self.desk.objects(), pod).write(Marker.FAILURE, STOPPED.model_dump_json().encode())

    async def kill(self, pod: str) -> None:
        self.done.append(("kill", pod))
        self.ended.add(pod)

    async def remove(self, pod: str) -> None:
        self.done.append(("remove", pod))
        if self.resists:
            raise RemovalFailed(f"pod {pod} is still there")
        self.pods.pop(pod, None)

    async def remains(self, pod: str) -> tuple[str, ...]:
        return (pod,) if pod in self.pods else ()

    def _answer(self) -> None:
        if self.away:
            raise LauncherAway("no engine answers")


@dataclass
class Plane:
    """A dataplane, its engine, and what the reconciler does there."""

    stand: Stand
    engine: Engine

    def leftovers(self, **settings: Any) -> Leftovers:
        moment = {
            "progress_interval_s": 0.01,
            "shutdown_grace_period_s": 0.01,
            "shutdown_term_period_s": 0.01,
            "exit_code_timeout_s": 0.01,
        }
        chosen = {"dataplane": "here", "removal_tries": 1, "marker_poll_interval_ms": 10} | moment | settings
        return Leftovers(self.stand.desk.means(self.engine, **chosen))

    async def sweep(self, *, leases_count: bool = True, **settings: Any) -> None:
        """One sweep of places, and everything that it began."""
        leftovers = self.leftovers(**settings)
        await leftovers.sweep_places(leases_count=leases_count)
        await asyncio.gather(*leftovers._ending.values())

    async def pod_of(self, job_id: int) -> str:
        """The job's pod, as the engine has it."""
        pod = pod_name(JobKind.SYNC, job_id, 0)
        self.engine.pods[pod] = {"run": (await self.stand.desk.job(job_id)).run_id}
        return pod

    async def place_of(self, pod: str) -> str:
        return str(await self.stand.db.fetchval("select status from workloads where pod = $1", pod))


@pytest.fixture
def plane(desk: Desk) -> Plane:
    return Plane(Stand(desk), Engine(desk))


# --- pods that have a place -------------------------------------------------------------------------------------------


async def test_a_pod_whose_jobs_run_is_over_ends_in_order_and_then_its_job_does(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await plane.stand.say(job_id, TERMINATED)
    await plane.stand.round()
    await plane.sweep()
    assert plane.engine.done == [("terminate", pod), ("remove", pod)]
    assert await plane.place_of(pod) == "cancelled"
    await plane.stand.round()
    assert await plane.stand.status(job_id) == "failed"
    removed = ("pod removed", f"{pod}: the run of its job is over")
    assert await plane.stand.past(job_id) == [("run over", WHY), removed, ("failed", WHY)]


async def test_a_pod_that_does_not_listen_is_killed(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    plane.engine.deaf = True
    await plane.stand.say(job_id, TERMINATED)
    await plane.stand.round()
    await plane.sweep(removal_timeout_s=0.01)
    assert plane.engine.done == [("terminate", pod), ("kill", pod), ("remove", pod)]
    assert await plane.place_of(pod) == "cancelled"


async def test_a_finished_sync_is_proven_after_its_pod_is_removed(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    done = AttemptSummary(status="succeeded").model_dump_json().encode()
    await Markers(plane.stand.desk.objects(), pod).write(Marker.SUCCESS, done)
    await plane.stand.say(job_id, TERMINATED)
    plane.engine.deaf = True
    await plane.stand.round()
    await plane.sweep()
    assert plane.engine.pods == {}
    await plane.stand.round()
    assert await plane.stand.status(job_id) == "succeeded"


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED])
async def test_what_a_removal_left_behind_is_removed_once_its_attempt_has_ended(
    plane: Plane, end: AttemptOutcome
) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await close_attempt(plane.stand.db, job_id, 0, end)
    plane.engine.resists = True
    await plane.sweep()
    assert await plane.place_of(pod) == "launched"
    assert await plane.stand.past(job_id) == []
    plane.engine.resists = False
    await plane.sweep()
    assert (await plane.place_of(pod), plane.engine.pods) == ("cancelled", {})
    why = "its job has ended" if end is SUCCEEDED else "its attempt has ended"
    assert await plane.stand.past(job_id) == [("pod removed", f"{pod}: {why}")]


async def test_what_cannot_be_removed_is_tried_again_later_and_later(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await close_attempt(plane.stand.db, job_id, 0, FAILED)
    plane.engine.resists = True
    leftovers = plane.leftovers(reconcile_interval_s=300)
    pauses = []
    for _ in range(3):
        await leftovers.sweep_places(leases_count=True)
        await asyncio.gather(*leftovers._ending.values())
        pauses.append(leftovers._pauses[pod])
        assert not leftovers._is_due(pod)
        leftovers._not_before.clear()
    assert pauses == [300, 600, 600]
    plane.engine.done.clear()
    leftovers._put_off(pod)
    await leftovers.sweep_places(leases_count=True)
    assert (leftovers._ending, plane.engine.done) == ({}, [])


@pytest.mark.parametrize(("over_s", "leases_count"), [(-1, True), (40, True), (86_400, False)])
async def test_pods_of_attempts_that_go_on_are_left_alone_as_long_as_they_may_renew_their_lease(
    plane: Plane, over_s: int, leases_count: bool
) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await plane.stand.db.execute("update workloads set lease_until = now() - make_interval(secs => $1)", over_s)
    await plane.sweep(leases_count=leases_count)
    assert (plane.engine.done, await plane.place_of(pod)) == ([], "launched")


async def test_a_pod_that_has_not_renewed_its_lease_is_killed_and_its_marker_says_why(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await plane.stand.db.execute("update workloads set lease_until = now() - make_interval(secs => 46)")
    await plane.sweep()
    assert (plane.engine.done, await plane.place_of(pod)) == ([("kill", pod), ("remove", pod)], "failure")
    marker = await Markers(plane.stand.desk.objects(), pod).read()
    summary = AttemptSummary.model_validate_json(marker.body)
    assert (summary.status, [each.type for each in summary.failures]) == ("failed", [FailureType.LEASE_LOST])


async def test_a_pod_that_renews_its_lease_while_somebody_looks_is_left_alone(plane: Plane) -> None:
    """Its host was asleep, and has just woken up."""
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await plane.stand.db.execute("update workloads set lease_until = now() - interval '1 day'")
    leftovers = plane.leftovers(progress_interval_s=0.2)
    await leftovers.sweep_places(leases_count=True)
    await plane.stand.db.execute("update workloads set lease_until = now() + interval '1 hour'")
    await asyncio.gather(*leftovers._ending.values())
    assert (plane.engine.done, await plane.place_of(pod)) == ([], "launched")


async def test_pods_of_other_dataplanes_are_left_to_workers_there(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await plane.stand.db.execute("update workloads set dataplane = 'elsewhere'")
    await close_attempt(plane.stand.db, job_id, 0, FAILED)
    await plane.sweep()
    assert (plane.engine.done, await plane.place_of(pod)) == ([], "launched")


async def test_the_place_of_a_pod_whose_name_is_another_databases_is_given_back_alone(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    plane.engine.pods[pod] = {"run": "another database's"}
    await close_attempt(plane.stand.db, job_id, 0, FAILED)
    await plane.sweep()
    assert (plane.engine.done, await plane.place_of(pod)) == ([], "failure")


async def test_an_engine_that_is_away_is_waited_for(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await close_attempt(plane.stand.db, job_id, 0, FAILED)
    plane.engine.away = True
    await plane.sweep()
    assert await plane.place_of(pod) == "launched"
    plane.engine.away = False
    await plane.sweep()
    assert await plane.place_of(pod) == "cancelled"


async def asking(plane: Plane, *, of: Role | None, kind: JobKind = JobKind.CHECK, launched: bool = True) -> str:
    """A pod that asks a connector, for a sync that goes on; its lease is over."""
    job_id = await plane.stand.job(running=False)
    pod = pod_name(kind, job_id, 0, of)
    place = Workload(pod, kind, job_id, 0, None, "here", "process", 0)
    await workloads.claim(plane.stand.db, place, limit=9, lease_s=0)
    if launched:
        await workloads.launched(plane.stand.db, pod)
    plane.engine.pods[pod] = {"run": (await plane.stand.desk.job(job_id)).run_id}
    return pod


@pytest.mark.parametrize("of", [Role.SOURCE, Role.DESTINATION, None])
@pytest.mark.parametrize("kind", [JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER])
async def test_a_connectors_pod_that_nobody_watches_is_removed_after_its_lease(
    plane: Plane, kind: JobKind, of: Role | None
) -> None:
    pod = await asking(plane, kind=kind, of=of)
    await plane.sweep(leases_count=False)
    assert plane.engine.done == []
    await plane.sweep()
    assert (plane.engine.done[-1], await plane.place_of(pod)) == (("remove", pod), "cancelled")
    (placed,) = await plane.stand.db.fetch("select reason from job_events where event = 'pod removed'")
    assert placed["reason"] == f"{pod}: nobody has looked after it for longer than its lease"


async def test_a_pod_that_is_about_to_be_launched_is_left_alone(plane: Plane) -> None:
    pod = await asking(plane, of=Role.SOURCE, launched=False)
    await plane.sweep()
    assert (plane.engine.done, await plane.place_of(pod)) == ([], "claimed")


@pytest.mark.parametrize("of", [Role.SOURCE, Role.DESTINATION, None])
async def test_a_pod_is_known_by_what_it_was_launched_for(plane: Plane, of: Role | None) -> None:
    pod = await asking(plane, of=of)
    (placed,) = await reaping.placed(plane.stand.db, "here")
    assert (placed.pod, placed.ref.kind, placed.ref.of) == (pod, JobKind.CHECK, of)


# --- pods that have none ----------------------------------------------------------------------------------------------


async def test_a_pod_whose_place_was_given_back_is_removed_when_it_is_still_there(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await workloads.release(plane.stand.db, pod, "failure")
    leftovers = plane.leftovers()
    await leftovers.sweep_listed()
    await leftovers.sweep_listed()
    assert plane.engine.done == []  # a place that was given back just now may be taken again
    await plane.stand.aged(job_id, 61)
    await leftovers.sweep_listed()
    assert (plane.engine.done, plane.engine.pods) == ([("remove", pod)], {})
    assert await plane.stand.past(job_id) == [("pod removed", f"{pod}: its place was given back before")]


async def test_a_pod_is_not_removed_the_first_time_it_is_seen(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    await workloads.release(plane.stand.db, pod, "failure")
    await plane.stand.aged(job_id, 3600)
    leftovers = plane.leftovers()
    await leftovers.sweep_listed()
    assert plane.engine.done == []
    await leftovers.sweep_listed()
    assert plane.engine.done == [("remove", pod)]


async def test_pods_of_jobs_that_the_database_has_lost_are_removed_and_other_databases_pods_are_not(
    plane: Plane,
) -> None:
    ours = {"run": "lost", "database": await reaping.installation(plane.stand.db)}
    others = {"old": {"run": "lost"}, "other": {"run": "x", "database": "another"}, "bare": {}}
    plane.engine.pods = {"ours": ours, **others}
    leftovers = plane.leftovers()
    for _ in range(3):
        await leftovers.sweep_listed()
    assert (plane.engine.done, plane.engine.pods) == ([("remove", "ours")], others)


@pytest.mark.parametrize("run", ["another database's", None])
async def test_a_pod_of_a_name_we_know_that_is_another_databases_is_left_alone(plane: Plane, run: str | None) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    plane.engine.pods[pod] = {} if run is None else {"run": run}
    await workloads.release(plane.stand.db, pod, "failure")
    await plane.stand.aged(job_id, 3600)
    leftovers = plane.leftovers()
    for _ in range(3):
        await leftovers.sweep_listed()
    assert plane.engine.done == []


async def test_pods_that_live_are_left_alone_wherever_their_place_is(plane: Plane) -> None:
    job_id = await plane.stand.job()
    await plane.pod_of(job_id)
    await plane.stand.aged(job_id, 3600)
    leftovers = plane.leftovers()
    for dataplane in ("here", "renamed"):
        await plane.stand.db.execute("update workloads set dataplane = $1", dataplane)
        await leftovers.sweep_listed()
        await leftovers.sweep_listed()
    assert plane.engine.done == []


async def test_an_engine_that_cannot_be_listed_is_no_trouble(plane: Plane) -> None:
    job_id = await plane.stand.job()
    await plane.pod_of(job_id)
    plane.engine.away = True
    await plane.leftovers().sweep_listed()
    assert plane.engine.done == []


async def test_what_is_under_way_when_a_worker_stops_is_left_to_the_next_one(plane: Plane) -> None:
    job_id = await plane.stand.job()
    pod = await plane.pod_of(job_id)
    plane.engine.deaf = True
    await close_attempt(plane.stand.db, job_id, 0, FAILED)
    leftovers = plane.leftovers(shutdown_grace_period_s=600)
    await leftovers.sweep_places(leases_count=True)
    await leftovers.sweep_places(leases_count=True)
    assert len(leftovers._ending) == 1
    while not plane.engine.done:
        await asyncio.sleep(0.01)
    await leftovers.aclose()
    assert (plane.engine.done, await plane.place_of(pod)) == ([("terminate", pod)], "launched")


async def test_two_processes_of_one_dataplane_tell_of_a_pod_once(plane: Plane) -> None:
    job_id = await plane.stand.job()
    await plane.pod_of(job_id)
    await close_attempt(plane.stand.db, job_id, 0, FAILED)
    both = [plane.leftovers(), plane.leftovers()]
    for each in both:
        await each.sweep_places(leases_count=True)
    for each in both:
        await asyncio.gather(*each._ending.values())
    assert [event for event, _ in await plane.stand.past(job_id)] == ["pod removed"]
