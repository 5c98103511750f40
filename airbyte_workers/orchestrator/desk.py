"""What both programs of a pod write to: the job's log, markers, their own stderr. No secret leaves by any of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.jobs.failures import cut, of_platform
from airbyte_workers.models import AttemptSummary, ConnectorResult, Failure, FailureType, StreamValidation
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.dead_letters import DeadLetterLimits, DeadLetterWriter
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.orchestrator.joblog import LogLimits, LogWriter
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.redaction import Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.store.object_access import access_of
from airbyte_workers.store.objects import StorageError, open_objects

_MARKER_RETRY_S = 1.0
_log = logging.getLogger(__name__)
Given = ReplicationInput | ConnectorInput


@dataclass(frozen=True)
class Desk:
    """What both programs of a pod write to."""

    settings: Settings
    markers: Markers
    log: LogWriter
    dead_letters: DeadLetterWriter | None = None

    async def flush(self) -> None:
        """Bring to storage what is new of the log and of dead letters."""
        await self.log.flush()
        if self.dead_letters is not None:
            await self.dead_letters.flush()

    async def keep_log(self) -> None:
        """Bring the log to storage every `progress_interval_s`, until cancelled."""
        while True:
            await asyncio.sleep(self.settings.progress_interval_s)
            await self.log.flush()

    async def finish(self, result: AttemptSummary | ConnectorResult) -> int:
        """The last of the log and of dead letters, then the final marker: written until storage takes them, or the
        lease is over."""
        self.log.settle()
        marker = Marker.SUCCESS if result.status == "succeeded" else Marker.FAILURE
        body = _redacted(result, self.log.redact).model_dump_json().encode()
        if isinstance(result, AttemptSummary):
            failpoints.reached(Failpoint.FINAL_MARKER, Role.ORCHESTRATOR)
        async with asyncio.timeout(self.settings.lease_seconds):
            while True:
                await self.flush()
                try:
                    await self.markers.write(marker, body)
                except StorageError as error:
                    _log.warning("final marker cannot be written yet", extra={"why": error})
                    await asyncio.sleep(_MARKER_RETRY_S)
                else:
                    break
        failures = ", ".join(failure.type for failure in result.failures) or None
        _log.info("program ended", extra={"status": result.status, "failures": failures})
        return 0


def open_desk(given: Given, own: Redactor | None = None) -> Desk:
    """The desk of the program that was given this; `own` learns the secrets that its log learns."""
    settings = given.read_settings()
    objects = open_objects(settings)
    redact = Redactor(given.secrets, names=given.secret_names, pupil=own)
    log = LogWriter(objects, given.log_prefix, redact, LogLimits.of(settings))
    letters = None
    if isinstance(given, ReplicationInput) and given.checks.dead_letters:
        letters = DeadLetterWriter(objects, given.log_prefix, redact, DeadLetterLimits.of(settings))
    return Desk(settings, Markers(objects, given.pod), log, letters)


def own_redactor(given: Given) -> Redactor:
    """For what a program says of itself. Our own passwords are added here only: connectors never see them, and one that
    is an ordinary word would make their logs unreadable."""
    addresses = [str(given.settings.get("storage_url") or "")]
    if isinstance(given, ReplicationInput):
        addresses.append(given.database_url)
    own = [password for address in addresses for password in _passwords(address)]
    own.extend(access_of(given.read_settings()).secrets)
    return Redactor((*given.secrets, *own), names=given.secret_names)


def bug(program: str, errors: BaseExceptionGroup[Exception]) -> Failure:
    """The failure that an error of our own tells of: only its kind, its text can hold anything."""
    error = errors.exceptions[0]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return of_platform(
        FailureType.SYSTEM_ERROR, f"the {program} failed: {type(error).__name__} (its own log has the details)"
    )


def _passwords(address: str) -> Iterator[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))


def _redacted(result: AttemptSummary | ConnectorResult, redact: Redactor) -> AttemptSummary | ConnectorResult:
    """What is said in words, without secrets. The result itself is data that was asked for."""
    changes: dict[str, Any] = {"failures": tuple(_failure(failure, redact) for failure in result.failures)}
    if isinstance(result, AttemptSummary):
        changes["warnings"] = tuple(redact(warning) for warning in result.warnings)
        changes["validation"] = tuple(_found(each, redact) for each in result.validation)
    return result.model_copy(update=changes)


def _found(stream: StreamValidation, redact: Redactor) -> StreamValidation:
    changes = {
        "errors": tuple((redact(text), count) for text, count in stream.errors),
        "unexpected_fields": tuple((redact(name), count) for name, count in stream.unexpected_fields),
        "problem": redact(stream.problem),
    }
    return stream.model_copy(update=changes)


def _failure(failure: Failure, redact: Redactor) -> Failure:
    internal = failure.internal_message
    changes = {
        "message": cut(redact(failure.message, leg=failure.origin)),
        "internal_message": internal and cut(redact(internal, leg=failure.origin)),
        "stream": failure.stream and redact(failure.stream),  # any text, if a connector says so
        "namespace": failure.namespace and redact(failure.namespace),
    }
    return failure.model_copy(update=changes)
