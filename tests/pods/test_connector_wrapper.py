"""The wrapper script, in every shell a connector's image may have."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pods_support import COUNTING, WAITING, Reading, opened, say, until

from airbyte_workers.pods.folders import FIFOS
from airbyte_workers.pods.process_starting import WRAPPER

SHELLS = {"dash": ("dash",), "bash": ("bash",), "busybox": ("busybox", "sh")}
PR_SET_CHILD_SUBREAPER = 36
PYTHON = (sys.executable, "-I", "-S", "-c")
COUNTING_SIGNALS = """
import os, signal
seen = 0
def handler(*_):
    global seen
    seen += 1
    if seen == 3:
        os._exit(42)
signal.signal(signal.SIGTERM, handler)
print("up", flush=True)
while True:
    signal.pause()
"""
LISTING = """
import json, os
files = (f"/proc/self/fd/{number}" for number in range(64))
print(json.dumps({file.rpartition("/")[2]: os.readlink(file) for file in files if os.path.lexists(file)}))
"""


class Container:
    """A wrapper under test and the orchestrator's side of its FIFOs."""

    def __init__(self, shell: tuple[str, ...], folder: Path) -> None:
        self.shell, self.folder = shell, folder
        self.children: list[subprocess.Popen[bytes]] = []
        self.readings: dict[str, Reading] = {}

    def make(self, mode: str) -> None:
        for name in FIFOS.get(mode, ("control",)):  # type: ignore[call-overload]  # a mode that has none
            os.mkfifo(self.folder / name, 0o600)
        for name in ("out", "err"):
            if (self.folder / name).exists():
                self.readings[name] = Reading(self.folder / name)

    def start(self, mode: str, *words: str, path: str | None = None) -> subprocess.Popen[bytes]:
        """Start the wrapper, where `path` is given with nothing but that to find programs by."""
        if not (self.folder / "control").exists():
            self.make(mode)
        shell = shutil.which(self.shell[0])
        assert shell is not None
        child = subprocess.Popen(
            [shell, *self.shell[1:], str(WRAPPER), mode, str(self.folder), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=None if path is None else {"PATH": path},
        )
        self.children.append(child)
        return child

    async def ended(self) -> int:
        """The exit code, of which the file and the wrapper itself say the same."""
        child = self.children[-1]
        await until(self.is_over, "the wrapper's end")
        assert not (self.folder / "exit_code.tmp").exists()
        assert child.returncode == int((self.folder / "exit_code").read_text())
        return child.returncode

    def is_over(self) -> bool:
        """Whether the wrapper has ended; what its program left is buried here, whatever this machine's init does."""
        bury(self.noted("child"))
        return self.children[-1].poll() is not None

    def has(self, program: str, path: str) -> bool:
        """Whether the shell finds a program there; busybox finds its own everywhere."""
        shell = shutil.which(self.shell[0])
        assert shell is not None
        words = [shell, *self.shell[1:], "-c", f"command -v {program}"]
        return subprocess.run(words, env={"PATH": path}, capture_output=True, check=False).returncode == 0

    def noted(self, name: str) -> int | None:
        """The process id that a program wrote down."""
        try:
            return int((self.folder / name).read_text() or 0) or None
        except FileNotFoundError:
            return None

    def left(self) -> list[psutil.Process]:
        """Processes of the wrapper's session, and of the program's own where it has one."""
        sessions = {self.children[-1].pid, *filter(None, map(self.noted, ("program", "child", "daemon")))}
        return [each for each in psutil.process_iter() if _session(each.pid) in sessions and not _is_over(each)]

    def close(self) -> None:
        for each in self.left():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        for child in self.children:
            child.wait()
        for reading in self.readings.values():
            reading.close()


def _is_over(process: psutil.Process) -> bool:
    try:
        return process.status() == "zombie"
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module", autouse=True)
def undertaker() -> Iterator[None]:
    """Orphans are ours, not those of an init that looks after them now and then: the wrapper waits for their burial."""
    adopt_orphans(1)
    yield
    adopt_orphans(0)


def adopt_orphans(yes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, yes, 0, 0, 0)


def bury(pid: int | None) -> None:
    if pid is not None:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def alive(pid: int | None) -> bool:
    bury(pid)
    try:
        return pid is not None and not _is_over(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@pytest.fixture(params=SHELLS)
async def container(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Container]:
    shell = SHELLS[request.param]
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    container = Container(shell, tmp_path)
    yield container
    container.close()


@contextmanager
def writing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# --- exit codes ---


@pytest.mark.parametrize(
    ("mode", "code"),
    [("source", 0), ("source", 143), ("destination", 1), ("destination", 255), ("main", 127), ("program", 3)],
)
async def test_the_code_is_written_and_returned(container: Container, mode: str, code: int) -> None:
    container.start(mode, "/bin/sh", "-c", f"exit {code}")

    assert await container.ended() == code
    assert container.left() == []


@pytest.mark.parametrize(("signal_number", "code"), [(9, 137), (15, 143), (11, 139)])
async def test_a_signals_code(container: Container, signal_number: int, code: int) -> None:
    container.start("source", "/bin/sh", "-c", f"kill -{signal_number} $$")

    assert await container.ended() == code


async def test_a_program_that_is_missing(container: Container) -> None:
    container.start("source", "/no/such/program")

    assert await container.ended() == 127
    assert b"/no/such/program" in container.readings["err"].more()


async def test_a_program_that_cannot_be_executed(container: Container) -> None:
    (container.folder / "plain.txt").write_text("not a program")
    container.start("source", str(container.folder / "plain.txt"))

    assert await container.ended() == 126


# --- TERM ---


@pytest.mark.parametrize("mode", ["source", "destination", "program"])
async def test_term_to_the_wrapper_reaches_the_programs_handler(container: Container, mode: str) -> None:
    container.start(
        mode,
        *PYTHON,
        "import os, signal, sys; signal.signal(15, lambda *_: os._exit(42)); open(sys.argv[1], 'w'); signal.pause()",
        str(container.folder / "up"),
    )
    await until((container.folder / "up").exists)

    container.children[-1].terminate()

    assert await container.ended() == 42


async def test_many_terms_do_not_lose_the_code(container: Container) -> None:
    wrapper = container.start("source", *PYTHON, COUNTING_SIGNALS)
    await container.readings["out"].line()

    def storm() -> bool:
        wrapper.terminate()
        return wrapper.poll() is not None

    await until(storm)

    assert await container.ended() == 42


async def test_term_before_the_program_exists_is_passed_on(container: Container) -> None:
    container.make("source")
    control = os.open(container.folder / "control", os.O_RDWR | os.O_NONBLOCK)
    with writing(control):
        os.write(control, b"TERM\n")
        container.start("source", *PYTHON, WAITING)

        assert await container.ended() == 143


async def test_a_program_that_ends_its_own_group_keeps_its_code(container: Container) -> None:
    container.start(
        "source", *PYTHON, "import os, signal; signal.signal(15, lambda *_: None); os.kill(0, 15); os._exit(5)"
    )

    assert await container.ended() == 5


async def test_a_program_that_ignores_term_is_ended_by_the_word_kill(container: Container) -> None:
    container.start(
        "source", *PYTHON, "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    )
    await container.readings["out"].line()

    await say(container.folder / "control", "TERM")
    await say(container.folder / "control", "nonsense")
    await say(container.folder / "control", "KILL")

    assert await container.ended() == 137
    assert container.left() == []


async def test_a_program_that_waits_for_a_reader_can_be_ended(container: Container) -> None:
    os.mkfifo(container.folder / "control")
    for name in ("out", "err"):
        os.mkfifo(container.folder / name)
    container.start("source", *PYTHON, WAITING)

    await say(container.folder / "control", "TERM")

    assert await container.ended() == 143


async def test_a_zombie_that_nobody_buries_is_not_waited_for_after_the_word_kill(container: Container) -> None:
    """As in a container whose first process does not reap: the orphan stays in the group for ever."""
    await started(container, STAYS, ENDS_AT_ONCE)
    orphan = int((container.folder / "child").read_text())

    await say(container.folder / "control", "TERM")
    await until(lambda: not alive(int((container.folder / "program").read_text())))
    await say(container.folder / "control", "KILL")

    await until((container.folder / "exit_code").exists)
    assert psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
    assert await container.ended() == 143
    bury(orphan)


# --- start scripts ---

# A start script that does not `exec`: it writes down who it is and who its child is, and waits for the child.
SCRIPT = """
import os, signal, sys
child = os.fork()
if not child:
    exec(sys.argv[2])
    os._exit(0)
for name, pid in (("child", child), ("program", os.getpid())):
    with open(f"{sys.argv[1]}/{name}.new", "w") as file:
        file.write(str(pid))
    os.rename(file.name, f"{sys.argv[1]}/{name}")
exec(sys.argv[3])
"""
STAYS = "signal.signal(15, signal.SIG_IGN); open(f'{sys.argv[1]}/deaf', 'w').close()\nwhile True: signal.pause()"
ENDS_AT_ONCE = "signal.pause()"
ENDS_LATER = (
    "signal.signal(15, lambda *_: None); open(f'{sys.argv[1]}/deaf', 'w').close(); signal.pause();"
    "open(f'{sys.argv[1]}/told', 'w').close()\n"
    "while not os.path.exists(f'{sys.argv[1]}/go'): signal.sigtimedwait([], 0.01)\n"
    "open(f'{sys.argv[1]}/finished', 'w').close()"
)
WAITS_FOR_IT = "os.waitpid(child, 0); os._exit(0)"


async def started(container: Container, child: str, script: str = WAITS_FOR_IT, *, path: str | None = None) -> None:
    """A start script and its child run."""
    container.start("source", *PYTHON, SCRIPT, str(container.folder), child, script, path=path)
    await until((container.folder / "program").exists)
    if "deaf" in child:
        await until((container.folder / "deaf").exists)


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A PATH that leads to no program at all."""
    (tmp_path / "no programs").mkdir()
    return str(tmp_path / "no programs")


@pytest.mark.parametrize("to", ["wrapper", "control"])
async def test_term_reaches_what_a_start_script_started(container: Container, to: str) -> None:
    await started(container, ENDS_AT_ONCE)
    if to == "wrapper":
        container.children[-1].terminate()
    else:
        await say(container.folder / "control", "TERM")

    assert await container.ended() == 143
    assert not alive(container.noted("child"))
    assert container.left() == []


async def test_kill_reaches_what_a_start_script_started(container: Container) -> None:
    await started(container, STAYS)
    await say(container.folder / "control", "KILL")

    assert await container.ended() == 137
    await until(lambda: not alive(container.noted("child")))
    assert container.left() == []


async def test_after_term_the_wrapper_waits_for_what_the_start_script_left(container: Container) -> None:
    """The script is gone at once; the connector behind it still finishes what it has."""
    await started(container, ENDS_LATER)
    await say(container.folder / "control", "TERM")
    await until((container.folder / "told").exists)
    await until(lambda: not alive(container.noted("program")))

    assert not (container.folder / "exit_code").exists()
    assert container.children[-1].poll() is None
    (container.folder / "go").touch()
    assert await container.ended() == 143
    assert (container.folder / "finished").exists()


async def test_kill_ends_the_wait_for_what_the_start_script_left(container: Container) -> None:
    await started(container, STAYS)
    await say(container.folder / "control", "TERM")
    await until(lambda: not alive(container.noted("program")))
    assert alive(container.noted("child"))
    assert not (container.folder / "exit_code").exists()
    await say(container.folder / "control", "KILL")

    assert await container.ended() == 143
    assert not alive(container.noted("child"))


@pytest.mark.parametrize("code", [0, 1, 15])
async def test_after_a_normal_end_nobody_waits_for_daemons(container: Container, code: int) -> None:
    await started(container, STAYS, f"os._exit({code})")

    assert await container.ended() == code
    assert alive(container.noted("child"))


@pytest.mark.parametrize(("mode", "code"), [("source", 0), ("destination", 137), ("main", 3), ("program", 0)])
async def test_without_any_program_to_help_the_code_is_written_all_the_same(
    container: Container, nowhere: str, mode: str, code: int
) -> None:
    container.start(mode, "/bin/sh", "-c", f"exit {code}", path=nowhere)
    child = container.children[-1]
    await until(container.is_over, "the wrapper's end")

    assert child.returncode == code
    assert (container.folder / "exit_code").read_text() == f"{code}\n"
    assert not (container.folder / "out_of_memory").exists()


@pytest.mark.parametrize(("word", "code"), [("TERM", 143), ("KILL", 137)])
async def test_without_setsid_a_signal_reaches_the_program_itself(
    container: Container, nowhere: str, word: str, code: int
) -> None:
    await started(container, STAYS if word == "KILL" else ENDS_AT_ONCE, "signal.pause()", path=nowhere)
    await say(container.folder / "control", word)
    child = container.children[-1]
    await until(container.is_over, "the wrapper's end")

    assert (container.folder / "exit_code").read_text() == f"{code}\n"
    assert child.returncode == code
    assert not alive(container.noted("program"))
    grouped = container.has("setsid", nowhere)
    await until(lambda: alive(container.noted("child")) != grouped, "the end of the group, or the life of the child")


async def test_with_setsid_the_program_leads_a_group_of_its_own(container: Container) -> None:
    await started(container, ENDS_AT_ONCE)
    program = container.noted("program")
    assert program is not None
    assert os.getpgid(program) == program == os.getpgid(container.noted("child") or 0)
    assert os.getpgid(container.children[-1].pid) != program


# --- memory ---


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 1", 1), ("kill -9 $$", 137), ("kill -15 $$", 143)])
async def test_nothing_is_said_of_memory_when_nothing_was_killed_for_it(
    container: Container, script: str, code: int
) -> None:
    container.start("source", "/bin/sh", "-c", script)

    assert await container.ended() == code
    assert {each.name for each in container.folder.iterdir()} == {"out", "err", "control", "exit_code"}


# --- what the program has ---


@pytest.mark.parametrize("mode", ["source", "destination", "main"])
async def test_the_program_has_its_three_descriptors_and_no_more(container: Container, mode: str) -> None:
    container.start(mode, *PYTHON, LISTING)

    assert await container.ended() == 0
    folder = container.folder
    stdin = str(folder / "in") if mode == "destination" else "/dev/null"
    seen = json.loads(container.readings["out"].more())
    assert seen == {"0": stdin, "1": str(folder / "out"), "2": str(folder / "err")}


async def test_the_program_starts_with_default_signals(container: Container) -> None:
    container.start(
        "source",
        *PYTHON,
        "import signal; print([int(signal.getsignal(s)) for s in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)])",
    )

    assert await container.ended() == 0
    assert container.readings["out"].more() == b"[0, 0, 0]\n"


async def test_words_arrive_as_they_were_given(container: Container) -> None:
    words = ["", "two words", "it's", '"$HOME" `id` \\n', "*", "naïve ☃", "-e", "a\nb"]
    container.start("main", *PYTHON, "import sys, json; print(json.dumps(sys.argv[1:]))", *words)

    assert await container.ended() == 0
    assert json.loads(container.readings["out"].more()) == words


async def test_a_program_of_ours_has_a_log(container: Container) -> None:
    (container.folder / "log").write_text("before\n")
    container.start("program", "/bin/sh", "-c", "echo out; echo err >&2")

    assert await container.ended() == 0
    assert (container.folder / "log").read_text() == "before\nout\nerr\n"


# --- the destination's input ---


async def test_input_ends_after_release_and_the_writers_close_in_any_order(container: Container) -> None:
    container.start("destination", *PYTHON, COUNTING)
    out = container.readings["out"]
    for number in (1, 2):
        with writing(await until(lambda: opened(container.folder / "in"))) as writer:
            os.write(writer, b"x\n")
            await out.line(number)
    await say(container.folder / "control", "release")

    assert await out.line(3) == "end of input"
    assert await container.ended() == 0
    assert container.left() == []


async def test_words_still_arrive_after_release(container: Container) -> None:
    container.start("destination", *PYTHON, COUNTING)
    with writing(await until(lambda: opened(container.folder / "in"))) as writer:
        await say(container.folder / "control", "release")
        os.write(writer, b"x\n")
        await container.readings["out"].line()
        await say(container.folder / "control", "TERM")

        assert await container.ended() == 143


async def test_a_word_in_the_fifo_before_the_wrapper_waits_for_it(container: Container) -> None:
    container.make("destination")
    control = os.open(container.folder / "control", os.O_RDWR | os.O_NONBLOCK)
    with writing(control):
        os.write(control, b"release\n")
        container.start("destination", *PYTHON, COUNTING)

        assert await container.readings["out"].line() == "end of input"
        assert await container.ended() == 0


async def test_after_the_end_nobody_opens_the_fifos(container: Container) -> None:
    container.start("destination", "/bin/sh", "-c", "exit 0")

    assert await container.ended() == 0
    assert opened(container.folder / "in") is None
    assert opened(container.folder / "control") is None
