"""A job's log as people ask for it: which attempt, which lines, once or as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import asyncpg
from pydantic import Field

from airbyte_workers.models import Typed
from airbyte_workers.runs import ClientError, InvalidInput, UnknownJob
from airbyte_workers.settings import Settings
from airbyte_workers.store import job_facts
from airbyte_workers.store.database import is_away
from airbyte_workers.store.job_facts import Standing
from airbyte_workers.store.log_lines import LEVELS, Level, LogLine, read_line
from airbyte_workers.store.log_objects import LogObject, job_folder
from airbyte_workers.store.log_reading import LogReader
from airbyte_workers.store.objects import StorageError, open_objects

MOST_LAST = 100_000
"""Lines of the end of a log that can be asked for: they are in memory at once."""


class NoLog(ClientError):
    """The log is not there: nothing was written, or it was removed."""


class LogRequest(Typed):
    """Which lines of a job's log: of the last attempt unless said, all unless said.

    `stream`: its name, or its namespace, a dot and its name. `level`: that and worse ones. `last`: so many at its end.
    """

    job_id: int
    attempt: Annotated[int, Field(ge=1)] | None = None
    stream: str | None = None
    level: Level | None = None
    last: Annotated[int, Field(ge=0, le=MOST_LAST)] | None = None

    def wants(self, line: bytes) -> bool:
        """Whether a stored line is one of them."""
        if self.stream is None and self.level is None:
            return True
        read = read_line(line)
        return (self.stream is None or self.stream in _names(read)) and self._is_loud_enough(read)

    def _is_loud_enough(self, line: LogLine) -> bool:
        return self.level is None or LEVELS.get(line.level, LEVELS[Level.INFO]) <= LEVELS[self.level]


@dataclass(frozen=True)
class Piece:
    """Some lines as they are stored, and how many were looked at for them; `attempt` counts from 1."""

    attempt: int
    lines: Sequence[bytes]
    looked_at: int = 0


def no_attempt(job_id: int, attempt: int, *, had: int) -> str:
    """Why an attempt cannot be shown."""
    attempts = f"{had} attempt" + ("s" if had != 1 else "")
    return f"job {job_id} has had {attempts}: there is no attempt {attempt}"


class RequestedLog:
    """The log that is asked for. Raises UnknownJob, InvalidInput and NoLog where it is read."""

    def __init__(
        self, db: asyncpg.Pool, settings: Settings, request: LogRequest, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """`tell` is given what a person who follows must know: whoever does not answer is waited for."""
        self._db = db
        self._objects = open_objects(settings)
        self._every_s = settings.progress_interval_s
        self._request = request
        self._tell = tell
        self._trouble = ""

    async def standing(self) -> Standing:
        """Where the job is, and so which of its attempts there are. Raises UnknownJob, InvalidInput."""
        request = self._request
        try:
            job = await job_facts.standing(self._db, request.job_id)
        except LookupError as error:
            raise UnknownJob(str(error)) from None
        if request.attempt is not None and request.attempt > job.attempts:
            raise InvalidInput(no_attempt(request.job_id, request.attempt, had=job.attempts))
        return job

    async def read(self) -> AsyncIterator[Piece]:
        """What is there now. Raises NoLog where nothing is, and nothing will be; StorageError."""
        job = await self.standing()
        number = self._first(job)
        reader = self._reader(number)
        async for piece in self._pieces(reader, number):
            yield piece
        if not reader.found and _is_over(job, number):
            raise NoLog(self._why_gone(job))

    async def follow(self) -> AsyncIterator[Piece]:
        """The same, then what comes until the job or the attempt that was asked for has ended. Raises as `read`."""
        job = await self.standing()
        number, begun, found = self._first(job), False, False
        reader = self._reader(number)
        while True:
            try:
                async for piece in self._pieces(reader, number, begun=begun):
                    begun = True
                    yield piece
            except StorageError as error:
                if not begun:
                    raise
                await self._wait_for(error)
                continue
            begun, found, self._trouble = True, found or reader.found, ""
            if not _is_over(job, number):
                await asyncio.sleep(self._every_s)
            elif self._is_last(job, number):
                break
            else:
                number, reader = number + 1, self._reader(number + 1)
            job = await self._standing_again()
        if not found:
            raise NoLog(self._why_gone(job))

    # --- small print ---

    def _first(self, job: Standing) -> int:
        """The attempt that is read first; before the first attempt there is what was asked for it."""
        return self._request.attempt or max(1, job.attempts)

    def _is_last(self, job: Standing, number: int) -> bool:
        """Whether no other attempt is to be read after this one."""
        return self._request.attempt is not None or (job.has_ended and number >= job.attempts)

    def _reader(self, number: int) -> LogReader:
        """What was asked before the first attempt belongs to its log."""

        def is_of(each: LogObject) -> bool:
            return each.attempt == number - 1 or (each.attempt is None and number == 1)

        return LogReader(self._objects, job_folder(self._request.job_id), is_of)

    async def _pieces(self, reader: LogReader, number: int, *, begun: bool = False) -> AsyncIterator[Piece]:
        request = self._request
        if request.last is not None and not begun:
            lines = await reader.last(request.last, request.wants)
            yield Piece(number, lines, reader.lines)
            return
        async for lines in reader.new():
            yield Piece(number, [line for line in lines if request.wants(line)], len(lines))

    async def _standing_again(self) -> Standing:
        while True:
            try:
                return await self.standing()
            except Exception as error:
                if not is_away(error):
                    raise
                await self._wait_for(error)

    async def _wait_for(self, error: Exception) -> None:
        trouble = str(error) or type(error).__name__
        if trouble != self._trouble:
            self._tell(f"waiting: {trouble}")
        self._trouble = trouble
        await asyncio.sleep(self._every_s)

    def _why_gone(self, job: Standing) -> str:
        attempt = f"attempt {self._request.attempt} of " if self._request.attempt is not None else ""
        whose = f"the log of {attempt}job {job.job_id}"
        if job.log_removed_at is not None:
            return f"{whose} was removed by gc to make room, on {job.log_removed_at.astimezone():%Y-%m-%d at %H:%M}"
        return (
            f"{whose} is not in {self._objects.address}: none of its pods wrote one, it was removed,"
            " or STORAGE_URL is not that of the Temporal workers"
        )


def _is_over(job: Standing, number: int) -> bool:
    """Whether nothing more is written to the attempt's log: the end of an attempt is told there before the next."""
    return job.has_ended or number < job.attempts


def _names(line: LogLine) -> tuple[str | None, ...]:
    return (line.stream, f"{line.namespace}.{line.stream}") if line.namespace else (line.stream,)
