"""The file of one stream: added to, cut back, compared with itself, and put in place when complete."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo_connectors.acknowledgement import State
from demo_connectors.catalog import ConfiguredStream
from demo_connectors.journal import Contents, Entry, Mark, load_entry, plan, save_entry, sync_folder
from demo_connectors.messages import Failure, StreamKey

JOURNAL_FOLDER = ".airbyte"
SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
LONGEST_NAME = 200
COMPARE_SIZE = 1 << 20


def file_name(key: StreamKey) -> str:
    """`<stream>.jsonl` or `<namespace>.<stream>.jsonl`; two streams never share a name."""
    parts = [key.name] if key.namespace is None else [key.namespace, key.name]
    name = ".".join(_percent_encoded(part) for part in parts)
    if len(name) > LONGEST_NAME:
        raise Failure(f"the name of stream {name[:40]}... is too long for a file name", key)
    return f"{name}.jsonl"


def _percent_encoded(name: str) -> str:
    return "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in name.encode())


class StreamFile:
    """One stream's file during a write. Open it with `open_stream_file`."""

    def __init__(self, folder: Path, stream: ConfiguredStream, entry: Entry) -> None:
        self.key = stream.key
        self.rows: list[str] = []
        self.records = 0
        self._folder = folder
        self._path, self._staged_path, self._journal_path = _paths(folder, stream.key)
        self._entry = entry
        self._compares = stream.resumes
        path = self._path if entry.staged is None else self._staged_path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._length = entry.active.length
        os.ftruncate(self._descriptor, self._length)
        if self._length and os.pread(self._descriptor, 1, self._length - 1) != b"\n":
            self._length += os.write(self._descriptor, b"\n")  # somebody else's last line had no end
        self._stated_length = self._length
        self._dirty = False

    def write_rows(self) -> None:
        """Hand the rows to the file; durable only after `sync`."""
        if not self.rows:
            return
        piece = memoryview(("\n".join(self.rows) + "\n").encode())
        self.records += len(self.rows)
        self.rows.clear()
        self._dirty = True
        while piece:
            written = os.write(self._descriptor, piece)
            self._length += written
            piece = piece[written:]

    def take_state(self, state: State) -> Mark:
        """What the state covers here; a replay of what the file already held is taken back out."""
        self.write_rows()
        arrived = self._length - self._stated_length
        if not arrived:
            return Mark(self._length)
        identity = state.identity(self.key)
        if self._compares:
            self._compares = self._drop_replay(identity, arrived)
        if self._compares:
            return Mark(self._length)
        self._stated_length = self._length
        return Mark(self._length, identity)

    def count_since_state(self) -> int:
        count, self.records = self.records, 0
        return count

    def sync(self) -> None:
        self.write_rows()
        if self._dirty:
            os.fsync(self._descriptor)
            self._dirty = False

    def acknowledge(self, marks: list[Mark]) -> None:
        """Journal the states that are about to be echoed; call `sync` before."""
        contents = self._entry.active
        for mark in marks:
            contents = contents.with_state(mark)
        if contents != self._entry.active:
            self._save(self._entry.with_active(contents))

    def complete(self, *, settled: bool) -> None:
        """The stream has ended well: a replacement takes its place, and what is settled is never cut off."""
        self.sync()
        contents = self._entry.active
        if settled:
            contents = contents.with_state(Mark(self._length))
        if self._entry.staged is not None:
            self._save(Entry(self._entry.live, contents, promoting=True))
            sync_folder(self._journal_path.parent)
            self._staged_path.replace(self._path)
            sync_folder(self._folder)
        self._save(Entry(contents))

    def close(self) -> None:
        os.close(self._descriptor)

    def _save(self, entry: Entry) -> None:
        save_entry(self._journal_path, entry)
        self._entry = entry

    def _drop_replay(self, identity: str, arrived: int) -> bool:
        """Cut off what came since the last state if the same bytes lead to the same state further up."""
        for point in reversed(self._entry.active.points):
            if point.identity == identity and self._equal(point.length - arrived, self._stated_length, arrived):
                os.ftruncate(self._descriptor, self._stated_length)
                self._length = self._stated_length
                return True
        return False

    def _equal(self, one: int, other: int, size: int) -> bool:
        if one < 0:
            return False
        for at in range(0, size, COMPARE_SIZE):
            part = min(COMPARE_SIZE, size - at)
            if os.pread(self._descriptor, part, one + at) != os.pread(self._descriptor, part, other + at):
                return False
        return True


@contextmanager
def open_stream_file(folder: Path, stream: ConfiguredStream) -> Iterator[StreamFile]:
    """Nobody else writes this stream meanwhile; unacknowledged bytes of an earlier attempt are gone."""
    path, staged_path, journal_path = _paths(folder, stream.key)
    with journal_path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise Failure(f"another process is writing {path}; wait for its end", stream.key) from err
        entry = plan(stream, _reconciled(load_entry(journal_path), path, staged_path))
        if entry.staged is None:
            staged_path.unlink(missing_ok=True)
        elif entry.staged.length == 0:
            staged_path.write_bytes(b"")
        save_entry(journal_path, entry)
        file = StreamFile(folder, stream, entry)
        try:
            yield file
        finally:
            file.close()


def _paths(folder: Path, key: StreamKey) -> tuple[Path, Path, Path]:
    name = file_name(key)
    remembered = folder / JOURNAL_FOLDER
    return folder / name, remembered / f"{name}.next", remembered / f"{name}.json"


def _reconciled(entry: Entry | None, path: Path, staged_path: Path) -> Entry:
    """The journal's entry made true: a begun rename finished, and no longer than the files are."""
    if entry is None:
        return Entry(Contents(length=_size(path)))
    if entry.promoting and entry.staged is not None:
        if staged_path.exists():
            staged_path.replace(path)
        entry = Entry(entry.staged)
    live = entry.live.cut_to(_size(path))
    staged = None if entry.staged is None else entry.staged.cut_to(_size(staged_path))
    return Entry(live, staged)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
