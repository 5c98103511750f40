"""Pods at the end of a Temporal worker process: whose they are, how one is ended, and what is said of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from desk import Desk
from still_launcher import StillLauncher

from activities.pod_specs import DATABASE
from airbyte_workers.names import JobKind, Role
from airbyte_workers.pods.pod import ContainerStatus, LauncherAway, PodStatus, RemovalFailed
from airbyte_workers.runtime.farewell import AFTER_WORKER, Farewell, PodsLeft
from airbyte_workers.runtime.live_pods import LivePod, LivePods
from airbyte_workers.runtime.stack import stopping
from airbyte_workers.runtime.stack.stopping import StopRequest
from airbyte_workers.store import workloads
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
POD = "replication-job-1-attempt-0"
BRIEF = {
    "shutdown_grace_period_s": 0.05,
    "shutdown_term_period_s": 0.01,
    "exit_code_timeout_s": 0.01,
    "removal_timeout_s": 0.05,
    "marker_poll_interval_ms": 10,
}


@dataclass
class Engine(StillLauncher):
    """Has the pods it is told of. `deaf` ones end by force alone; it is `away` for so many calls."""

    pods: dict[str, Mapping[str, str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    deaf: bool = False
    away: int = 0
    resists: bool = False
    done: list[str] = field(default_factory=list)

    async def inspect(self, pod: str) -> PodStatus:
        self._answer()
        running = pod not in self.ended
        return PodStatus(pod, (ContainerStatus(Role.ORCHESTRATOR, running=running),), self.pods[pod])

    async def list(self) -> list[PodStatus]:
        return [await self.inspect(pod) for pod in self.pods]

    async def terminate(self, pod: str) -> None:
        self._answer()
        self.done.append("terminate")
        if not self.deaf:
            self.ended.add(pod)

    async def kill(self, pod: str) -> None:
        self.done.append("kill")
        if self.resists:
            raise RemovalFailed(f"pod {pod} is still there")
        self.ended.add(pod)

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise LauncherAway("no engine answers")


async def live_pods(desk: Desk, engine: Engine, **settings: Any) -> LivePods:
    changed = {"dataplane": "here"} | BRIEF | settings
    return await LivePods.of(desk.db, desk.settings(**changed), {"process": engine})


async def placed(desk: Desk, dataplane: str) -> None:
    """A pod of a job has its place there."""
    job = await desk.db.fetchval(
        "insert into jobs (kind, run_id, workflow_id, input) values ('check', 'r', 'w', '{}') returning id"
    )
    workload = Workload(POD, JobKind.CHECK, job, 0, None, dataplane, "process", 0)
    assert await workloads.claim(desk.db, workload, limit=9, lease_s=600)


async def names(pods: LivePods) -> list[str]:
    return [each.name for each in (await pods.seen()).pods]


async def test_pods_that_run_and_are_this_databases_are_seen(desk: Desk) -> None:
    engine = Engine()
    pods = await live_pods(desk, engine)
    ours = {DATABASE: pods.database}
    engine.pods = {POD: ours, "ended": ours, "another's": {DATABASE: "another"}, "nobody's": {}}
    engine.ended = {"ended"}
    assert await names(pods) == [POD]


@pytest.mark.parametrize(("dataplane", "seen"), [("here", [POD]), ("there", [])])
async def test_pods_of_another_dataplane_are_left_to_it(desk: Desk, dataplane: str, seen: list[str]) -> None:
    """Two may share an engine."""
    await placed(desk, dataplane)
    engine = Engine()
    pods = await live_pods(desk, engine)
    engine.pods = {POD: {DATABASE: pods.database}}
    assert await names(pods) == seen


async def test_while_the_database_is_away_labels_alone_tell(desk: Desk) -> None:
    engine = Engine()
    pods = await live_pods(desk, engine)
    engine.pods = {POD: {DATABASE: pods.database}, "another's": {DATABASE: "another"}}
    gone = await asyncpg.create_pool(host="127.0.0.1", port=1, min_size=0)
    assert await names(LivePods(gone, pods.settings, pods.launchers, pods.database)) == [POD]


@pytest.mark.parametrize(("has_pod", "unseen"), [(True, ("process: no engine answers",)), (False, ())])
async def test_a_launcher_that_does_not_answer_is_told_of_where_a_pod_may_run(
    desk: Desk, has_pod: bool, unseen: tuple[str, ...]
) -> None:
    if has_pod:
        await placed(desk, "here")
    engine = Engine(pods={POD: {}}, away=1)
    assert (await (await live_pods(desk, engine)).seen()).unseen == unseen


async def test_a_pod_ends_in_order_and_what_it_left_running_goes_with_it(desk: Desk) -> None:
    engine = Engine(pods={POD: {}})
    assert not await (await live_pods(desk, engine)).end(LivePod(POD, engine))
    assert engine.done == ["terminate", "kill"]


async def test_a_pod_is_told_to_end_as_soon_as_its_engine_is_back(desk: Desk) -> None:
    engine = Engine(pods={POD: {}}, away=3)
    pods = await live_pods(desk, engine, shutdown_grace_period_s=60)
    async with asyncio.timeout(30):
        assert not await pods.end(LivePod(POD, engine))
    assert engine.done == ["terminate", "kill"]


async def test_a_pod_that_does_not_end_in_its_time_is_killed(desk: Desk) -> None:
    engine = Engine(pods={POD: {}}, deaf=True)
    async with asyncio.timeout(30):
        assert await (await live_pods(desk, engine)).end(LivePod(POD, engine))
    assert engine.done == ["terminate", "kill"]


async def test_a_pod_that_resists_is_an_error(desk: Desk) -> None:
    engine = Engine(pods={POD: {}}, resists=True)
    with pytest.raises(RemovalFailed, match="still there"):
        await (await live_pods(desk, engine)).end(LivePod(POD, engine))


# --- what is said ---


@dataclass
class Leaving:
    """A process with pods that somebody stops."""

    desk: Desk
    engine: Engine
    settings: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stop = StopRequest()
        self.stop.started()
        self.farewell = Farewell(self.stop, self.said.append, AFTER_WORKER)

    async def leave(self, *signals: signal.Signals) -> None:
        """All but the first come while the workers drain."""
        pods = await live_pods(self.desk, self.engine, **self.settings)
        self.engine.pods = {name: {DATABASE: pods.database} for name in self.engine.pods}
        for number in signals[:1]:
            self.stop(number)
        await self.farewell.begin(pods)
        for number in signals[1:]:
            self.stop(number)
        async with asyncio.timeout(30):
            await self.farewell.end(pods)


@pytest.fixture
async def two_pods(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Leaving:
    monkeypatch.setattr(stopping, "ONE_PRESS_S", 0.0)
    return Leaving(desk, Engine(pods={POD: {}, "check-job-2-attempt-0": {}}))


async def test_without_a_signal_nothing_is_said_or_done(two_pods: Leaving) -> None:
    await two_pods.leave()
    assert (two_pods.said, two_pods.engine.done) == ([], [])


async def test_after_one_signal_pods_go_on_and_are_counted(two_pods: Leaving) -> None:
    await two_pods.leave(signal.SIGTERM)
    going_on = "2 pods go on, for the next Temporal worker to take up"
    assert two_pods.said == [f"stopping: {going_on} (another signal meanwhile stops pods, too)", f"stopped: {going_on}"]
    assert two_pods.engine.done == []


async def test_after_two_they_are_ended_and_that_is_said(two_pods: Leaving) -> None:
    await two_pods.leave(signal.SIGTERM, signal.SIGTERM)
    assert two_pods.said[1].startswith("stopping 2 pods in order, for at most ")
    assert two_pods.said[2:] == ["no pod runs any more: 2 ended in order"]


async def test_after_three_nobody_waits_and_what_may_still_run_is_said(two_pods: Leaving) -> None:
    await two_pods.leave(signal.SIGTERM, signal.SIGTERM, signal.SIGTERM)
    assert two_pods.said[2:] == [f"leaving at once; may still run: {POD}, check-job-2-attempt-0"]
    assert two_pods.engine.done == []


async def test_a_pod_that_resists_makes_the_end_a_failure(two_pods: Leaving) -> None:
    two_pods.engine.resists = two_pods.engine.deaf = True
    with pytest.raises(PodsLeft, match=f"pods may still run: pod {POD} is still there"):
        await two_pods.leave(signal.SIGTERM, signal.SIGTERM)


async def test_pods_that_another_worker_begins_meanwhile_are_named(two_pods: Leaving) -> None:
    engine, terminate = two_pods.engine, two_pods.engine.terminate

    async def go_on(pod: str) -> None:
        await terminate(pod)
        engine.pods["replication-job-1-attempt-1"] = engine.pods[POD]

    engine.terminate = go_on  # type: ignore[method-assign]  # as a worker does that sees the end of the first
    await two_pods.leave(signal.SIGTERM, signal.SIGTERM)
    assert two_pods.said[-1] == "2 ended in order; begun meanwhile: replication-job-1-attempt-1"


async def test_a_signal_that_comes_too_late_is_answered(two_pods: Leaving) -> None:
    await two_pods.leave(signal.SIGTERM)
    two_pods.stop(signal.SIGTERM)
    assert two_pods.said[-1] == "too late to stop pods: 2 pods; start again, then stop twice"


async def test_ctrl_c_does_not_wait_for_another_where_no_pod_runs(desk: Desk) -> None:
    nobody = Leaving(desk, Engine(), {"second_signal_s": 3600})
    await nobody.leave(signal.SIGINT)
    assert nobody.said == ["stopping: no pod runs", "stopped: no pod runs"]


async def test_ctrl_c_waits_no_longer_than_pods_run(two_pods: Leaving) -> None:
    two_pods.settings = {"second_signal_s": 3600}
    leaving = asyncio.create_task(two_pods.leave(signal.SIGINT))
    while not two_pods.said:
        await asyncio.sleep(0.01)
    assert not leaving.done()
    two_pods.engine.ended = set(two_pods.engine.pods)
    await leaving
    assert two_pods.said[-1] == "stopped: no pod runs"
