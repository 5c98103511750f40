"""What all tests share: tests that need a program say so loudly where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def _engine_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False).returncode == 0


def _browser_is_there() -> bool:
    return shutil.which("chromium") is not None


def _promtool_is_there() -> bool:
    return shutil.which("promtool") is not None


def _npm_is_there() -> bool:
    return shutil.which("npm") is not None


NEEDS = {
    "docker": (_engine_answers, "need a Docker engine and none answers", "no Docker engine answers"),
    "browser": (_browser_is_there, "need chromium and none is on PATH", "no chromium is on PATH"),
    "promtool": (_promtool_is_there, "need promtool and none is on PATH", "no promtool is on PATH"),
    "npm": (_npm_is_there, "need npm and none is on PATH", "no npm is on PATH"),
}
"""By marker: whether it is there, what is said of its tests in CI, and why they are skipped elsewhere."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without what they need, tests are skipped with one line; in CI that is a failure."""
    for marker, (is_there, in_ci, elsewhere) in NEEDS.items():
        wanting = [item for item in items if item.get_closest_marker(marker)]
        if not wanting or is_there():
            continue
        if os.environ.get("CI") == "true":
            raise pytest.UsageError(f"{len(wanting)} tests {in_ci}")
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason=elsewhere))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many commands of the documentation's pages were typed (tests/docs_commands)."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    calls = [report for report in reports if getattr(report, "when", "") == "call"]  # the teardown repeats what it told
    counts = [dict(report.user_properties).get("docs commands") for report in calls]
    if told := [count for count in counts if count is not None]:
        sums = {name.replace("_", " "): sum(count[name] for count in told) for name in told[0]}
        terminalreporter.write_line(f"commands of {len(told)} pages: {sums}")
