"""Where a job's log is in object storage, and in which order its objects belong.

logs/7/0/000000.jsonl                   the first attempt's pod: JSON lines, in numbered objects
logs/7/0/000025-dropped.jsonl           stands where objects were removed because the log was too long
logs/7/0/last.jsonl                     what followed the attempt
logs/7/0/dead-letters/000000.jsonl      no part of the log: records that did not fit, where people want them
logs/7/0/0-0-check-source/000000.jsonl  what was asked before the attempt
logs/7/discover/000000.jsonl            what the job is, or what was asked before its first attempt
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from airbyte_workers.jobs import checks
from airbyte_workers.models import AttemptRef
from airbyte_workers.names import JobKind
from airbyte_workers.store.objects import LOGS

_SUFFIX = ".jsonl"
_DROPPED = "-dropped"
_LAST = "last"
_DEAD_LETTERS = "dead-letters"
_ASKED = (JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER)
_BEFORE_ATTEMPT, _ATTEMPT = len(_ASKED), len(_ASKED) + 1


def job_folder(job_id: int) -> str:
    """Where everything of a job's log is."""
    return f"{LOGS}/{job_id}"


def attempt_folder(job_id: int, attempt: int) -> str:
    """Where an attempt's log is; `attempt` counts from 0."""
    return f"{job_folder(job_id)}/{attempt}"


def asked_folder(ref: AttemptRef) -> str:
    """Where the log of a spec, check or discover is; that of a check before an attempt comes first in the attempt's."""
    if ref.kind is JobKind.CHECK and ref.of is not None:
        place = checks.ORDER.index(ref.of)
        return f"{attempt_folder(ref.job_id, ref.attempt)}/0-{place}-check-{ref.of}"
    return f"{job_folder(ref.job_id)}/{ref.kind}" + (f"-{ref.of}" if ref.of is not None else "")


def chunk_key(folder: str, number: int) -> str:
    """The key of a numbered object."""
    return f"{folder}/{number:06d}{_SUFFIX}"


def gap_key(folder: str, number: int) -> str:
    """The key of what stands in place of removed objects, the first of which had this number."""
    return f"{folder}/{number:06d}{_DROPPED}{_SUFFIX}"


def last_key(folder: str) -> str:
    """The key of what is written after everything else."""
    return f"{folder}/{_LAST}{_SUFFIX}"


def dead_letter_folder(attempt_folder: str) -> str:
    """Where the dead letters of an attempt are."""
    return f"{attempt_folder}/{_DEAD_LETTERS}"


def dead_letter_key(attempt_folder: str, number: int) -> str:
    """The key of a numbered object of dead letters."""
    return chunk_key(dead_letter_folder(attempt_folder), number)


@dataclass(frozen=True)
class LogObject:
    """One object of a job's log."""

    key: str
    size: int

    @cached_property
    def folder(self) -> str:
        return self.key.rpartition("/")[0]

    @property
    def is_gap(self) -> bool:
        return self._name.endswith(_DROPPED)

    @property
    def is_last(self) -> bool:
        return self._name == _LAST

    @property
    def is_dead_letters(self) -> bool:
        """Whether it is none of the log's own objects."""
        return self.folder.endswith(f"/{_DEAD_LETTERS}")

    @cached_property
    def number(self) -> int:
        """Its place among those of its folder that are numbered; -1 for one that is not."""
        digits = self._name.removesuffix(_DROPPED)
        return int(digits) if digits.isdecimal() else -1

    @property
    def attempt(self) -> int | None:
        """The attempt it belongs to, counted from 0; None: it came before the first."""
        top = self._below_job[0]
        return int(top) if top.isdecimal() else None

    @property
    def place(self) -> tuple[int, str, bool, int, bool]:
        """Sorts objects into the order in which their lines are read."""
        return self._rank, self.folder, self.is_last, self.number, not self.is_gap

    @property
    def _rank(self) -> int:
        top, *more = self._below_job
        if top.isdecimal():
            return _BEFORE_ATTEMPT if len(more) > 1 else _ATTEMPT
        kind = top.partition("-")[0]
        return _ASKED.index(JobKind(kind)) if kind in _ASKED else _BEFORE_ATTEMPT

    @property
    def _below_job(self) -> list[str]:
        return self.key.split("/")[2:]

    @cached_property
    def _name(self) -> str:
        return self.key.rpartition("/")[2].removesuffix(_SUFFIX)
