"""The process launcher: the contract, and what is its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from launcher_contract import NOTING, STUBBORN, LauncherContract
from pods_support import WAITING, Bench, until

from airbyte_workers.names import POD_VARIABLE, Role
from airbyte_workers.pods import processes
from airbyte_workers.pods.folders import PodFolders, Record
from airbyte_workers.pods.host_processes import OwnProgram
from airbyte_workers.pods.pod import LaunchFailed, Program, RemovalFailed
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.settings import Settings

PYTHON = (sys.executable, "-I", "-S")
STAND_IN = (*PYTHON, str(Path(__file__).with_name("stand_in_orchestrator.py")))


class ProcessBench(Bench):
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home", orchestrator_start_timeout_s=60)
        self.folders = PodFolders(self.settings.pods_dir)
        super().__init__(folder)

    def make(self) -> ProcessLauncher:
        return ProcessLauncher(self.settings, program=OwnProgram(STAND_IN))

    def python(self, code: str) -> Program:
        return Program(command=(*PYTHON, "-c", code))

    def folder(self, pod: str, role: Role) -> Path:
        return self.settings.pods_dir / pod / role

    def record(self, pod: str) -> Record:
        record = self.folders.read(pod)
        assert record is not None
        return record

    async def destroy(self, pod: str, role: Role) -> None:
        os.killpg(self.record(pod).processes[role].pid, signal.SIGKILL)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ProcessBench]:
    bench = ProcessBench(tmp_path)
    yield bench
    await bench.clean()


class TestProcessLauncher(LauncherContract):
    """The contract of every launcher."""


@contextmanager
def started(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, **options) as child:
        try:
            yield child
        finally:
            child.kill()


# --- identity ---


async def test_a_number_that_was_used_again_is_neither_alive_nor_killed(bench: ProcessBench) -> None:
    spec = bench.main_spec(WAITING)
    await bench.launcher.launch(spec)
    with started([*PYTHON, "-c", WAITING], start_new_session=True) as innocent:
        record = bench.record(spec.name)
        other = processes.identify(innocent.pid)
        assert other is not None
        for stale in (
            msgspec.structs.replace(other, create_time=other.create_time - 1),
            msgspec.structs.replace(other, boot_id="the boot before"),
        ):
            bench.folders.write(record.started(Role.MAIN, stale))

            main = (await bench.launcher.inspect(spec.name)).container(Role.MAIN)
            assert main is not None
            assert not main.running
            await bench.launcher.kill(spec.name)
            assert innocent.poll() is None


async def test_a_zombie_is_dead(bench: ProcessBench) -> None:
    with started([*PYTHON, "-c", ""], env={POD_VARIABLE: "zombie-pod"}) as child:
        await until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)

        assert processes.identify(child.pid) is None
        assert list(processes.members("zombie-pod")) == []
        assert not processes.alive(processes.identify_child(child.pid))


async def test_a_wrapper_that_was_killed_is_an_ended_container_and_what_it_left_is_found(bench: ProcessBench) -> None:
    spec = bench.spec(source=f"import os\nopen('pid', 'w').write(f'{{os.getpid()}}\\n')\n{WAITING}")
    await bench.launcher.launch(spec)
    await until(lambda: bench.noted("pid").endswith("\n"))

    os.kill(bench.record(spec.name).processes[Role.SOURCE].pid, signal.SIGKILL)

    assert await bench.exit_code(spec.name, Role.SOURCE) == 137
    stranger = (await bench.another().inspect(spec.name)).container(Role.SOURCE)
    assert stranger is not None
    assert (stranger.exit_code, stranger.detail) == (None, "exit code unknown")
    assert any(bench.noted("pid").strip() in line for line in await bench.launcher.remains(spec.name))
    await bench.launcher.remove(spec.name)
    assert processes.identify(int(bench.noted("pid"))) is None


async def test_a_daemon_is_ended_when_the_record_is_gone(bench: ProcessBench) -> None:
    spec = bench.spec(source=STUBBORN)
    await bench.launcher.launch(spec)
    await until(lambda: bench.noted("grandchild").endswith("\n"))
    (bench.settings.pods_dir / spec.name / "pod.json").unlink()

    await bench.launcher.remove(spec.name)

    assert await bench.launcher.remains(spec.name) == ()
    assert processes.identify(int(bench.noted("grandchild"))) is None


async def test_the_pod_outlives_the_temporal_worker(bench: ProcessBench, tmp_path: Path) -> None:
    spec = bench.spec()
    launching = f"""
import asyncio, os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_process_launcher import ProcessBench
bench = ProcessBench(Path({str(tmp_path)!r}))
asyncio.run(bench.launcher.launch(bench.spec()))
os.kill(os.getpid(), 9)
"""
    worker = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", launching], check=False)

    assert worker.returncode == -9
    assert all(each.running for each in (await bench.launcher.inspect(spec.name)).containers)
    await bench.launcher.terminate(spec.name)
    assert await bench.exit_code(spec.name, Role.SOURCE) == 143
    assert await bench.exit_code(spec.name, Role.ORCHESTRATOR) == 0


# --- launches that were cut short ---


async def test_a_pod_whose_every_process_was_started_is_adopted_though_nobody_wrote_that_down(
    bench: ProcessBench,
) -> None:
    spec = bench.spec()
    first = await bench.launcher.launch(spec)
    record = bench.folders.read(spec.name)
    assert record is not None
    bench.folders.write(msgspec.structs.replace(record, launched=False))

    assert await bench.launcher.launch(spec) == first
    again = bench.folders.read(spec.name)
    assert again is not None
    assert again.processes == record.processes


async def test_what_a_killed_launch_left_is_ended_and_launched_anew(bench: ProcessBench) -> None:
    spec = bench.spec(source=NOTING)
    await bench.launcher.launch(spec)
    await until(lambda: bench.noted("starts") == "x")
    record = bench.record(spec.name)
    del record.processes[Role.SOURCE]
    bench.folders.write(msgspec.structs.replace(record, launched=False))

    status = await bench.another().launch(spec)

    assert all(each.running for each in status.containers)
    assert bench.record(spec.name).processes != record.processes
    await until(lambda: bench.noted("starts") == "xx")


async def test_an_orchestrator_that_is_never_ready_fails_the_launch(bench: ProcessBench) -> None:
    bench.settings = bench.settings.model_copy(update={"orchestrator_start_timeout_s": 0.2})

    with pytest.raises(LaunchFailed, match=r"not ready within 0\.2 s") as failure:
        await bench.another().launch(bench.spec(orchestrator="never ready"))

    assert failure.value.retryable
    assert await bench.launcher.remains(bench.spec().name) == ()


async def test_a_start_that_fails_half_way_leaves_nothing(bench: ProcessBench) -> None:
    bench.local_root.write_text("a file where the folder should be")

    with pytest.raises(LaunchFailed, match="could not be started"):
        await bench.launcher.launch(bench.spec())

    assert await bench.launcher.remains(bench.spec().name) == ()
    assert await bench.launcher.list() == []


async def test_a_removal_that_cannot_finish_says_what_is_left(
    bench: ProcessBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = bench.spec()
    await bench.launcher.launch(spec)
    bench.settings = bench.settings.model_copy(update={"removal_timeout_s": 0.3})
    with monkeypatch.context() as patched:
        patched.setattr(processes, "kill", lambda pod, recorded: 1)
        weak = bench.another()

        with pytest.raises(RemovalFailed, match=r"process \d+"):
            await weak.remove(spec.name)
        with pytest.raises(RemovalFailed, match="folder"):
            await weak.kill(spec.name)


async def test_a_launcher_whose_pods_are_removed_elsewhere_keeps_no_zombies(bench: ProcessBench) -> None:
    """As where one Temporal worker launches and another one watches."""
    first, second = bench.main_spec(WAITING), bench.main_spec(WAITING, "check-job-9-attempt-0")
    await bench.launcher.launch(first)
    started = [identity.pid for identity in bench.record(first.name).processes.values()]
    await bench.another().remove(first.name)

    await bench.launcher.launch(second)

    assert not [pid for pid in started if psutil.pid_exists(pid)]


# --- what a pod's processes see ---


async def test_the_environment_is_an_allow_list(bench: ProcessBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    spec = bench.spec(
        source=f"import json, os\nopen('seen', 'w').write(json.dumps(dict(os.environ)) + '\\n')\n{WAITING}"
    )
    source, destination = spec.containers
    spec = replace(spec, containers=(replace(source, environment={"WORKER_JOB_ID": "7"}), destination))
    await bench.launcher.launch(spec)
    await until(lambda: bench.noted("seen").endswith("\n"))
    own = bench.folder(spec.name, Role.ORCHESTRATOR)

    for seen in (json.loads(bench.noted("seen")), json.loads((own / "environment.json").read_text())):
        assert "DATABASE_URL" not in seen
        known = (seen["LC_TIME"], seen["https_proxy"], seen[POD_VARIABLE])
        assert known == ("C", "http://proxy:1", str(own.parent.resolve()))
        assert seen["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert json.loads(bench.noted("seen"))["WORKER_JOB_ID"] == "7"


async def test_the_orchestrator_is_told_its_folders(bench: ProcessBench) -> None:
    spec, check = bench.spec(), bench.main_spec(WAITING)
    await asyncio.gather(bench.launcher.launch(spec), bench.launcher.launch(check))
    folders = {role: str(bench.folder(spec.name, role)) for role in Role}
    own, sidecar = bench.folder(spec.name, Role.ORCHESTRATOR), bench.folder(check.name, Role.SIDECAR)

    told = json.loads((own / "argv.json").read_text())
    assert told[0] == "replicate"
    assert dict(zip(told[1::2], told[2::2], strict=True)) == {
        "--own": folders[Role.ORCHESTRATOR],
        "--source": folders[Role.SOURCE],
        "--destination": folders[Role.DESTINATION],
    }
    told = json.loads((sidecar / "argv.json").read_text())
    assert told[0] == "sidecar"
    assert dict(zip(told[1::2], told[2::2], strict=True)) == {
        "--own": str(sidecar),
        "--main": str(bench.folder(check.name, Role.MAIN)),
    }
    assert (own / "input.json").stat().st_mode & 0o777 == 0o400
    assert (bench.settings.pods_dir / spec.name).stat().st_mode & 0o777 == 0o700


async def test_without_a_local_root_a_connector_works_in_its_own_folder(bench: ProcessBench) -> None:
    spec = replace(
        bench.main_spec("import os; print(os.getcwd(), flush=True); import signal; signal.pause()"), local_root=None
    )
    await bench.launcher.launch(spec)

    async with bench.reading(spec.name, Role.MAIN) as out:
        assert await out.line() == str(bench.folder(spec.name, Role.MAIN))


async def test_programs_installed_beside_us_are_found(bench: ProcessBench) -> None:
    beside = str(Path(sys.executable).parent / "destination-jsonl")

    assert await bench.launcher.prepare(Program(command=("destination-jsonl",))) == beside


@pytest.mark.parametrize("command", [("no-such-connector",), ("/no/such/connector",), (__file__,), ()])
async def test_a_program_that_is_none_is_refused(bench: ProcessBench, command: tuple[str, ...]) -> None:
    with pytest.raises(LaunchFailed, match=r"program|command") as failure:
        await bench.launcher.prepare(Program(command=command))

    assert not failure.value.retryable


# --- what is promised of every end ---


async def test_the_pod_outlives_the_process_group_of_the_temporal_worker(bench: ProcessBench, tmp_path: Path) -> None:
    """A terminal that is closed, or Ctrl-C, reaches every process of a group."""
    spec = bench.spec()
    launching = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_process_launcher import ProcessBench
bench = ProcessBench(Path({str(tmp_path)!r}))
asyncio.run(bench.launcher.launch(bench.spec()))
print("launched", flush=True)
sys.stdin.read()
"""
    words = [sys.executable, "-c", launching]
    with started(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as worker:
        assert worker.stdout is not None
        assert await asyncio.to_thread(worker.stdout.readline) == b"launched\n"
        os.killpg(worker.pid, signal.SIGKILL)

    assert all(each.running for each in (await bench.launcher.inspect(spec.name)).containers)


async def test_a_removal_after_which_something_is_left_is_an_error_though_every_step_went_well(
    bench: ProcessBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = bench.spec()
    await bench.launcher.launch(spec)
    with monkeypatch.context() as patched:
        patched.setattr(processes, "kill", lambda pod, recorded: 0)

        with pytest.raises(RemovalFailed, match=r"still there after its removal: process \d+"):
            await bench.another().remove(spec.name)


async def test_whoever_launches_a_pod_again_adopts_what_runs(bench: ProcessBench) -> None:
    """At the same time, or as the next Temporal worker."""
    spec = bench.spec()
    both = [asyncio.create_task(each.launch(spec)) for each in (bench.launcher, bench.another())]
    _, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    started = bench.record(spec.name).processes
    await asyncio.wait(pending or both)

    assert all(each.result().running for each in both)
    assert bench.record(spec.name).processes == started
    assert (await bench.another().launch(spec)).running
    assert bench.record(spec.name).processes == started
