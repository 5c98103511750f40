"""What every launcher must do. A launcher's tests subclass this and give a `bench`."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import suppress
from dataclasses import replace

import pytest
from pods_support import COUNTING, WAITING, Bench, opened, say, stays, until

from airbyte_workers.names import Role
from airbyte_workers.pods.pod import LaunchFailed, Program

NOTING = f"open('starts', 'a').write('x')\n{WAITING}"
ORDERLY = """
import os, signal, time
def end(*_):
    time.sleep(0.5)
    open('ended', 'w').write('in order')
    os._exit(0)
signal.signal(15, end)
open('up', 'w').write('x')
while True:
    signal.pause()
"""
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("grandchild", "w").write(f"{os.getpid()}\\n")
        while True:
            time.sleep(1)
    os._exit(0)
signal.pause()
"""


class LauncherContract:
    """Names and adoption, files, arguments, exit codes, signals, the data path, removal, failed launches."""

    # --- names and adoption ---

    async def test_a_launched_pod_is_seen_with_its_containers_and_labels(self, bench: Bench) -> None:
        status = await bench.launcher.launch(bench.spec())

        assert status.running
        assert {each.role for each in status.containers} == {Role.SOURCE, Role.DESTINATION, Role.ORCHESTRATOR}
        assert all(each.running and each.exit_code is None for each in status.containers)
        assert status.labels == {"job": "7", "fence": "3"}
        assert await bench.launcher.list() == [status]
        assert await bench.launcher.problem() is None

    async def test_two_launches_at_once_start_one_pod(self, bench: Bench) -> None:
        spec = bench.spec(source=NOTING)

        first, second = await asyncio.gather(bench.launcher.launch(spec), bench.another().launch(spec))

        assert first.running
        assert second.running
        await until(lambda: bench.noted("starts"))
        assert len(await bench.launcher.list()) == 1
        await stays(lambda: bench.noted("starts") == "x")

    async def test_a_pod_is_adopted_by_the_next_temporal_worker(self, bench: Bench) -> None:
        spec = bench.spec(source=NOTING)
        await bench.launcher.launch(spec)
        await until(lambda: bench.noted("starts"))
        heir = bench.another()

        assert (await heir.inspect(spec.name)).running
        assert (await heir.launch(spec)).running
        await stays(lambda: bench.noted("starts") == "x")

    async def test_a_pod_that_has_ended_is_adopted_as_it_is(self, bench: Bench) -> None:
        spec = bench.main_spec("raise SystemExit(3)")
        await bench.launcher.launch(spec)
        await bench.exit_code(spec.name, Role.MAIN)

        status = await bench.another().launch(spec)

        main = status.container(Role.MAIN)
        assert main is not None
        assert (main.running, main.exit_code) == (False, 3)

    async def test_a_pod_nobody_launched_does_not_exist(self, bench: Bench) -> None:
        status = await bench.launcher.inspect("check-job-1-attempt-0")

        assert not status.exists
        assert await bench.launcher.list() == []
        await bench.launcher.terminate("check-job-1-attempt-0")
        await bench.launcher.kill("check-job-1-attempt-0")
        await bench.launcher.remove("check-job-1-attempt-0")

    # --- files and arguments ---

    async def test_each_connector_has_its_own_files_for_its_owner_only(self, bench: Bench) -> None:
        files = {
            Role.SOURCE: {"config.json": b'{"password": "s"}', "catalog.json": b"{}"},
            Role.DESTINATION: {"config.json": b'{"password": "d"}'},
        }
        spec = bench.spec(files=files)
        await bench.launcher.launch(spec)
        source, destination = (bench.folder(spec.name, role) for role in (Role.SOURCE, Role.DESTINATION))

        pipes = {"out", "err", "control"} | bench.own_files
        assert {each.name for each in source.iterdir()} == {"config.json", "catalog.json"} | pipes
        assert {each.name for each in destination.iterdir()} == {"config.json", "in"} | pipes
        assert (source / "config.json").read_bytes() == b'{"password": "s"}'
        for folder in (source, destination):
            for each in folder.iterdir():
                seen = each.stat().st_mode
                assert (stat.S_ISFIFO(seen), stat.S_IMODE(seen)) == (
                    (False, 0o400) if each.suffix in (".json", ".sh") else (True, bench.fifo_mode)
                )
                assert each.stat().st_uid == bench.connector_uid

    async def test_arguments_arrive_as_they_were_given(self, bench: Bench) -> None:
        arguments = (
            "read",
            "",
            "two words",
            "it's",
            '"$HOME" `id` \\n',
            "*",
            "naïve ☃",
            "--config",
            "{folder}/config.json",
        )
        spec = bench.main_spec(
            "import json, sys, signal; print(json.dumps(sys.argv[1:]), flush=True); signal.pause()", arguments=arguments
        )
        await bench.launcher.launch(spec)

        async with bench.reading(spec.name, Role.MAIN) as out:
            *plain, path = json.loads(await out.line())

        assert tuple(plain) == arguments[:-1]
        assert path.endswith("/config.json")
        assert "{" not in path

    # --- exit codes and signals ---

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("", 0),
            ("raise SystemExit(3)", 3),
            ("raise SystemExit(127)", 127),
            ("import os; os.kill(os.getpid(), 9)", 137),
            ("import os; os.kill(os.getpid(), 15)", 143),
        ],
    )
    async def test_the_exit_code_is_the_connectors_own(self, bench: Bench, code: str, expected: int) -> None:
        spec = bench.main_spec(code)
        await bench.launcher.launch(spec)

        assert await bench.exit_code(spec.name, Role.MAIN) == expected
        main = (await bench.another().inspect(spec.name)).container(Role.MAIN)
        assert main is not None
        assert main.exit_code == expected

    async def test_a_signal_reaches_the_program_behind_a_start_script(self, bench: Bench) -> None:
        """A script that does not `exec` dies of the signal; the connector may take its time to end in order."""
        spec = bench.main_spec(
            "import subprocess, sys\n"
            "subprocess.run(['sh', '-c', '\"$@\"; echo never', 'sh', sys.executable, '-I', '-S', '-c', sys.argv[1]])",
            arguments=(ORDERLY,),
        )
        await bench.launcher.launch(spec)
        await until(lambda: bench.noted("up"))

        await say(bench.folder(spec.name, Role.MAIN) / "control", "TERM")

        assert await bench.exit_code(spec.name, Role.MAIN) == 143
        assert bench.noted("ended") == "in order"

    async def test_the_word_term_reaches_the_connectors_handler(self, bench: Bench) -> None:
        spec = bench.main_spec(
            "import os, signal; signal.signal(15, lambda *_: os._exit(42)); open('up', 'w').write('x'); signal.pause()"
        )
        await bench.launcher.launch(spec)
        await until(lambda: bench.noted("up"))

        await say(bench.folder(spec.name, Role.MAIN) / "control", "TERM")

        assert await bench.exit_code(spec.name, Role.MAIN) == 42

    async def test_terminate_asks_the_orchestrator_which_ends_the_pod(self, bench: Bench) -> None:
        spec = bench.spec()
        await bench.launcher.launch(spec)

        await bench.another().terminate(spec.name)

        assert await bench.exit_code(spec.name, Role.ORCHESTRATOR) == 0
        assert await bench.exit_code(spec.name, Role.SOURCE) == 143
        assert await bench.exit_code(spec.name, Role.DESTINATION) == 143

    async def test_kill_ends_children_and_daemons_that_ignore_term(self, bench: Bench) -> None:
        spec = bench.spec(source=STUBBORN)
        await bench.launcher.launch(spec)
        await until(lambda: bench.noted("grandchild").endswith("\n"))

        await bench.another().kill(spec.name)

        assert not (await bench.launcher.inspect(spec.name)).running
        assert not [line for line in await bench.launcher.remains(spec.name) if "process" in line or "running" in line]
        assert (await bench.launcher.inspect(spec.name)).exists

    # --- the data path ---

    async def test_input_ends_only_after_release_and_the_writers_close(self, bench: Bench) -> None:
        spec = bench.spec(destination=COUNTING)
        await bench.launcher.launch(spec)
        folder = bench.folder(spec.name, Role.DESTINATION)
        async with bench.reading(spec.name, Role.DESTINATION) as out:
            for number in (1, 2):  # a writer that goes is no end of input
                writer = await until(lambda: opened(folder / "in"))
                os.write(writer, f"record {number}\n".encode())
                os.close(writer)
                assert await out.line(number) == f"record {number}"
            writer = await until(lambda: opened(folder / "in"))
            await say(folder / "control", "release")
            os.write(writer, b"record 3\n")
            assert await out.line(3) == "record 3"
            os.close(writer)
            assert await out.line(4) == "end of input"
        assert await bench.exit_code(spec.name, Role.DESTINATION) == 0

    async def test_the_orchestrators_death_is_no_end_of_input(self, bench: Bench) -> None:
        spec = bench.spec(destination=COUNTING)
        await bench.launcher.launch(spec)
        own = (spec.name, Role.DESTINATION)
        async with bench.reading(*own) as out, bench.reading(*own, "err"):  # it begins once both have a reader
            await bench.destroy(spec.name, Role.ORCHESTRATOR)
            assert await bench.exit_code(spec.name, Role.ORCHESTRATOR) == 137

            writer = await until(lambda: opened(bench.folder(spec.name, Role.DESTINATION) / "in"))
            os.write(writer, b"still here\n")
            os.close(writer)
            assert await out.line() == "still here"
        destination = (await bench.launcher.inspect(spec.name)).container(Role.DESTINATION)
        assert destination is not None
        assert destination.running

    async def test_the_destinations_death_breaks_the_writers_pipe(self, bench: Bench) -> None:
        spec = bench.spec()
        await bench.launcher.launch(spec)
        folder = bench.folder(spec.name, Role.DESTINATION)
        writer = await until(lambda: opened(folder / "in"))
        with suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(65536))

        await say(folder / "control", "KILL")

        def broken() -> bool:
            try:
                os.write(writer, b"x")
            except BlockingIOError:
                return False
            except BrokenPipeError:
                return True
            return False

        await until(broken, "EPIPE")
        os.close(writer)
        assert await bench.exit_code(spec.name, Role.DESTINATION) == 137

    async def test_a_connector_nobody_reads_from_waits_and_can_be_removed(self, bench: Bench) -> None:
        spec = bench.spec(source=NOTING, orchestrator="deaf")
        status = await bench.launcher.launch(spec)

        assert status.running
        await bench.launcher.remove(spec.name)

        assert await bench.launcher.remains(spec.name) == ()
        assert bench.noted("starts") == ""

    async def test_output_before_anything_is_written_is_no_end(self, bench: Bench) -> None:
        spec = bench.spec()
        await bench.launcher.launch(spec)

        async with bench.reading(spec.name, Role.SOURCE) as out:
            assert out.more() == b""
            source = (await bench.launcher.inspect(spec.name)).container(Role.SOURCE)
            assert source is not None
            assert source.running

    # --- removal ---

    async def test_what_an_orchestrator_left_in_its_journal_is_there_after_its_end(self, bench: Bench) -> None:
        spec = bench.spec(orchestrator="journals")
        assert await bench.launcher.journal(spec.name) is None
        await bench.launcher.launch(spec)
        await bench.launcher.kill(spec.name)

        assert await bench.launcher.journal(spec.name) == b"x" * 3_000_000
        await bench.launcher.remove(spec.name)
        assert await bench.launcher.journal(spec.name) is None

    async def test_the_end_of_what_the_pod_s_own_program_has_logged_can_be_read_until_the_pod_is_removed(
        self, bench: Bench
    ) -> None:
        spec = bench.spec(orchestrator="logs")
        assert await bench.launcher.own_log(spec.name) == b""
        await bench.launcher.launch(spec)
        await bench.launcher.kill(spec.name)

        log = await bench.launcher.own_log(spec.name)
        assert (len(log), log.endswith(b"older\nnewest\n")) == (64 * 1024, True)
        await bench.launcher.remove(spec.name)
        assert await bench.launcher.own_log(spec.name) == b""

    async def test_removal_leaves_nothing_and_says_so(self, bench: Bench) -> None:
        spec = bench.spec(source=STUBBORN)
        await bench.launcher.launch(spec)
        await until(lambda: bench.noted("grandchild").endswith("\n"))
        assert await bench.launcher.remains(spec.name)

        await bench.launcher.remove(spec.name)

        assert await bench.launcher.remains(spec.name) == ()
        assert await bench.launcher.list() == []
        assert not bench.folder(spec.name, Role.SOURCE).exists()
        await bench.another().remove(spec.name)

    async def test_two_removals_at_once(self, bench: Bench) -> None:
        spec = bench.spec()
        await bench.launcher.launch(spec)

        await asyncio.gather(bench.launcher.remove(spec.name), bench.another().remove(spec.name))

        assert await bench.launcher.remains(spec.name) == ()

    async def test_other_pods_are_left_alone(self, bench: Bench) -> None:
        doomed = bench.main_spec(WAITING, "check-job-1-attempt-0")
        other = bench.main_spec(WAITING, "check-job-1-attempt-01")
        await asyncio.gather(bench.launcher.launch(doomed), bench.launcher.launch(other))

        await bench.launcher.remove(doomed.name)

        assert [each.name for each in await bench.launcher.list()] == [other.name]
        assert all(each.running for each in (await bench.launcher.inspect(other.name)).containers)

    # --- launches that fail ---

    async def test_an_orchestrator_that_ends_fails_the_launch_with_its_words(self, bench: Bench) -> None:
        spec = bench.spec(source=NOTING, orchestrator="exits")

        with pytest.raises(LaunchFailed, match=r"(?s)exit code 1.*no database at the given address") as failure:
            await bench.launcher.launch(spec)

        assert failure.value.origin == "airbyte_platform"
        assert await bench.launcher.remains(spec.name) == ()
        assert bench.noted("starts") == ""
        assert (await bench.launcher.launch(bench.spec())).running

    async def test_a_connector_that_cannot_be_found_fails_the_launch(self, bench: Bench) -> None:
        spec = bench.spec()
        source, destination = spec.containers
        missing = replace(destination, program=Program(command=("no-such-connector",)))

        with pytest.raises(LaunchFailed, match="no-such-connector") as failure:
            await bench.launcher.launch(replace(spec, containers=(source, missing)))

        assert (failure.value.origin, failure.value.retryable) == ("destination", False)
        assert await bench.launcher.remains(spec.name) == ()

    async def test_a_cancelled_launch_leaves_nothing(self, bench: Bench) -> None:
        spec = bench.spec(orchestrator="never ready")
        launch = asyncio.ensure_future(bench.launcher.launch(spec))
        await until(lambda: bench.orchestrator_works(spec.name))

        launch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await launch

        assert await bench.launcher.remains(spec.name) == ()

    async def test_a_removal_ends_a_launch_that_is_under_way(self, bench: Bench) -> None:
        spec = bench.spec(orchestrator="never ready")
        launch = asyncio.ensure_future(bench.launcher.launch(spec))
        await until(lambda: bench.orchestrator_works(spec.name))

        await bench.another().remove(spec.name)

        with pytest.raises(LaunchFailed):
            await launch
        assert await bench.launcher.remains(spec.name) == ()

    @pytest.mark.parametrize("name", ["../escape", "", "a/b", ".hidden"])
    async def test_a_name_that_is_no_name_is_refused(self, bench: Bench, name: str) -> None:
        with pytest.raises(LaunchFailed):
            await bench.launcher.launch(replace(bench.spec(), name=name))

    @pytest.mark.parametrize("name", ["../config.json", "out", "exit_code", "a/b", ".."])
    async def test_a_file_name_that_is_no_name_is_refused(self, bench: Bench, name: str) -> None:
        spec = bench.spec(files={Role.SOURCE: {name: b""}})

        with pytest.raises(LaunchFailed):
            await bench.launcher.launch(spec)

        assert await bench.launcher.remains(spec.name) == ()
