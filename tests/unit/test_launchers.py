"""The launchers of a host: each that may be asked for by its name is there, says how it is, and knows its own pods."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from airbyte_workers.names import CONTAINER_LAUNCHERS, JobKind, LauncherChoice, LauncherName, Role
from airbyte_workers.pods.folders import PodFolders
from airbyte_workers.pods.launchers import opened
from airbyte_workers.pods.orchestrator_homes import HostHome
from airbyte_workers.pods.pod import ContainerSpec, LaunchFailed, PodSpec, Program
from airbyte_workers.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def spec(name: str) -> PodSpec:
    connector = ContainerSpec(Role.MAIN, Program(image="airbyte/source-x:1"), ("spec",))
    return PodSpec(name, JobKind.SPEC, (connector,), Role.SIDECAR, b"{}")


async def test_every_launcher_that_has_a_name_is_made_under_it(settings: Settings) -> None:
    async with opened(settings) as launchers:
        names = {name: launcher.name for name, launcher in launchers.by_name.items()}
    assert names == {name: name for name in get_args(LauncherName)}


def test_people_may_ask_for_every_launcher_or_leave_it_open() -> None:
    assert get_args(LauncherChoice) == (*get_args(LauncherName), "auto")


async def test_launchers_of_containers_alone_have_a_problem_when_no_engine_answers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nowhere://at.all")
    async with opened(settings) as launchers:
        told = {name: await launcher.problem() for name, launcher in launchers.by_name.items()}
    assert {name for name, problem in told.items() if problem} == CONTAINER_LAUNCHERS
    assert str(told["docker"]).startswith("the Docker engine did not answer: ")


async def test_launchers_of_containers_alone_refuse_a_command(settings: Settings, tmp_path: Path) -> None:
    program = tmp_path / "connector"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    refusals = {}
    async with opened(settings) as launchers:
        for name, launcher in launchers.by_name.items():
            try:
                await launcher.prepare(Program(command=(str(program),)))
            except LaunchFailed as error:
                refusals[name] = str(error)
    assert refusals.keys() == CONTAINER_LAUNCHERS
    assert all("in containers only images run" in said for said in refusals.values())


async def test_folders_of_another_launcher_are_not_its_pods(settings: Settings) -> None:
    """What a launcher lists and nobody knows is removed: it must be its own."""
    folders = PodFolders(settings.pods_dir)
    mine, others = (HostHome(settings, launcher, folders) for launcher in ("docker", "another"))
    await mine.make(spec("spec-job-1-attempt-0"))
    await others.make(spec("spec-job-2-attempt-0"))
    assert (await mine.pods(), await others.pods()) == (["spec-job-1-attempt-0"], ["spec-job-2-attempt-0"])
