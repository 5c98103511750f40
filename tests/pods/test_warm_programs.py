"""Forks of the fork server are the pods' own programs: known, ended and told as those that were started cold."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from airbyte_workers.names import FORK_SERVER_MODULE, JobKind, Role
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.pods import processes
from airbyte_workers.pods.folders import PodFolders, Record
from airbyte_workers.pods.host_processes import OwnProgram
from airbyte_workers.pods.pod import ContainerSpec, LaunchFailed, PodSpec, Program
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.pods.process_starting import Start
from airbyte_workers.pods.warm_programs import ForkServer
from airbyte_workers.settings import Settings

POD = "spec-job-1-attempt-0"
WAITS = ("/bin/sh", "-c", "exec sleep 600")
SAYS = ("/bin/sh", "-c", """echo '{"type":"SPEC","spec":{"connectionSpecification":{}}}'""")
PATIENCE_S = 30.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", storage_url=(tmp_path / "storage").as_uri())


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    server = ForkServer(PATIENCE_S)
    yield server
    server.close()


@pytest.fixture
def launcher(settings: Settings, forks: ForkServer) -> ProcessLauncher:
    return ProcessLauncher(settings, program=OwnProgram(forks=forks))


def spec(settings: Settings, command: tuple[str, ...]) -> PodSpec:
    given = ConnectorInput(
        pod=POD,
        settings=settings.model_dump(mode="json", exclude_unset=True),
        operation="spec",
        origin="source",
        log_prefix="logs/1",
    )
    connector = ContainerSpec(Role.MAIN, Program(command=command), ())
    return PodSpec(POD, JobKind.SPEC, (connector,), Role.SIDECAR, given.model_dump_json().encode())


def record(settings: Settings) -> Record:
    found = PodFolders(settings.pods_dir).read(POD)
    assert found is not None
    return found


def own_processes(settings: Settings) -> list[psutil.Process]:
    label = PodFolders(settings.pods_dir).label(POD)
    return [each for each in processes.members(label) if FORK_SERVER_MODULE in each.cmdline()]


def server_of(forks: ForkServer) -> psutil.Process:
    assert forks._server is not None
    return psutil.Process(forks._server.pid)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.02)


def marker(tmp_path: Path, name: str) -> Path:
    return tmp_path / "storage" / "state" / POD / name


async def test_a_fork_does_the_work_of_a_pod_and_writes_down_its_exit_code(
    launcher: ProcessLauncher, settings: Settings, tmp_path: Path
) -> None:
    await launcher.launch(spec(settings, SAYS))
    await until(marker(tmp_path, "SUCCESS").exists)
    folders = PodFolders(settings.pods_dir)
    await until(lambda: folders.exit_code(POD, Role.SIDECAR) == 0)
    assert json.loads(marker(tmp_path, "SUCCESS").read_bytes())["result"] == {"connectionSpecification": {}}
    await launcher.remove(POD)


async def test_its_processes_are_known_as_the_pods_and_end_with_it(
    launcher: ProcessLauncher, settings: Settings
) -> None:
    await launcher.launch(spec(settings, WAITS))
    own = own_processes(settings)
    assert {each.pid for each in own} > {record(settings).processes[Role.SIDECAR].pid}
    assert len(own) == 2
    await launcher.remove(POD)
    assert await launcher.remains(POD) == ()
    assert own_processes(settings) == []


async def test_who_only_looks_into_a_pods_folder_is_spared(launcher: ProcessLauncher, settings: Settings) -> None:
    await launcher.launch(spec(settings, WAITS))
    folder = PodFolders(settings.pods_dir).path(POD, Role.SIDECAR)
    visitor = await asyncio.create_subprocess_exec("sleep", "600", cwd=folder)
    try:
        await launcher.remove(POD)
        assert visitor.returncode is None
    finally:
        visitor.kill()
        await visitor.wait()


async def test_sigterm_ends_the_pod_in_order(launcher: ProcessLauncher, settings: Settings, tmp_path: Path) -> None:
    await launcher.launch(spec(settings, WAITS))
    await launcher.terminate(POD)
    await until(marker(tmp_path, "FAILURE").exists)
    await until(lambda: not own_processes(settings))
    await launcher.remove(POD)


async def test_programs_go_on_without_the_server(
    launcher: ProcessLauncher, forks: ForkServer, settings: Settings
) -> None:
    await launcher.launch(spec(settings, WAITS))
    keeper = record(settings).processes[Role.SIDECAR].pid
    assert {os.getsid(each.pid) for each in own_processes(settings)} == {keeper}
    await asyncio.to_thread(forks.close)
    assert len(own_processes(settings)) == 2
    await launcher.remove(POD)


async def test_a_server_that_was_killed_is_started_anew(
    launcher: ProcessLauncher, forks: ForkServer, settings: Settings, tmp_path: Path
) -> None:
    await launcher.launch(spec(settings, WAITS))
    server_of(forks).kill()
    assert len(own_processes(settings)) == 2
    await launcher.remove(POD)
    await launcher.launch(spec(settings, SAYS))
    await until(marker(tmp_path, "SUCCESS").exists)
    await launcher.remove(POD)


async def test_one_thread_forks_and_no_zombie_stays(
    launcher: ProcessLauncher, forks: ForkServer, settings: Settings
) -> None:
    for _ in range(3):
        await launcher.launch(spec(settings, WAITS))
        await launcher.remove(POD)
    server = server_of(forks)
    assert server.num_threads() == 1
    await until(lambda: not server.children())


async def test_a_fork_that_ends_early_says_why(launcher: ProcessLauncher, settings: Settings) -> None:
    broken = spec(settings, WAITS)
    with pytest.raises(LaunchFailed, match=r"(?s)ended before it was ready \(exit code 1\).*ValidationError"):
        await launcher.launch(PodSpec(POD, JobKind.SPEC, broken.containers, Role.SIDECAR, b'{"pod": 5}'))
    assert await launcher.remains(POD) == ()


def test_a_folder_that_is_gone_is_an_error(forks: ForkServer, tmp_path: Path) -> None:
    start = Start(Role.SIDECAR, ("sidecar",), tmp_path / "gone", tmp_path, {})
    with pytest.raises(OSError, match="No such file"):
        forks.fork(start, "label")


def test_a_closed_server_starts_nothing(forks: ForkServer, tmp_path: Path) -> None:
    forks.close()
    with pytest.raises(OSError, match="closed"):
        forks.fork(Start(Role.SIDECAR, ("sidecar",), tmp_path, tmp_path, {}), "label")


def test_the_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from airbyte_workers.names import Role
from airbyte_workers.pods.process_starting import Start
from airbyte_workers.pods.warm_programs import ForkServer
server = ForkServer(30)
server.fork(Start(Role.SIDECAR, ("nonsense",), Path({str(tmp_path)!r}), Path("/"), {{}}), "label")
print(server._server.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        assert server.pid == os.getsid(server.pid)
        os.kill(owner.pid, signal.SIGKILL)
    server.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / "exit_code").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "exit_code").read_text() == "2\n"
    assert "invalid choice: 'nonsense'" in (tmp_path / "log").read_text()
