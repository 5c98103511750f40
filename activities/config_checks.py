"""Configs against what connectors say they can be configured with, before anything runs with them."""

from __future__ import annotations

import asyncio

from activities.answers import Answers
from activities.means import Means
from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY, cut, of_platform
from airbyte_workers.models import Failure, FailureType
from airbyte_workers.names import JobKind, Role
from airbyte_workers.protocol.config_secrets import UNTOLD
from airbyte_workers.protocol.configs import UnusableSpec, config_problems, secret_names
from airbyte_workers.store import jobs
from airbyte_workers.store.jobs import Job


class ConfigChecks:
    """Checks a job's configs, and learns from the specs which of their values are secret."""

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._answers = Answers(means)

    async def failure(self, job: Job) -> Failure | None:
        """Why the job cannot run with its configs. A spec that is not known, or unusable, checks nothing: noted."""
        if job.kind is JobKind.SPEC:
            return None
        problems: list[str] = []
        names: set[str] = set()
        for role, connector in job.connectors.items():
            spec = await self._answers.spec(job, role)
            schema = (spec or {}).get("connectionSpecification")
            place = "config" if role is Role.MAIN else f"{role}.config"
            if spec is None or not isinstance(schema, dict):
                names.add(UNTOLD)
                await self._unchecked(job, place, f"{connector.name} did not tell its spec")
                continue
            await self._answers.keep_spec(connector, spec)
            names |= secret_names(schema)
            try:
                problems += await asyncio.to_thread(config_problems, schema, connector.config, place)
            except UnusableSpec as error:
                await self._unchecked(job, place, str(error))
        await jobs.set_secret_names(self._db, job.id, names)
        return _failure(problems) if problems else None

    async def _unchecked(self, job: Job, place: str, reason: str) -> None:
        await jobs.note(self._db, job.id, f"{place} not checked", reason=reason)


def _failure(problems: list[str]) -> Failure:
    message = cut("the config does not fit the connector's spec: " + "; ".join(problems), MAX_MESSAGE_IN_HISTORY)
    return of_platform(FailureType.CONFIG_ERROR, message)
