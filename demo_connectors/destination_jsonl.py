"""destination-jsonl: one file a stream, one record a line; no crash doubles or loses a record."""

import os
import resource
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from demo_connectors.acknowledgement import HeldState, HeldStates, State, echo, read_state
from demo_connectors.configuration import COUNT, SWITCH, TEXT, one_of, option, required
from demo_connectors.connector import Connector, Job, crash_point, hang, run
from demo_connectors.incoming import Input, MalformedLine
from demo_connectors.journal import sync_folder
from demo_connectors.messages import ConfigError, Failure
from demo_connectors.record_lines import RecordLines
from demo_connectors.stream_ends import StreamEnds
from demo_connectors.stream_file import JOURNAL_FOLDER, StreamFile, open_stream_file

IDLE_SECONDS = 0.01
LONGEST_WAIT_SECONDS = 0.25
OPEN_FILES = 8192


@dataclass(frozen=True, kw_only=True)
class JsonlConfig:
    path: str = required(TEXT, "The folder for the files; made if it is missing")
    echo: str = option(
        one_of("each", "never", "reverse_streams", "last"),
        "Which states to send back: each; none; out of order across streams; the last of each stream at the end",
        "each",
    )
    drop_id: bool = option(SWITCH, "Send states back without their id", False)
    bare_state: bool = option(SWITCH, "Send states back without the envelope of a message", False)
    delay_ms: int = option(COUNT, "Pause before each state that is sent back", 0)
    crash_after: int | None = option(COUNT, "Exit with code 1 right after this many records", None)
    crash_once_file: str | None = option(TEXT, "Crash only while this file is missing; made at the crash", None)
    hang_at_end: bool = option(SWITCH, "Stay after the end of the input", False)
    ignore_sigterm: bool = option(SWITCH, "Do not end on SIGTERM", False)


def prepare_folder(config: JsonlConfig) -> Path:
    """The folder, made if missing and proven writable."""
    folder = Path(config.path)
    try:
        (folder / JOURNAL_FOLDER).mkdir(parents=True, exist_ok=True)
        trial = folder / JOURNAL_FOLDER / f"check-{os.getpid()}"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as err:
        raise ConfigError(f"path: {folder} is not a folder we can write to: {err.strerror}") from err
    return folder


def check(config: JsonlConfig) -> None:
    prepare_folder(config)


class _Crash(Exception):
    """The configured crash is due."""


class Writing:
    """One write under way."""

    def __init__(self, job: Job[JsonlConfig], folder: Path, files: list[StreamFile]) -> None:
        self._config = job.config
        self._output = job.output
        self._journal_folder = folder / JOURNAL_FOLDER
        self._files = {file.key: file for file in files}
        self._lines = RecordLines(self._files)
        self._ends = StreamEnds(self._files)
        self._held = HeldStates(job.config.echo, len(files))
        self._held_since = 0.0
        self._unsettled: list[StreamFile] = []
        self._left = crash_point(job.config.crash_after, job.config.crash_once_file)

    def run(self, source: Input) -> None:
        """Take the whole input. States that arrive close together share one flush to disk."""
        blocks = source.blocks()
        try:
            while True:
                if self._held and (self._waited_enough() or source.waits(IDLE_SECONDS)):
                    self._echo()
                block = next(blocks, None)
                if block is None:
                    break
                self._take(block)
        except (Failure, _Crash):
            self._echo()
            raise
        self._finish()

    def _finish(self) -> None:
        self._echo(at_end=True)
        for file in self._unsettled:
            file.complete(settled=self._config.echo != "never")
        for file in self._files.values():
            file.sync()
        self._output.flush()
        if self._config.hang_at_end:
            hang()
        self._ends.prove()

    def _take(self, block: bytes) -> None:
        try:
            text, broken = block.decode(), False
        except UnicodeDecodeError as err:
            text, broken = block[: block.rfind(b"\n", 0, err.start) + 1].decode(), True
        lines = text.split("\n")
        lines.pop()
        if self._left is None:
            self._take_lines(lines)
        else:
            self._take_until_crash(lines, self._left)
        if broken:
            raise MalformedLine(self._lines.number + 1)

    def _take_lines(self, lines: list[str]) -> None:
        for message in self._lines.take(lines):
            if message.type == "STATE":
                self._hold(read_state(message, self._lines.number))
            elif message.type == "TRACE" and (complete := self._ends.take(message)) is not None:
                self._complete(self._files[complete])
        for file in self._files.values():
            file.write_rows()

    def _take_until_crash(self, lines: list[str], left: int) -> None:
        for line in lines:
            before = self._lines.records
            if left:
                self._take_lines([line])
            left -= self._lines.records - before
            if not left:
                raise _Crash
        self._left = left

    def _hold(self, state: State) -> None:
        covered = self._files.values() if state.stream is None else [self._files.get(state.stream)]
        files = [file for file in covered if file is not None]
        marks = {file.key: file.take_state(state) for file in files}
        count = sum(file.count_since_state() for file in files)
        if not self._held:
            self._held_since = time.monotonic()
        self._held.hold(HeldState(state, count, marks))

    def _waited_enough(self) -> bool:
        return time.monotonic() - self._held_since > LONGEST_WAIT_SECONDS

    def _complete(self, file: StreamFile) -> None:
        """A completed stream is settled once its states are journaled: now, or at the end if they wait."""
        self._echo()
        if self._config.echo == "each":
            file.complete(settled=True)
        else:
            self._unsettled.append(file)

    def _echo(self, *, at_end: bool = False) -> None:
        """Data to disk, then the journal, and only then the states."""
        released = self._held.release(at_end=at_end)
        if not released:
            return
        for file in self._files.values():
            file.sync()
        for file in self._files.values():
            file.acknowledge([held.marks[file.key] for held in released if file.key in held.marks])
        sync_folder(self._journal_folder)
        for held in released:
            if self._config.delay_ms:
                self._output.flush()
                time.sleep(self._config.delay_ms / 1000)
            self._output.send(echo(held.state, held.count, drop_id=self._config.drop_id, bare=self._config.bare_state))
        self._output.flush()


def _allow_open_files() -> None:
    """Two for each stream: more than the usual limit of a shell has room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def write(job: Job[JsonlConfig]) -> int:
    if job.config.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _allow_open_files()
    folder = prepare_folder(job.config)
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(open_stream_file(folder, stream)) for stream in job.streams]
            sync_folder(folder / JOURNAL_FOLDER)
            sync_folder(folder)
            Writing(job, folder, files).run(Input())
    except _Crash:
        if job.config.crash_once_file is not None:
            Path(job.config.crash_once_file).touch()
        return 1
    except OSError as err:
        raise Failure(
            f"cannot write to the folder {folder}: {err.strerror}; it keeps what was acknowledged so far"
        ) from err
    return 0


DESTINATION = Connector(
    name="destination-jsonl",
    title="JSON lines destination",
    config=JsonlConfig,
    check=check,
    write=write,
    destination_sync_modes=("append", "overwrite"),
)


def main() -> None:
    sys.exit(run(DESTINATION, sys.argv[1:]))


if __name__ == "__main__":
    main()
