"""Spec, check and discover: from what a connector said to the result that people read (airbyte-behaviour.md 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from activities.answers import Answers
from activities.means import Means
from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY, cut, for_history, of_platform
from airbyte_workers.models import (
    SAID_BY_CONNECTOR,
    CheckResult,
    CloseOperation,
    DiscoverResult,
    FailureOrigin,
    FailureType,
    JobStatus,
    OperationEnd,
    SpecResult,
)
from airbyte_workers.names import JobKind, Role
from airbyte_workers.protocol.catalog import InvalidCatalog, read_catalog
from airbyte_workers.store import jobs
from airbyte_workers.store.jobs import Job


class Operations:
    """Ends of spec, check and discover jobs."""

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._settings = means.settings
        self._answers = Answers(means)

    async def end(self, job: Job, request: CloseOperation) -> OperationEnd:
        """How the job ended; asked again, the same."""
        if request.outcome.status == "cancelled":
            return OperationEnd(status=JobStatus.CANCELLED)
        told = None if request.outcome.refused else await self._answers.result(request.ref)
        if told is None or told.result is None:
            return _without_result(job.kind, request)
        if job.kind is JobKind.CHECK:
            return OperationEnd(status=JobStatus.SUCCEEDED, check=read_check(told.result))
        connector = job.connectors[Role.MAIN]
        if job.kind is JobKind.DISCOVER:
            return await self._discovered(job, told.result)
        size = len(msgspec.json.encode(told.result))
        if size > self._settings.max_spec_bytes:
            return _failed(f"{connector.name} has a spec of {size:,} bytes; MAX_SPEC_BYTES is the limit")
        await self._answers.keep_spec(connector, told.result)
        return OperationEnd(status=JobStatus.SUCCEEDED, spec=SpecResult(image=connector.name, spec=told.result))

    async def _discovered(self, job: Job, said: Mapping[str, Any]) -> OperationEnd:
        body = msgspec.json.encode(said)
        try:
            if "streams" in said:  # else it is a destination's
                read_catalog(body)
        except InvalidCatalog as error:
            return _failed(f"{job.connectors[Role.MAIN].name} answered with something that is no catalog: {error}")
        catalog_id = job.catalog_id
        if catalog_id is None:
            catalog_id = await self._answers.keep_catalog(job.connectors[Role.MAIN], body)
            await jobs.set_discovered(self._db, job.id, catalog_id)
        listed = said.get("streams", said.get("operations", []))
        small = len(body) <= self._settings.inline_catalog_bytes
        found = DiscoverResult(catalog_id=catalog_id, streams=len(listed), catalog=dict(said) if small else None)
        return OperationEnd(status=JobStatus.SUCCEEDED, discover=found)


def read_check(said: Mapping[str, Any]) -> CheckResult:
    """What a connector answered to `check`."""
    message = str(said.get("message") or "")
    good = str(said.get("status")).upper() == "SUCCEEDED"
    return CheckResult(status="succeeded" if good else "failed", message=cut(message, MAX_MESSAGE_IN_HISTORY))


def _without_result(kind: JobKind, request: CloseOperation) -> OperationEnd:
    """A connector that answers a check with an error has answered; anything else has not."""
    failures = for_history(request.outcome.failures)
    if not failures:
        return _failed("what the connector answered is not in object storage any more")
    first = failures[0]
    by_connector = first.origin in (FailureOrigin.SOURCE, FailureOrigin.DESTINATION)
    if kind is JobKind.CHECK and not request.outcome.refused and by_connector and first.type in SAID_BY_CONNECTOR:
        check = CheckResult(status="failed", message=first.message)
        return OperationEnd(status=JobStatus.SUCCEEDED, check=check, failures=failures)
    return OperationEnd(status=JobStatus.FAILED, failures=failures)


def _failed(message: str) -> OperationEnd:
    failure = of_platform(FailureType.SYSTEM_ERROR, message)
    return OperationEnd(status=JobStatus.FAILED, failures=(failure,))
