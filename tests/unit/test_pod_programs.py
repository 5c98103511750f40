"""The programs of a pod have nothing to do with Temporal: it may be away for as long as it likes."""

from __future__ import annotations

import subprocess
import sys

NOT_NEEDED = ("temporalio", "docker", "workflows", "activities", "airbyte_workers.pods", "airbyte_workers.runtime")


def test_a_pods_own_program_loads_nothing_of_temporal_or_of_what_started_it() -> None:
    look = f"import airbyte_workers.orchestrator.__main__, sys; print([*filter(sys.modules.get, {NOT_NEEDED})])"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"


def test_a_pods_program_starts_without_what_hardly_any_pod_needs() -> None:
    """Each sync starts several: what a new config, a mapper or a spec needs is loaded when one comes."""
    look = "import sys, airbyte_workers.orchestrator.__main__; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert "asyncpg" in loaded
    assert {"cryptography", "jsonschema", "structlog", "temporalio", "docker", "click"}.isdisjoint(loaded)
