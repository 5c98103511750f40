"""Two hosts with a Docker engine each: one goes away, the other watches its pods and starts no second one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from e2e_addressed import addressed, working
from e2e_hosts import Engine, die, engine, events_of, host, pods_of
from e2e_support import Place, Running, catalog, make_images, until

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.timeout(180)]
OFTEN = {
    "AIRBYTE_WORKERS_RECONCILE_INTERVAL_S": "1",
    "AIRBYTE_WORKERS_DATAPLANE_SIGN_S": "0.5",
    "AIRBYTE_WORKERS_REMOVAL_TIMEOUT_S": "5",
    "AIRBYTE_WORKERS_DATABASE_TIMEOUT_S": "3",
    "LEASE_MARGIN_SECONDS": "2",
    "DOCKER_NETWORK": "none",
}
GONE_AFTER_S = 12.0
"""The longest end in order with these settings, and the margin."""


@dataclass(frozen=True)
class Hosts:
    """`near` has the machine's own engine, `far` the second one. `near` is where people type."""

    near: Place
    far: Place
    engine: Engine

    def launched(self, worker: Running, content: dict[str, Any], sync: ExitStack) -> Running:
        """A sync whose pod runs on `far`, where alone a worker is, and has written its first records."""
        worker.until_said("polling ")
        path = str(self.near.write(content))
        begun = sync.enter_context(self.near.started("sync", "-f", path, "-o", "json"))
        until(lambda: len(self.near.lines("stream_0")) > 300 or begun.process.poll() is not None, "the first records")
        assert begun.process.poll() is None, begun.err + begun.out
        return begun

    def job(self) -> dict[str, Any]:
        return self.near.job(self.near.jobs()[0]["job_id"])

    def watched_from_afar(self) -> list[str]:
        return events_of(self.job(), "watched from afar")

    def on_near(self) -> list[str]:
        """Whatever is there of pods on the host where none was launched."""
        return [*self.near.containers(), *pods_of(self.near)]


@contextmanager
def hosts_of(alone: Place, **variables: str) -> Iterator[Hosts]:
    make_images()
    alone.work.chmod(0o1777)
    with addressed(alone) as servers, engine() as second:
        both = OFTEN | variables
        near = host(servers, "near", **both)
        yield Hosts(near, host(servers, "far", DOCKER_HOST=second.address, **both), second)


@pytest.fixture
def hosts(alone: Place) -> Iterator[Hosts]:
    with hosts_of(alone) as both:
        yield both


@pytest.fixture
def hasty(alone: Place) -> Iterator[Hosts]:
    """Leases are over soon."""
    with hosts_of(alone, LEASE_SECONDS="6") as both:
        yield both


def content(place: Place, name: str, **source: int) -> dict[str, Any]:
    return {
        "connection": name,
        "local_root": str(place.work),
        "source": place.source("docker", **({"records": 12_000, "state_every": 100, "delay_ms": 200} | source)),
        "destination": place.jsonl("docker"),
        "catalog": catalog("stream_0"),
    }


def killed(worker: Running) -> None:
    worker.process.send_signal(signal.SIGKILL)
    worker.ended()


def lease_over_s(place: Place) -> float:
    """For how long the lease of the first attempt's pod is over."""

    async def asked() -> float:
        db = await asyncpg.connect(place.variables["DATABASE_URL"])
        try:
            over = "select extract(epoch from now() - lease_until) from workloads where kind = 'sync' and attempt = 0"
            return float(await db.fetchval(over))
        finally:
            await db.close()

    return asyncio.run(asked())


def test_workers_of_one_host_go_and_those_of_another_watch_its_pod_to_the_end(hosts: Hosts) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(hosts.far.started("worker"))
        sync = hosts.launched(first, content(hosts.near, "left"), stack)
        stack.enter_context(working(hosts.near))
        killed(first)
        before = sorted(hosts.engine.running())
        until(hosts.watched_from_afar, "a watcher on the other host")
        assert (sorted(hosts.engine.running()), hosts.on_near()) == (before, [])
        done = sync.ended(90)
        assert (done.code, len(done.report["attempts"]), done.report["records_committed"]) == (0, 1, 12_000), done.err
        assert hosts.near.ids("stream_0") == list(range(12_000))
        assert hosts.on_near() == []
        assert hosts.engine.containers(), "somebody has removed what nobody reaches"
        with working(hosts.far):
            until(lambda: not hosts.engine.containers() and not pods_of(hosts.far), "the end of what was left")
        assert hosts.job()["status"] == "succeeded"


def test_a_host_that_dies_gives_its_sync_to_another_one_once_its_lease_is_over(hasty: Hosts) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(hasty.far.started("worker"))
        sync = hasty.launched(first, content(hasty.near, "dies", records=6000), stack)
        stack.enter_context(working(hasty.near))
        die(hasty.far, hasty.engine)
        until(lambda: hasty.near.containers() or sync.process.poll() is not None, "a pod on the other host", 90)
        assert lease_over_s(hasty.near) > GONE_AFTER_S
        done = sync.ended(90)
        assert done.code == 0, done.err + done.out
        (lost, _) = done.report["attempts"]
        (failure,) = lost["failures"]
        assert failure["type"] == "orchestrator_lost"
        assert "the pod's host is out of reach: on far no Temporal worker" in failure["message"]
        assert set(hasty.near.ids("stream_0")) == set(range(6000))
        assert lost["records_committed"] >= 100
        assert done.report["records_committed"] == 6000
        until(lambda: not hasty.on_near(), f"the end of {hasty.on_near()}")


def test_a_cancel_ends_a_pod_in_order_that_its_watcher_does_not_reach(hosts: Hosts) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(hosts.far.started("worker"))
        sync = hosts.launched(first, content(hosts.near, "cancelled", records=1_000_000), stack)
        stack.enter_context(working(hosts.near))
        killed(first)
        until(hosts.watched_from_afar, "a watcher on the other host")
        sync.interrupt()
        done = sync.ended(60)
        assert (done.code, done.report["status"]) == (3, "cancelled"), done.err
        assert "had to be ended at once" not in str(hosts.job())
        assert hosts.engine.running() == []
        committed = done.report["records_committed"]
        assert committed >= 100
        again = content(hosts.near, "cancelled", records=committed + 50, delay_ms=0)
        assert hosts.near.sync(again).report["records_committed"] == 50  # it proved its end: no lease is waited for
        assert set(hosts.near.ids("stream_0")) == set(range(committed + 50))
