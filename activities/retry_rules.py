"""The retry rules of one job, from the settings and from what its input says."""

from __future__ import annotations

from airbyte_workers.jobs.retries import SETTING_PREFIX
from airbyte_workers.models import RetryLimits, RetryRules, SyncInput
from airbyte_workers.settings import Settings

_MAX_RETRIES = "max_retries"


def retry_rules(settings: Settings, asked: SyncInput) -> RetryRules:
    """The rules of one job: the stack's limits, in their place the connection's own, and what this run asks for."""
    names = RetryLimits.model_fields.keys() - {_MAX_RETRIES}
    stack = {name: getattr(settings, f"{SETTING_PREFIX}{name}".lower()) for name in names}
    own = asked.retries.model_dump(exclude_none=True) if asked.retries is not None else {}
    of_run = {_MAX_RETRIES: asked.max_retries} if asked.max_retries is not None else {}
    own_names = tuple(sorted(own.keys() - of_run.keys()))
    quota = {"rate_limit_max_wait_s": settings.rate_limit_max_wait_s}
    return RetryRules.model_validate(stack | own | of_run | quota | {"own": own_names})
