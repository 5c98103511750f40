"""All checks at once, each with its own time limit; what fails is a finding, and never ends the others."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import asyncpg
from temporalio.service import RPCError

from airbyte_workers.doctor.checks import CHECKS, Check
from airbyte_workers.doctor.findings import Finding, Skip, fault, skipped
from airbyte_workers.doctor.means import Means, opened
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.settings import Settings


async def examined(settings: Settings, checks: Sequence[Check] = CHECKS) -> Sequence[Finding]:
    """What every check has to say, in their order."""
    async with opened(settings) as means, asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(_looked(check, means)) for check in checks]
    return [finding for look in looks for finding in look.result()]


async def mended(settings: Settings, found: Sequence[Finding], checks: Sequence[Check] = CHECKS) -> Sequence[Finding]:
    """Mend what can be, one after the other, and look again. The first finding of a check says what was done."""
    broken = {each.check for each in found if each.fixable}
    done: dict[str, str] = {}
    async with opened(settings) as means:
        for check in checks:
            if check.name in broken and check.mend is not None:
                done[check.name] = await _mended(check, means)
    if not done:
        return found
    return [replace(each, done=done.pop(each.check, "")) for each in await examined(settings, checks)]


async def _looked(check: Check, means: Means) -> Sequence[Finding]:
    limit_s = means.settings.doctor_timeout_s
    found: Sequence[Finding]
    try:
        async with asyncio.timeout(limit_s):
            found = await check.look(means)
    except Skip as why:
        found = [skipped(str(why))]
    except TimeoutError:
        advice = "see whether it hangs; a slow one may be given more time: AIRBYTE_WORKERS_DOCTOR_TIMEOUT_S"
        found = [fault(f"no answer within {limit_s:g} s: {check.looks_at}", advice)]
    except Exception as error:
        found = [_failed(error)]
    return [replace(each, check=check.name) for each in found]


async def _mended(check: Check, means: Means) -> str:
    assert check.mend is not None
    try:
        async with asyncio.timeout(means.settings.doctor_mend_timeout_s):
            return await check.mend(means)
    except Skip as why:
        return f"nothing: {why}"
    except Exception as error:
        return f"nothing: {_failed(error).seen}"


def _failed(error: Exception) -> Finding:
    """Of an error that nobody has foreseen only the type is told: its text may hold anything."""
    if isinstance(error, RPCError):
        return fault(f"Temporal refused to tell: {error.message}", "this user needs the right to ask in the namespace")
    if isinstance(error, asyncpg.PostgresError):
        return fault(f"PostgreSQL refused to tell: {error}", "DATABASE_URL must name a user who owns the job database")
    if isinstance(error, EngineError):
        return fault(str(error), "see the engine's own log, and what stands between (a proxy of its socket)")
    told = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return fault(f"it could not be looked at: {told} ({place})", "if that is no fault of this host, it is one of ours")
