"""The docker launcher: the contract in both homes of the orchestrator, and what is its own."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from docker_bench import WORDS, DockerBench, Workshop
from launcher_contract import NOTING, LauncherContract
from pods_support import WAITING, opened, until

from airbyte_workers.names import Role
from airbyte_workers.pods import orchestrator_homes
from airbyte_workers.pods.container_plan import POD_LABEL, ROLE_LABEL, STACK_LABEL
from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.pod import ContainerLimits, LauncherAway, LaunchFailed, PodSpec, Program, RemovalFailed

pytestmark = pytest.mark.docker
MIB = 2**20
SECRET = "do-not-tell"
NOBODY = 65534
GREEDY = "held = []\nwhile True:\n    held.append(bytearray(1 << 20))"


@pytest.fixture
async def simple(tmp_path: Path, workshop: Workshop) -> AsyncIterator[DockerBench]:
    """For what does not depend on the orchestrator's home."""
    bench = DockerBench(tmp_path, workshop, container_home=False)
    yield bench
    await bench.clean()


class TestDockerLauncher(LauncherContract):
    """The contract of every launcher."""


def with_limits(spec: PodSpec, limits: ContainerLimits) -> PodSpec:
    return replace(spec, containers=tuple(replace(each, limits=limits) for each in spec.containers))


def with_image(spec: PodSpec, image: str) -> PodSpec:
    return replace(spec, containers=tuple(replace(each, program=Program(image=image)) for each in spec.containers))


# --- what the engine is asked for ---


def logs_of(container: str) -> list[str]:
    """What lies in the engine's own folder of a container beside its description."""
    return [each.name for each in Path("/var/lib/docker/containers", container).rglob("*") if "log" in each.name]


async def test_limits_are_in_force_and_nothing_is_logged(bench: DockerBench) -> None:
    spec = with_limits(bench.spec(), ContainerLimits(cpus=0.5, memory_bytes=64 * MIB, pids=50))
    spec = replace(spec, orchestrator_limits=ContainerLimits(memory_bytes=128 * MIB))
    await bench.launcher.launch(spec)

    for role in (Role.SOURCE, Role.DESTINATION):
        seen = bench.inspect(spec.name, role)
        host = seen["HostConfig"]
        assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64 * MIB, 50)
        assert (host["LogConfig"]["Type"], seen["LogPath"], host["Init"]) == ("none", "", True)
        assert host["NetworkMode"] == "none"
        assert (host["SecurityOpt"], host["CapDrop"]) == (["no-new-privileges"], ["MKNOD"])
        assert not seen["Config"]["AttachStdout"]
        assert logs_of(seen["Id"]) == []
    if bench.container_home:
        assert bench.inspect(spec.name, Role.ORCHESTRATOR)["HostConfig"]["Memory"] == 128 * MIB


async def test_no_secret_is_in_arguments_environment_or_labels(bench: DockerBench) -> None:
    files = {
        role: {"config.json": json.dumps({"password": SECRET}).encode()} for role in (Role.SOURCE, Role.DESTINATION)
    }
    spec = replace(bench.spec(files=files), orchestrator_input=json.dumps({"mode": "reading", "db": SECRET}).encode())
    await bench.launcher.launch(spec)

    for container in bench.containers(spec.name):
        assert SECRET not in json.dumps(bench.client.inspect_container(container["Id"]))


async def test_a_connector_sees_its_own_folder_alone(bench: DockerBench) -> None:
    looking = (
        "import json, os\n"
        "seen = sorted(os.listdir('/airbyte-pod')), os.getuid(), open('/proc/self/mounts').read()\n"
        f"open('seen', 'w').write(json.dumps(seen) + '\\n')\n{WAITING}"
    )
    spec = bench.spec(source=looking, files={Role.SOURCE: {"config.json": b"{}"}})
    await bench.launcher.launch(spec)
    await until(lambda: bench.noted("seen").endswith("\n"))

    names, uid, mounts = json.loads(bench.noted("seen"))
    assert names == ["config.json", "connector_wrapper.sh", "control", "err", "out"]
    assert uid == 1000
    assert "docker.sock" not in mounts
    assert mounts.count("/airbyte-pod ") == 1


async def test_every_object_carries_the_pods_labels(bench: DockerBench) -> None:
    labels = {"job": "7", "attempt": "0", "connection": "demo", "fence": "3", "lease": "1800"}
    spec = replace(bench.spec(), labels=labels)
    await bench.launcher.launch(spec)

    roles = spec.roles if bench.container_home else spec.roles[:-1]
    for role in roles:
        seen = bench.inspect(spec.name, role)
        assert seen["Name"] == f"/{spec.name}-{role}"
        assert labels.items() <= seen["Config"]["Labels"].items()
    filters = {"label": [f"{POD_LABEL}={spec.name}", "connection=demo"]}
    assert len(bench.client.volumes(filters=filters)["Volumes"] or ()) == (2 if bench.container_home else 0)
    assert (await bench.launcher.inspect(spec.name)).labels == labels


@pytest.mark.parametrize(
    "limits",
    [ContainerLimits(cpus=1000.0), ContainerLimits(memory_bytes=1)],
    ids=["more cores than there are", "no memory"],
)
async def test_a_limit_that_the_engine_refuses_fails_the_launch(simple: DockerBench, limits: ContainerLimits) -> None:
    spec = with_limits(simple.spec(), limits)

    with pytest.raises(LaunchFailed, match=r"CPUs|memory") as failure:
        await simple.launcher.launch(spec)

    assert not failure.value.retryable
    assert await simple.launcher.remains(spec.name) == ()


async def test_an_unknown_network_is_told(simple: DockerBench) -> None:
    simple.settings = simple.settings.model_copy(update={"docker_network": "no-such-network"})

    with pytest.raises(LaunchFailed, match="no-such-network"):
        await simple.another().launch(simple.spec())

    assert await simple.launcher.remains(simple.spec().name) == ()


# --- how a program is started ---


async def output_of(bench: DockerBench, image: str, arguments: tuple[str, ...] = ()) -> str:
    """The first line that the only connector of a pod says, which then ends."""
    spec = with_image(bench.main_spec(WAITING, arguments=arguments), image)
    await bench.launcher.launch(spec)
    async with bench.reading(spec.name, Role.MAIN) as out:
        return await out.line()


def dockerfile(bench: DockerBench, *lines: str) -> str:
    return bench.workshop.dockerfile("\n".join(lines))


async def test_the_variable_keeps_its_quotes_and_arguments(simple: DockerBench) -> None:
    program = 'sh -c \'echo "$0|$1|$2"; sleep 1000\' "it\'s one" two'
    image = dockerfile(
        simple, "ENTRYPOINT []", f"ENV AIRBYTE_ENTRYPOINT={json.dumps(program).replace('$', chr(92) + '$')}"
    )

    assert await output_of(simple, image, ("$(id)",)) == "it's one|two|$(id)"


async def test_without_the_variable_the_images_entrypoint_is_started(simple: DockerBench) -> None:
    image = dockerfile(simple, "ENV AIRBYTE_ENTRYPOINT=", 'ENTRYPOINT ["sh", "-c", "echo $0; sleep 1000", "own words"]')

    assert await output_of(simple, image, ("read",)) == "own words"


async def test_an_image_with_neither_is_no_connector(simple: DockerBench) -> None:
    image = dockerfile(simple, "ENV AIRBYTE_ENTRYPOINT=", "ENTRYPOINT []")

    with pytest.raises(LaunchFailed, match="neither AIRBYTE_ENTRYPOINT nor an entrypoint") as failure:
        await simple.launcher.launch(with_image(simple.spec(), image))

    assert (failure.value.origin, failure.value.retryable) == ("source", False)


async def test_a_start_script_is_an_entrypoint(simple: DockerBench) -> None:
    script = '#!/bin/sh\\nprefix=script\\necho "$prefix $1"\\nsleep 1000\\n'
    image = dockerfile(
        simple, "USER root", f"RUN printf '{script}' >/start.sh && chmod 755 /start.sh", "USER 1000",
        "ENTRYPOINT []", "ENV AIRBYTE_ENTRYPOINT=/start.sh",
    )  # fmt: skip

    assert await output_of(simple, image, ("read",)) == "script read"


async def test_a_program_that_is_not_in_the_image_exits_with_127(simple: DockerBench) -> None:
    spec = with_image(simple.main_spec(WAITING), dockerfile(simple, "ENV AIRBYTE_ENTRYPOINT=no-such-program"))
    await simple.launcher.launch(spec)

    assert await simple.exit_code(spec.name, Role.MAIN) == 127
    assert (simple.folder(spec.name, Role.MAIN) / "exit_code").read_text() == "127\n"


@pytest.mark.parametrize(
    ("user", "uid"),
    [("airbyte", 1000), ("airbyte:airbyte", 1000), ("12345", 12345), ("12345:54321", 12345), ("root", 0)],
)
async def test_files_belong_to_the_user_of_the_image(bench: DockerBench, user: str, uid: int) -> None:
    words = ["sh", "-c", "cat /airbyte-pod/config.json; id -u >&2; sleep 1000"]
    image = dockerfile(bench, f"USER {user}", f"ENTRYPOINT {json.dumps(words)}", "ENV AIRBYTE_ENTRYPOINT=")
    spec = with_image(bench.main_spec(WAITING), image)
    await bench.launcher.launch(spec)

    async with bench.reading(spec.name, Role.MAIN, "err") as err:
        assert await err.line() == str(uid)
    for each in bench.folder(spec.name, Role.MAIN).iterdir():
        assert each.stat().st_uid == uid


async def test_a_user_whom_the_image_does_not_know_is_told(simple: DockerBench) -> None:
    with pytest.raises(LaunchFailed, match="user nobody-knows-me") as failure:
        await simple.launcher.launch(with_image(simple.spec(), dockerfile(simple, "USER nobody-knows-me")))

    assert (failure.value.origin, failure.value.retryable) == ("source", False)


async def test_an_image_without_a_shell_is_lent_one(bench: DockerBench) -> None:
    image = bench.workshop.shellless()

    assert await output_of(bench, image, ("hello",)) == "hello"


async def test_an_image_without_a_shell_is_told_where_there_is_none_to_lend(
    simple: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = simple.workshop.shellless()
    monkeypatch.setenv("PATH", str(simple.local_root))

    with pytest.raises(LaunchFailed, match=r"has no shell .* busybox-static"):
        await simple.launcher.launch(with_image(simple.spec(), image))

    assert await simple.launcher.remains(simple.spec().name) == ()


async def test_a_container_that_never_opens_its_pipes_can_be_removed(bench: DockerBench) -> None:
    """Its shell is one that only sleeps."""
    shell = "#!/bin/busybox ash\\n/bin/busybox sleep 1000\\n"
    image = dockerfile(bench, "USER root", f"RUN rm /bin/sh && printf '{shell}' >/bin/sh && chmod 755 /bin/sh")
    spec = with_image(bench.spec(), image)

    status = await bench.launcher.launch(spec)

    assert all(each.running for each in status.containers)
    assert opened(bench.folder(spec.name, Role.SOURCE) / "control") is None
    await bench.launcher.remove(spec.name)
    assert await bench.launcher.remains(spec.name) == ()


# --- how a container ends ---


async def test_a_connector_that_ran_out_of_memory_is_told_with_its_limit(bench: DockerBench) -> None:
    spec = with_limits(bench.main_spec(GREEDY), ContainerLimits(memory_bytes=32 * MIB))
    await bench.launcher.launch(spec)

    assert await bench.exit_code(spec.name, Role.MAIN) == 137
    main = (await bench.launcher.inspect(spec.name)).container(Role.MAIN)
    assert main is not None
    assert main.detail == "out of memory, limit 32 MiB"
    folder = bench.folder(spec.name, Role.MAIN)
    assert (folder / "out_of_memory").read_text() == f"{32 * MIB}\n"
    assert (folder / "exit_code").read_text() == "137\n"


async def test_a_child_that_ran_out_of_memory_is_told_too(simple: DockerBench) -> None:
    """The connector itself lives on and exits with a code of its own."""
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {GREEDY!r}])\nraise SystemExit(5)"
    spec = with_limits(simple.main_spec(parent), ContainerLimits(memory_bytes=32 * MIB))
    await simple.launcher.launch(spec)

    assert await simple.exit_code(spec.name, Role.MAIN) == 5
    assert (simple.folder(spec.name, Role.MAIN) / "out_of_memory").read_text() == f"{32 * MIB}\n"


async def test_the_end_of_a_container_that_was_killed_is_told_to_the_orchestrator(bench: DockerBench) -> None:
    spec = bench.spec()
    await bench.launcher.launch(spec)
    told = bench.folder(spec.name, Role.SOURCE) / "exit_code"
    await bench.launcher.report_exits(spec.name)
    assert not told.exists()

    await bench.destroy(spec.name, Role.SOURCE)
    assert await bench.exit_code(spec.name, Role.SOURCE) == 137
    assert not told.exists()
    await bench.another().report_exits(spec.name)

    assert told.read_text() == "137\n"
    before = told.stat()
    await bench.launcher.report_exits(spec.name)
    assert told.stat() == before
    destination = (await bench.launcher.inspect(spec.name)).container(Role.DESTINATION)
    assert destination is not None
    assert destination.running


async def test_a_container_that_was_removed_behind_our_back_is_gone(bench: DockerBench) -> None:
    spec = bench.spec()
    await bench.launcher.launch(spec)
    bench.client.remove_container(bench.containers(spec.name, Role.SOURCE)[0]["Id"], force=True)

    source = (await bench.launcher.inspect(spec.name)).container(Role.SOURCE)

    assert source is not None
    assert (source.running, source.exit_code, source.detail) == (False, None, "gone")
    await bench.launcher.report_exits(spec.name)


# --- other launchers ---


def launching(bench: DockerBench, folder: Path, options: str = "") -> str:
    """A Temporal worker that launches the bench's pod and is killed when it has."""
    return f"""
import asyncio, os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from docker_bench import DockerBench, open_workshop
folder = Path({str(folder)!r})
with open_workshop(folder) as workshop:
    bench = DockerBench(folder, workshop, container_home={bench.container_home})
    asyncio.run(bench.launcher.launch(bench.spec({options})))
    os.kill(os.getpid(), 9)
"""


async def test_pods_of_another_stack_on_the_engine_are_left_alone(
    simple: DockerBench, tmp_path: Path, workshop: Workshop
) -> None:
    (tmp_path / "other").mkdir()
    other = DockerBench(tmp_path / "other", workshop, container_home=True)
    spec = simple.spec(source=NOTING)
    try:
        await simple.launcher.launch(spec)
        await other.launcher.launch(other.spec())

        names = {bench.settings.stack_name: bench.containers(spec.name) for bench in (simple, other)}
        assert [len(containers) for containers in names.values()] == [2, 3]
        await simple.launcher.remove(spec.name)
        assert all(each.running for each in (await other.launcher.inspect(spec.name)).containers)
        assert [each.name for each in await other.launcher.list()] == [spec.name]
    finally:
        await other.clean()


async def test_a_launch_that_was_given_up_deletes_nothing_of_the_next_one(bench: DockerBench) -> None:
    """Its time to tidy up is over at once; what is left of it must not go on tidying when the lock is another's."""
    hurried = DockerLauncher(
        bench.settings.model_copy(update={"removal_timeout_s": 0.01}), orchestrator_command=bench.stand_in
    )
    with pytest.raises(LaunchFailed):
        await hurried.launch(bench.spec(orchestrator="exits"))

    await bench.another().launch(bench.spec(source=NOTING))

    await until(lambda: bench.noted("starts") == "x")
    await asyncio.sleep(1.0)  # as long as the removal of two containers takes
    assert all(each.running for each in (await bench.launcher.inspect(bench.spec().name)).containers)
    await hurried.aclose()


async def test_a_pod_that_was_started_is_launched_even_if_the_last_look_fails(
    bench: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unseen(pod: str) -> None:
        raise EngineError("no answer in time")

    with monkeypatch.context() as patched:
        patched.setattr(bench.launcher, "inspect", unseen)
        status = await bench.launcher.launch(bench.spec())

    assert status.running
    assert await bench.launcher.inspect(status.name) == status


async def test_a_changed_home_of_the_orchestrator_loses_no_pod(bench: DockerBench) -> None:
    """The setting is for pods to come; those that live are found, ended and cleared where they are."""
    spec = bench.spec(files={Role.SOURCE: {"config.json": b"{}"}})
    await bench.launcher.launch(spec)
    before = bench.settings
    bench.settings = before.model_copy(update={"orchestrator_image": None if before.orchestrator_image else "other:1"})
    heir = bench.another()
    bench.settings = before

    assert all(each.running for each in (await heir.inspect(spec.name)).containers)
    assert await heir.remains(spec.name) == await bench.launcher.remains(spec.name)
    await heir.terminate(spec.name)
    assert await bench.exit_code(spec.name, Role.ORCHESTRATOR) == 0
    await heir.remove(spec.name)

    assert await bench.launcher.remains(spec.name) == ()
    assert bench.everything() == []


async def test_what_a_killed_launch_left_is_ended_and_launched_anew(bench: DockerBench, tmp_path: Path) -> None:
    """The launching process is killed while it waits for the orchestrator; no connector was started."""
    spec = bench.spec(source=NOTING)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", launching(bench, tmp_path, 'orchestrator="never ready"')
    )
    try:
        await until(lambda: bench.orchestrator_works(spec.name), "a launch under way")
    finally:
        child.kill()
        await child.wait()
    assert not any(each["State"] == "running" for each in bench.containers(spec.name, Role.SOURCE))

    status = await bench.launcher.launch(spec)

    assert all(each.running for each in status.containers)
    await until(lambda: bench.noted("starts") == "x")


async def test_the_pod_outlives_the_temporal_worker(bench: DockerBench, tmp_path: Path) -> None:
    worker = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", launching(bench, tmp_path)], check=False)

    assert worker.returncode == -9
    spec = bench.spec()
    assert all(each.running for each in (await bench.launcher.inspect(spec.name)).containers)
    await bench.launcher.terminate(spec.name)
    assert await bench.exit_code(spec.name, Role.SOURCE) == 143


@pytest.mark.skipif(
    os.getuid() != 0, reason="only root can become somebody else; for everybody else each test is this one"
)
async def test_a_temporal_worker_that_is_not_root_needs_only_the_engines_socket(
    simple: DockerBench, tmp_path: Path
) -> None:
    """Neither the image's user nor root: it opens the pipes through its group, and deletes what root's image wrote."""
    words = json.dumps([*WORDS, "-c", WAITING])
    image = dockerfile(simple, "USER root", "ENV AIRBYTE_ENTRYPOINT=", f"ENTRYPOINT {words}")
    work = tmp_path / "nobodys"
    work.mkdir()
    os.chown(work, NOBODY, NOBODY)
    launching = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from docker_bench import Workshop, DockerBench
from test_docker_launcher import with_image
from airbyte_workers.names import Role
workshop = object.__new__(Workshop)
workshop.client, workshop._made = None, {{ {simple.workshop.code(WAITING).partition(":")[2]!r} }}
class Bench(DockerBench):
    def python(self, code):
        return None
async def main():
    bench = Bench(Path({str(work)!r}), workshop, container_home=False)
    spec = with_image(bench.spec(), {image!r})
    status = await bench.launcher.launch(spec)
    assert all(each.running for each in status.containers), status
    await bench.launcher.terminate(spec.name)
    assert await bench.exit_code(spec.name, Role.SOURCE) == 143
    assert (bench.folder(spec.name, Role.SOURCE) / "exit_code").stat().st_uid == 0
    await bench.launcher.remove(spec.name)
    assert await bench.launcher.remains(spec.name) == ()
    await bench.docker.aclose()
asyncio.run(main())
"""
    group = await asyncio.to_thread(lambda: Path("/var/run/docker.sock").stat().st_gid)
    reading = "+dac_read_search"  # the interpreter is in root's own folder on some machines
    somebody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={group}")
    may_read = (f"--inh-caps={reading}", f"--ambient-caps={reading}")
    worker = await asyncio.create_subprocess_exec(
        *somebody, *may_read, sys.executable, "-c", launching, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(worker.communicate(), 60)
    assert worker.returncode == 0, said.decode()


# --- an engine that is not as it should be ---


@asynccontextmanager
async def with_engine_at(
    bench: DockerBench, socket: Path, monkeypatch: pytest.MonkeyPatch, **settings: float
) -> AsyncIterator[DockerLauncher]:
    """A launcher for another engine; its package leaves a socket to the collector when it cannot connect."""
    with monkeypatch.context() as patched:
        patched.setenv("DOCKER_HOST", f"unix://{socket}")
        launcher = DockerLauncher(bench.settings.model_copy(update=settings))
        async with aclosing(launcher):
            yield launcher
        gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_no_engine_is_told_and_can_be_tried_again(simple: DockerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with with_engine_at(simple, simple.local_root / "no.sock", monkeypatch) as lonely:
        with pytest.raises(LaunchFailed, match="is it running") as failure:
            await lonely.launch(simple.spec())
        assert failure.value.retryable
        with pytest.raises(LaunchFailed, match="could not be pulled"):
            await lonely.prepare(Program(image="airbyte/source-x:1"))
        with pytest.raises(LauncherAway):
            await lonely.inspect("check-job-1-attempt-0")
        with pytest.raises(RemovalFailed, match="nobody knows what is left"):
            await lonely.remove("check-job-1-attempt-0")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_an_engine_that_does_not_answer_has_a_time_limit(
    simple: DockerBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, limits = tmp_path / "deaf.sock", {"docker_timeout_s": 0.3, "removal_timeout_s": 1.0}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(64)
        async with with_engine_at(simple, path, monkeypatch, **limits) as waiting:
            with pytest.raises(LauncherAway, match=r"within 0\.3 s|no answer in time"):
                await waiting.inspect("check-job-1-attempt-0")
            with pytest.raises(LaunchFailed) as failure:
                await waiting.launch(simple.spec())
            assert failure.value.retryable
            with pytest.raises(RemovalFailed):
                await waiting.remove("check-job-1-attempt-0")


async def test_folders_that_this_process_cannot_open_ask_for_an_orchestrator_image(
    simple: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a user namespace, or with the socket of another host's engine."""
    monkeypatch.setattr(orchestrator_homes, "_is_fifo", lambda _: False)

    with pytest.raises(LaunchFailed, match="set ORCHESTRATOR_IMAGE"):
        await simple.launcher.launch(simple.spec())

    assert await simple.launcher.remains(simple.spec().name) == ()


async def test_a_system_whose_pipes_do_not_reach_the_engine_asks_for_an_orchestrator_image(
    simple: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator_homes.sys, "platform", "darwin")

    with pytest.raises(LaunchFailed, match="need ORCHESTRATOR_IMAGE"):
        await simple.launcher.launch(simple.spec())


async def test_a_missing_orchestrator_image_is_the_platforms_failure(tmp_path: Path, workshop: Workshop) -> None:
    bench = DockerBench(tmp_path, workshop, container_home=True)
    bench.settings = bench.settings.model_copy(
        update={"orchestrator_image": "airbyte-workers-test/none:1", "image_pull_policy": "Never"}
    )
    try:
        with pytest.raises(LaunchFailed, match="airbyte-workers-test/none:1 is not on this host") as failure:
            await bench.another().launch(bench.spec())
        assert failure.value.origin == "airbyte_platform"
        assert bench.everything() == []
    finally:
        await bench.clean()


async def test_a_folder_that_cannot_be_mounted_is_told(simple: DockerBench) -> None:
    spec = replace(simple.spec(), local_root=simple.local_root.with_name("with:colon"))

    with pytest.raises(LaunchFailed, match="colon"):
        await simple.launcher.launch(spec)


async def test_the_labels_find_what_is_ours(bench: DockerBench) -> None:
    """The proof that people can repeat: `docker ps -a --filter label=airbyte-workers.pod=...` shows nothing."""
    spec = bench.spec()
    await bench.launcher.launch(spec)
    filters = {"label": [f"{STACK_LABEL}={bench.settings.stack_name}", ROLE_LABEL]}
    assert len(bench.client.containers(all=True, filters=filters)) == (3 if bench.container_home else 2)

    await bench.launcher.remove(spec.name)

    assert bench.client.containers(all=True, filters=filters) == []
    assert isinstance(bench.launcher, DockerLauncher)
