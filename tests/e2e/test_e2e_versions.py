"""Two versions of Temporal workers side by side: a running sync stays with its own, and no version's end stops one."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest
from e2e_addressed import addressed, working
from e2e_support import TEMPORAL, Ended, Place, Running, temporal, until

from airbyte_workers.cli.versions import hints
from airbyte_workers.runtime.deployments import Version

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
RECORDS = 3000
NAME = "airbyte-e2e"


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    """Workers are for the test to start."""
    with addressed(alone) as place:
        yield place


def of_version(place: Place, build_id: str) -> Place:
    return replace(place, variables=place.variables | {"WORKER_DEPLOYMENT_NAME": NAME, "WORKER_BUILD_ID": build_id})


def make_current(place: Place) -> None:
    """By a command in the environment of that version's worker."""
    done = place.run("versions", "make-current")
    assert done.code == 0, done.err


@contextmanager
def syncing(place: Place, name: str) -> Iterator[tuple[Running, psutil.Process]]:
    """A sync in the foreground, and its source, which stands still after the first records until it is resumed."""
    described = place.described(name, records=RECORDS, state_every=100, delay_ms=200)
    with place.started("sync", "-f", str(place.write(described)), "-o", "json") as sync:
        until(lambda: len(place.lines("stream_0")) >= 100, "the first records")
        source = place.pod_program("source")
        source.suspend()
        yield sync, source


def quick(place: Place, name: str) -> Ended:
    """A sync into files of its own."""
    described = place.described(name, records=10)
    described["destination"] = place.jsonl(path=str(place.work / name))
    return place.sync(described)


def assert_whole(place: Place, ended: Ended) -> None:
    """One attempt, every record once, and nothing left of the pod."""
    assert ended.code == 0, ended.err
    assert (len(ended.report["attempts"]), ended.report["records_committed"]) == (1, RECORDS)
    assert place.ids("stream_0") == list(range(RECORDS))
    assert place.pods_left() == []


def open_runs(place: Place) -> dict[str, int]:
    """How many runs each version still has to end."""
    listed = of_version(place, "any").run("versions", "list", "-o", "json")
    assert listed.code == 0, listed.out
    return {each["build_id"]: each["open_runs"] for each in json.loads(listed.out)}


def deciders(place: Place, name: str) -> list[str]:
    """The versions that decided in this connection's newest run, one after the other, by Temporal's own record."""
    events = temporal(place, "show", "--workflow-id", f"sync/{name}", "-o", "json")["events"]
    decisions = [each.get("workflowTaskCompletedEventAttributes") for each in events]
    versions = [each.get("deploymentVersion", {}).get("buildId", "none") for each in decisions if each is not None]
    return list(dict.fromkeys(versions))


def watcher(place: Place, name: str) -> str:
    """Which process has the pod's watch, as Temporal knows it; empty while it has none."""
    described = temporal(place, "describe", "--workflow-id", f"sync/{name}", "-o", "json")
    watches = [each for each in described.get("pendingActivities", ()) if each["state"].endswith("_STARTED")]
    return str(watches[0]["lastWorkerIdentity"]) if watches else ""


def typed(place: Place, command: str) -> None:
    """A command of `temporal` as it was shown to a person, and their yes."""
    program, *words = shlex.split(command)
    assert program == "temporal"
    addressed = place.environment | place.variables
    done = subprocess.run(
        [TEMPORAL, *words, "--yes"], env=addressed, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_running_sync_stays_with_its_version_while_a_new_one_goes_to_the_next(shared: Place) -> None:
    first, second = of_version(shared, "1"), of_version(shared, "2")
    with working(second) as new:
        with working(first) as old:
            make_current(first)
            with syncing(shared, "stays") as (sync, source):
                make_current(second)
                until(lambda: open_runs(shared) == {"2": 0, "1": 1}, "a run of version 1")
                assert quick(shared, "goes").code == 0
                source.resume()
                assert_whole(shared, sync.ended())
            old.until_said(f"new jobs go to version 2 of {NAME}, not to this one (1)")
            new.until_said(f"new jobs go to this version of {NAME}: 2")
        until(lambda: open_runs(shared) == {"2": 0, "1": 0}, "the end of its run")
        assert quick(shared, "follows").code == 0
    assert [deciders(shared, name) for name in ("stays", "goes", "follows")] == [["1"], ["2"], ["2"]]


@pytest.mark.parametrize("mended", ["started again", "moved"])
def test_the_death_of_a_version_in_mid_sync_stops_no_sync(shared: Place, mended: str) -> None:
    """Whatever worker is there watches the pod; what is decided after its end waits for the version, or is moved."""
    first, second = of_version(shared, "1"), of_version(shared, "2")
    with first.started("worker") as old, working(second) as new:
        old.until_said("polling ")
        make_current(first)
        with syncing(shared, "deserted") as (sync, source):
            old.process.send_signal(signal.SIGKILL)
            make_current(second)
            until(lambda: f"/{new.process.pid}/" in watcher(shared, "deserted"), "a watch by the other version")
            sync.until_said("no Temporal worker of version 1 answers, and this run is for that one to decide")
            source.resume()
            until(lambda: len(shared.lines("stream_0")) == RECORDS, "all records")
            until(lambda: not watcher(shared, "deserted"), "the end of the watch")
            assert sync.process.poll() is None
            if mended == "moved":
                (hint,) = hints(NAME, [Version("2", "current", 0, 1), Version("1", "draining", 1, 0)])
                typed(shared, hint[hint.index("temporal ") :])
                assert_whole(shared, sync.ended())
            else:
                with working(first):
                    assert_whole(shared, sync.ended())
    assert deciders(shared, "deserted") == (["1", "2"] if mended == "moved" else ["1"])


def test_while_no_version_is_current_everybody_says_so_and_how_to_make_one(shared: Place) -> None:
    described = shared.described("waits", records=10)
    with working(of_version(shared, "1")) as worker:
        worker.until_said(f"no version of {NAME} is current")
        with shared.started("sync", "-f", str(shared.write(described)), "-o", "json") as sync:
            sync.until_said("no Temporal worker has taken it up yet")
            assert "airbyte-workers versions list" in sync.err
            told = re.search(r"\(or: (temporal .*?)\)", worker.err)
            assert told is not None
            typed(shared, told[1])
            ended = sync.ended()
        worker.until_said("new jobs go to this version")
    assert ended.code == 0, ended.err
    assert deciders(shared, "waits") == ["1"]


def test_versions_can_be_begun_with_and_left_while_syncs_run(shared: Place) -> None:
    with working(shared) as plain, syncing(shared, "joins") as (sync, source), working(of_version(shared, "1")):
        make_current(of_version(shared, "1"))
        plain.process.send_signal(signal.SIGTERM)
        source.resume()
        assert_whole(shared, sync.ended())
    assert deciders(shared, "joins") == ["none", "1"]
    typed(shared, f"temporal worker deployment set-current-version --deployment-name {NAME} --unversioned")
    with working(shared):
        assert quick(shared, "after").code == 0
    assert deciders(shared, "after") == ["none"]


def test_a_version_that_nobody_has_started_gets_no_jobs(shared: Place) -> None:
    refused = of_version(shared, "1").run("versions", "make-current", "2", "--wait", "1")
    assert (refused.code, f"WORKER_DEPLOYMENT_NAME={NAME} WORKER_BUILD_ID=2" in refused.error) == (1, True)
    assert "no worker of it has polled yet" in of_version(shared, "1").run("versions", "list").error


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (("worker",), {"WORKER_BUILD_ID": "7"}, "set WORKER_DEPLOYMENT_NAME, too"),
        (("versions", "list"), {}, "WORKER_DEPLOYMENT_NAME is not set"),
        (("versions", "make-current", "7"), {}, "set WORKER_DEPLOYMENT_NAME, too"),
    ],
    ids=" ".join,
)
def test_a_version_of_nothing_is_bad_input(
    alone: Place, words: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    ended = alone.run(*words, **nowhere, **variables)
    assert (ended.code, said in ended.error) == (2, True), ended.err


def test_the_embedded_stack_has_no_versions(alone: Place) -> None:
    named = {"WORKER_DEPLOYMENT_NAME": NAME, "WORKER_BUILD_ID": "1"}
    refused = alone.run("versions", "list", **named)
    assert (refused.code, "the embedded stack has no versions" in refused.error) == (2, True)
    assert alone.run("sync", "-f", str(alone.write(alone.described("plain", records=10))), **named).code == 0
