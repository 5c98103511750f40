"""gc on what pods and connectors leave on this host: folders of pods, half-made ones, unused environments."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from old_jobs import DAY_S, Archive, removed

from activities.pod_specs import DATABASE, RUN
from airbyte_workers.jobs.gc_report import Thing
from airbyte_workers.names import JobKind, Role, pod_name
from airbyte_workers.pods.environments import Environments
from airbyte_workers.pods.folders import PodFolders, fill
from airbyte_workers.pods.locks import exclusive
from airbyte_workers.pods.pod import ContainerSpec, PodSpec, Program
from airbyte_workers.store import reaping

pytestmark = pytest.mark.postgres


async def pod(archive: Archive, job_id: int, *, run: str | None = None, database: str | None = None) -> str:
    """The folder of a pod without processes, labelled as a launch does it."""
    known = await archive.db.fetchval("select run_id from jobs where id = $1", job_id)
    name = pod_name(JobKind.CHECK, job_id, 0)
    main = ContainerSpec(Role.MAIN, Program(command=("x",)), ("check",), {"config.json": b"{}"})
    labels = {RUN: run or known or "lost", DATABASE: database or await reaping.installation(archive.db)}
    spec = PodSpec(name, JobKind.CHECK, (main,), Role.SIDECAR, b"{}", labels)
    PodFolders(archive.settings().pods_dir).make(spec, "process", fill)
    return name


def folders(archive: Archive) -> set[str]:
    root = archive.settings().pods_dir
    return {each.name for each in root.iterdir()} if root.is_dir() else set()


async def check(archive: Archive, *, status: str = "failed", quiet: bool = True) -> int:
    job = await archive.job(None, kind="check", days=1, status=status)
    if quiet:
        await archive.db.execute("update workloads set updated_at = now() - interval '5 minutes'")
    return job


async def test_the_folder_of_a_pod_whose_job_has_ended_goes(archive: Archive) -> None:
    await pod(archive, await check(archive))
    told = await archive.gc(dry_run=True)
    assert len(folders(archive)) == 1
    report = await archive.gc()
    assert folders(archive) == set()
    assert removed(report) == removed(told) == {Thing.PODS: 1}
    assert report.removed[Thing.PODS].bytes == told.removed[Thing.PODS].bytes > 0


async def test_pods_that_somebody_looks_after_or_that_are_another_databases_stay(archive: Archive) -> None:
    live = await pod(archive, await check(archive, status="running"))
    recent = await check(archive, quiet=False)
    just_given_back = await pod(archive, recent)
    of_another = await pod(archive, await check(archive), run="of-another-database")
    await archive.db.execute("update workloads set updated_at = now() where job_id = $1", recent)
    unknown = await pod(archive, 900, database="another")
    assert removed(await archive.gc()) == {}
    assert folders(archive) == {live, just_given_back, of_another, unknown}


async def test_a_pod_of_a_job_that_this_database_has_lost_goes(archive: Archive) -> None:
    await pod(archive, 900)
    assert removed(await archive.gc()) == {Thing.PODS: 1}
    assert folders(archive) == set()


async def test_a_job_and_its_pods_folder_go_in_the_same_run(archive: Archive) -> None:
    await pod(archive, await check(archive))
    await archive.db.execute("update jobs set ended_at = now() - interval '90 days'")
    told = await archive.gc(dry_run=True)
    report = await archive.gc()
    assert (report.removed[Thing.JOBS].count, report.removed[Thing.PODS].count) == (1, 1)
    assert removed(told) == removed(report)


async def test_what_a_launch_that_was_killed_has_left_goes_after_a_day(archive: Archive) -> None:
    root = archive.settings().pods_dir
    old, young, live = (
        pod_name(JobKind.CHECK, number, 0) for number in (901, 902, await check(archive, status="running"))
    )
    for name, days in ((old, 2), (young, 0.5), (live, 2)):
        half, lock = root / f".{name}.new", root / f".{name}.lock"
        (half / "main").mkdir(parents=True)
        (half / "main" / "config.json").write_text("{}")
        lock.touch()
        for each in (half, lock):
            os.utime(each, (time.time() - days * DAY_S,) * 2)
    assert removed(await archive.gc()) == {Thing.PODS: 1}
    assert folders(archive) == {f".{name}{end}" for name in (young, live) for end in (".new", ".lock")}


# --- environments -----------------------------------------------------------------------------------------------------


def environment(archive: Archive, name: str, *, days: float, whole: bool = True) -> Path:
    folder = archive.settings().home / "connectors" / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_bytes(b"x" * 100)
    last = folder
    if whole:
        last = folder / "ready.json"
        last.write_text(json.dumps({"script": "python"}))
    os.utime(last, (time.time() - days * DAY_S,) * 2)
    return folder


async def test_environments_stay_unless_somebody_wants_otherwise(archive: Archive) -> None:
    folder = environment(archive, "airbyte-source-faker-1-py3.11", days=4000)
    assert removed(await archive.gc()) == {}
    assert folder.exists()


async def test_environments_that_nothing_has_used_for_long_go(archive: Archive) -> None:
    old = environment(archive, "old-1-py3.11", days=50)
    half_made = environment(archive, "half-1-py3.11", days=50, whole=False)
    used = environment(archive, "used-1-py3.11", days=20)
    told = await archive.gc(dry_run=True, connector_environment_days=30)
    assert old.exists()
    report = await archive.gc(connector_environment_days=30)
    assert (old.exists(), half_made.exists(), used.exists()) == (False, False, True)
    assert removed(report) == removed(told) == {Thing.ENVIRONMENTS: 2}
    assert report.removed[Thing.ENVIRONMENTS].bytes == told.removed[Thing.ENVIRONMENTS].bytes > 200
    assert [each.name for each in old.parent.iterdir() if each.name.endswith(".gone")] == []


async def test_no_sync_that_may_still_run_loses_its_environment(archive: Archive) -> None:
    folder = environment(archive, "old-1-py3.11", days=3.5)
    assert removed(await archive.gc(connector_environment_days=1)) == {}
    assert folder.exists()


async def test_to_start_a_connector_is_to_use_its_environment(archive: Archive) -> None:
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    folder = environment(archive, f"airbyte-source-faker-7.2.1-{python}", days=50)
    (folder / "bin" / "python").chmod(0o755)
    started = await Environments(archive.settings()).executable(Program(image="airbyte/source-faker:7.2.1"))
    assert started.words == (str(folder / "bin" / "python"),)
    assert removed(await archive.gc(connector_environment_days=30)) == {}


async def test_an_environment_that_is_being_installed_stays(archive: Archive) -> None:
    folder = environment(archive, "old-1-py3.11", days=50, whole=False)
    async with exclusive(folder.with_name(".old-1-py3.11.lock")):
        assert removed(await archive.gc(connector_environment_days=30)) == {}
    assert folder.exists()
