"""What a destination folder remembers of each stream, so that no crash doubles or loses a record.

An attempt may end between any two of: records in the file, journal written, echo printed, echo committed by
the platform. Bytes after the journal's length were never echoed: the next attempt cuts them off. Bytes before
it may be sent again when their echo was lost on the way: the journal's points tell those apart from new ones.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from demo_connectors.catalog import ConfiguredStream
from demo_connectors.messages import Failure

KEPT_POINTS = 1000


class Mark(NamedTuple):
    """How much of a file a state covers, and which state it was; a mark without identity is never compared."""

    length: int
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """One data file as far as it is durable and acknowledged."""

    length: int = 0
    base: int = 0
    """Its length when the current sync first started."""
    sync: int | None = None
    generation: int | None = None
    points: tuple[Mark, ...] = ()
    """The last acknowledged states."""

    def with_state(self, mark: Mark) -> "Contents":
        kept = (*self.points[1 - KEPT_POINTS :], mark) if mark.identity else self.points
        return replace(self, length=mark.length, points=kept)

    def cut_to(self, length: int) -> "Contents":
        """No longer than a file that somebody shortened."""
        if length >= self.length:
            return self
        kept = tuple(point for point in self.points if point.length <= length)
        return replace(self, length=length, base=min(self.base, length), points=kept)

    def is_of(self, stream: ConfiguredStream) -> bool:
        """Whether it holds what this sync has to keep: its generation, or else its own sync."""
        if stream.minimum_generation_id:
            return self.generation is not None and self.generation >= stream.minimum_generation_id
        return self.sync is not None and self.sync == stream.sync_id


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream: the file people see and, while a replacement is being written, that one."""

    live: Contents
    staged: Contents | None = None
    promoting: bool = False
    """The staged file is complete and about to be renamed over the live one."""

    @property
    def active(self) -> Contents:
        """The contents that records are added to."""
        return self.live if self.staged is None else self.staged

    def with_active(self, contents: Contents) -> "Entry":
        return replace(self, live=contents) if self.staged is None else replace(self, staged=contents)


def plan(stream: ConfiguredStream, entry: Entry) -> Entry:
    """Where the records of a write that now starts go."""
    if stream.resumes and entry.staged is not None and _is_begun(stream, entry.staged):
        return Entry(entry.live, _continued(stream, entry.staged))
    replaces = bool(stream.minimum_generation_id) or stream.destination_sync_mode == "overwrite"
    if not replaces or (stream.resumes and entry.live.is_of(stream)):
        return Entry(_continued(stream, entry.live))
    return Entry(entry.live, Contents(sync=stream.sync_id, generation=stream.generation_id))


def _is_begun(stream: ConfiguredStream, staged: Contents) -> bool:
    """Whether the source's state already counts on what is staged, be it by an earlier, failed sync."""
    same_generation = stream.generation_id is not None and stream.generation_id == staged.generation
    return same_generation or staged.is_of(stream)


def _continued(stream: ConfiguredStream, contents: Contents) -> Contents:
    same_sync = stream.sync_id is not None and stream.sync_id == contents.sync
    if not same_sync:
        contents = replace(contents, sync=stream.sync_id, base=contents.length)
    elif not stream.resumes:  # a repeated full refresh sends everything again
        contents = replace(contents, length=contents.base, points=())
    if stream.generation_id != contents.generation or not stream.resumes:
        contents = replace(contents, generation=stream.generation_id, points=())
    return contents


def load_entry(path: Path) -> Entry | None:
    try:
        raw = json.loads(path.read_bytes())
        staged = raw["staged"]
        return Entry(_contents(raw["live"]), None if staged is None else _contents(staged), raw["promoting"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as err:
        raise Failure(f"the journal {path} is damaged; remove it to keep the data as it is") from err


def _contents(raw: Mapping[str, Any]) -> Contents:
    return Contents(**{**raw, "points": tuple(Mark(*point) for point in raw["points"])})


def save_entry(path: Path, entry: Entry) -> None:
    """Replace the journal in one step; it is safe on disk when its folder is synced, too."""
    unfinished = path.with_name(path.name + ".tmp")
    with unfinished.open("w") as file:
        json.dump(asdict(entry), file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
