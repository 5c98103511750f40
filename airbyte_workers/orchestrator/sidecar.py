"""The sidecar of a connector pod: reads what `spec`, `check` or `discover` says and ends with its result in a marker.

Logs may come before the result, and a result wins over the exit code (airbyte-behaviour.md section 8).
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from airbyte_workers.jobs.failures import from_trace, memory_exhausted, ordered
from airbyte_workers.models import ConnectorResult, Failure, FailureOrigin, FailureType
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.orchestrator.joblog import LogWriter
from airbyte_workers.orchestrator.leg import Exit, Leg, Patience
from airbyte_workers.orchestrator.pipes import blocks
from airbyte_workers.replication.core import read_trace
from airbyte_workers.replication.decoding import lines_of, sniff_line
from airbyte_workers.replication.lines import LineTooLong
from airbyte_workers.settings import Settings

_RESULTS = {
    "spec": ("SPEC", "spec"),
    "check": ("CONNECTION_STATUS", "connectionStatus"),
    "discover": ("CATALOG", "catalog"),
}


class Sidecar:
    """Reads one connector to its end."""

    def __init__(self, given: ConnectorInput, settings: Settings, leg: Leg, log: LogWriter) -> None:
        self._given = given
        self._settings = settings
        self._leg = leg
        self._log = log
        self._origin = FailureOrigin(given.origin)
        self._type, self._body = _RESULTS[given.operation]
        self._result: Any = None
        self._failures: list[Failure] = []
        self._patience = Patience(
            grace=settings.shutdown_grace_period_s,
            term=settings.shutdown_term_period_s,
            exit_code=settings.exit_code_timeout_s,
        )

    def cancel(self) -> None:
        """End the connector now."""
        self._failures.append(self._failure(FailureType.MANUAL_CANCELLATION, "the job was cancelled"))
        self._leg.out.interrupt()

    async def run(self) -> ConnectorResult:
        """The connector's result, or why there is none."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._leg.watch())
            talking = tasks.create_task(self._leg.read_stderr(self._log))
            if await self._leg.opened(self._settings.connector_start_timeout_s):
                await self._read()
            else:
                self._failures.append(self._failure(FailureType.NEVER_OPENED, "the connector did not start in time"))
            ended = await self._end()
            watching.cancel()
            self._leg.err.writer_gone()
            await talking
        return self._judge(ended)

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

    async def _end(self) -> Exit:
        if self._leg.out.interrupted:
            return await self._leg.stopped(self._patience)
        return await self._leg.ended(self._patience)

    def _line(self, line: bytes) -> None:
        sniffed = sniff_line(line)
        kind = sniffed.type if sniffed is not None else None
        if kind == self._type and self._result is None:
            self._result = msgspec.json.decode(line).get(self._body)
        elif kind == "TRACE":
            self._trace(line)
        elif kind == "LOG":
            log = msgspec.json.decode(line).get("log") or {}
            self._log(self._origin, str(log.get("level", "INFO")), str(log.get("message", "")))
        elif kind is None and (text := line.decode(errors="replace").strip()):
            self._log(self._origin, "INFO", text)

    def _trace(self, line: bytes) -> None:
        trace = read_trace(line)
        if trace is None or trace.error is None:
            return
        error = trace.error
        self._failures.append(from_trace(self._origin, error.message, error.failure_type, error.internal_message))
        self._log(self._origin, "ERROR", error.message)

    def _judge(self, ended: Exit) -> ConnectorResult:
        if isinstance(self._result, dict):
            return ConnectorResult(status="succeeded", result=self._result, exit_code=ended.code)
        if ended.code and ended.out_of_memory is not None:
            message = memory_exhausted(self._origin, ended.code, ended.out_of_memory)
            self._failures.append(Failure(origin=self._origin, type=FailureType.OUT_OF_MEMORY, message=message))
        if not self._failures:
            self._failures.append(self._failure(FailureType.SYSTEM_ERROR, self._silence(ended)))
        return ConnectorResult(status="failed", failures=ordered(self._failures), exit_code=ended.code)

    def _silence(self, ended: Exit) -> str:
        operation = self._given.operation
        if ended.code == 0:
            return f"{operation} exited successfully without an output"
        if ended.code is None:
            return f"{operation} ended without an output, and nobody knows its exit code"
        return f"{operation} exited with code {ended.code} without an output"

    def _failure(self, kind: FailureType, message: str) -> Failure:
        return Failure(origin=self._origin, type=kind, message=f"{self._origin}: {message}")
