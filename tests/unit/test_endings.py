"""How long a pod may take to end in order."""

from __future__ import annotations

from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.settings import Settings


def test_an_orderly_end_lasts_as_long_as_all_its_steps_together() -> None:
    settings = Settings(
        shutdown_grace_period_s=1000, shutdown_term_period_s=100, exit_code_timeout_s=10, removal_timeout_s=1
    )
    source_stopped, destination_ended, pipes, last_commit = 2 * 100, 1000 + 2 * 100, 10, 1
    assert orderly_end_s(settings) == source_stopped + destination_ended + pipes + last_commit
