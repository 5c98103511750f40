"""The sidecar of a connector pod: reads what `spec`, `check` or `discover` says and ends with its result in a marker.

The first answer is the result whatever else the connector says and however it ends. Without one it is a failure: that
of its first ERROR trace, else what its exit code tells (airbyte-behaviour.md section 8).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from airbyte_workers.jobs.endings import EndPeriods
from airbyte_workers.jobs.failures import cut, memory_exhausted, ordered
from airbyte_workers.models import ConnectorResult, Failure, FailureOrigin, FailureType
from airbyte_workers.orchestrator.answer_shapes import ANSWERS, Shape, read_answer
from airbyte_workers.orchestrator.desk import Desk
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.orchestrator.leg import ConnectorExit, Leg
from airbyte_workers.orchestrator.pipes import blocks
from airbyte_workers.protocol.messages import MESSAGE_TYPES, MessageType, Trace
from airbyte_workers.replication.decoding import lines_of, sniff_line
from airbyte_workers.replication.lines import LineTooLong
from airbyte_workers.replication.traces import failure_of, read_trace
from airbyte_workers.replication.words import LOGGED, not_a_message, said
from airbyte_workers.store import connector_configs


class Sidecar:
    """Reads one connector to its end."""

    def __init__(self, given: ConnectorInput, desk: Desk, leg: Leg) -> None:
        self._given = given
        self._settings = desk.settings
        self._leg = leg
        self.log = desk.log
        self._origin = FailureOrigin(given.origin)
        self._answers = ANSWERS[given.operation]
        self._configs = given.new_configs(desk.settings)
        self._result: dict[str, Any] | None = None
        self._traced: Failure | None = None
        self._failures: list[Failure] = []
        self._periods = EndPeriods.of(desk.settings)

    def cancel(self) -> None:
        """End the connector now."""
        self._failures.append(self._failure(FailureType.MANUAL_CANCELLATION, "the job was cancelled"))
        self._leg.out.interrupt()

    async def run(self) -> ConnectorResult:
        """The connector's result, or why there is none."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._leg.watch())
            talking = tasks.create_task(self._leg.read_stderr(self._say, longest=self.log.reads))
            limit = self._settings.connector_start_timeout_s
            if await self._leg.opened(limit):
                await self._read()
            else:
                self._failures.append(self._failure(FailureType.NEVER_OPENED, f"did not start within {limit:g} s"))
            ended = await self._end()
            watching.cancel()
            await self._quiet(talking)
        return self._judge(ended).model_copy(update={"new_config": self._new_config()})

    async def _read(self) -> None:
        try:
            async for block in blocks(
                self._leg.out, size=self._settings.block_bytes, max_line_bytes=self._settings.max_message_bytes
            ):
                for line in lines_of(block):
                    self._line(line)
        except LineTooLong as error:
            message = f"a message of more than {error.size:,} bytes; MAX_MESSAGE_BYTES is the limit"
            self._failures.append(self._failure(FailureType.MESSAGE_TOO_LONG, message))
            self._leg.out.interrupt()

    async def _end(self) -> ConnectorExit:
        if self._leg.out.interrupted:
            return await self._leg.stopped(self._periods)
        return await self._leg.ended(self._periods)

    async def _quiet(self, talking: asyncio.Task[None]) -> None:
        """Read what is left of its stderr, but wait for no leftover that holds it open."""
        self._leg.err.writer_gone()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._periods.exit_code):
                await asyncio.wait([talking])
        self._leg.err.interrupt()

    def _say(self, _: str, level: str, text: str) -> None:
        """What comes over its stderr is said by the source or the destination that it is."""
        self.log(self._origin, level, text)

    # --- what it says ---

    def _line(self, line: bytes) -> None:
        sniffed = sniff_line(line)
        kind = sniffed.type if sniffed is not None else ""
        if kind in self._answers:
            self._answer(line, self._answers[kind])
        elif kind == MessageType.TRACE:
            self._trace(line)
        elif kind == MessageType.CONTROL and self._given.operation != "spec":
            self._configs.read(self.log, self._origin, line)
        elif kind in LOGGED:
            LOGGED[kind](self, self._origin, line)
        elif kind not in MESSAGE_TYPES:
            not_a_message(self, self._origin, line)

    def _answer(self, line: bytes, shape: Shape) -> None:
        if self._result is not None:
            return
        self._result = read_answer(line, shape)
        if self._result is None:
            text = line.decode(errors="replace").strip()
            self.log(self._origin, "WARN", f"skipped an answer without a valid {shape.body}.{shape.member}: {text}")

    def _trace(self, line: bytes) -> None:
        trace = read_trace(line)
        if trace is None:
            not_a_message(self, self._origin, line)
        elif trace.type == "ERROR":
            self._error(trace)

    def _error(self, trace: Trace) -> None:
        """The first one is why it failed; later ones follow from it."""
        failure = failure_of(self._origin, trace, self.log.redact, self._given.operation)
        self.log(self._origin, "ERROR", said(failure.message, trace.error.stack_trace if trace.error else None))
        if self._traced is None:
            self._traced = failure
            self._failures.append(failure)

    # --- the end ---

    def _judge(self, ended: ConnectorExit) -> ConnectorResult:
        if self._result is not None:
            return ConnectorResult(status="succeeded", result=self._told(self._result), exit_code=ended.code)
        if ended.code and ended.out_of_memory is not None:
            message = memory_exhausted(self._origin, ended.code, ended.out_of_memory)
            self._failures.append(self._told_of(FailureType.OUT_OF_MEMORY, message))
        if not self._failures:
            kind = FailureType.NO_RESULT if ended.code == 0 else FailureType.SYSTEM_ERROR
            self._failures.append(self._failure(kind, self._silence(ended)))
        return ConnectorResult(status="failed", failures=ordered(self._failures), exit_code=ended.code)

    def _new_config(self) -> str | None:
        """The newest config that the connector sent; of one that belongs to no connection people are told."""
        sent = f"the {self._origin} sent a new config (token refresh)"
        for new in self._configs.take():
            if new.launched.public_key:
                self.log(self._origin, "INFO", f"{sent}: stored, used from the next launch")
                return connector_configs.in_words(new)
            self.log(self._origin, "WARN", f"{sent}: it is of no connection, so it is not stored")
        return None

    def _told(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result as it goes out: what a check says is words, which may hold a secret; the rest is data."""
        if self._given.operation != "check":
            return result
        told = {"status": result["status"]}
        if isinstance(message := result.get("message"), str):
            told["message"] = cut(self.log.redact(message, leg=self._origin))
        return told

    def _silence(self, ended: ConnectorExit) -> str:
        operation = self._given.operation
        if ended.code == 0:
            return f"{operation} exited successfully without an output"
        if ended.code is None:
            return f"{operation} ended without an output, and nobody knows its exit code"
        return f"{operation} exited with code {ended.code} without an output"

    def _failure(self, kind: FailureType, message: str) -> Failure:
        return self._told_of(kind, f"{self._origin}: {message}")

    def _told_of(self, kind: FailureType, message: str) -> Failure:
        return Failure(origin=self._origin, type=kind, message=message, command=self._given.operation)
