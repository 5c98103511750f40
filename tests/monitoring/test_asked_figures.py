"""Dashboards and alert rules ask for figures that there are, by labels that these have; no figure is left out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from airbyte_workers.telemetry.figures import DEFINITIONS
from tests.monitoring import expressions
from tests.monitoring.expressions import Expression

OF_BOARDS, OF_RULES = tuple(expressions.of_boards()), tuple(expressions.of_rules())
BY_EXPRESSION = pytest.mark.parametrize("asked", [*OF_BOARDS, *OF_RULES], ids=lambda asked: asked.where)
RECORDED = {asked.where for asked in OF_RULES if ":" in asked.where}
OURS = {
    name: set(each.labels)
    for each in DEFINITIONS
    for name in (f"{each.shown}_bucket" if each.form == "histogram" else each.shown,)
}
COUNTERS = {each.shown: bool(each.known) for each in DEFINITIONS if each.form == "counter"}
"""Whether it begins with 0."""
OF_THE_SDK = re.compile(r"temporal_\w+")
OF_THE_SERVER = {"service_requests", "service_errors", "persistence_latency_bucket"}
OF_PROMETHEUS = {"up", "ALERTS"}
OF_EVERY_SCRAPE = {"job", "instance"}
ELSEWHERE = {
    *("task_queue", "worker_type", "poller_type", "activity_type", "workflow_type", "operation", "service_name"),
    *("alertname", "alertstate", "severity"),
}
"""Labels of others' figures that have few values; connections, runs and workers are in none of them."""


@BY_EXPRESSION
def test_the_figures_are_there_and_have_the_labels_that_select_them(asked: Expression) -> None:
    assert asked.metrics
    for name, labels in asked.metrics.items():
        if name in OURS:
            assert labels <= OURS[name] | OF_EVERY_SCRAPE, name
            assert "job" in labels, f"{name} of other programs would be added to ours"
        elif name not in RECORDED:
            assert OF_THE_SDK.fullmatch(name) or name in OF_THE_SERVER | OF_PROMETHEUS, name
            assert labels <= ELSEWHERE | OF_EVERY_SCRAPE, name


@BY_EXPRESSION
def test_what_is_kept_apart_are_labels_with_few_values(asked: Expression) -> None:
    ours = set().union(*(OURS[name] for name in asked.metrics if name in OURS))
    of_others = ELSEWHERE if set(asked.metrics) - set(OURS) else set()
    assert asked.kept <= ours | of_others | OF_EVERY_SCRAPE | {"le"}


def test_legends_name_labels_that_lines_have() -> None:
    for name, board in expressions.boards().items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                asked = Expression(f"{name}: {panel['title']}", target["expr"])
                shown = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
                assert shown <= (asked.kept - {"le"} or OF_EVERY_SCRAPE), asked.where


def test_each_figure_that_there_is_is_on_a_dashboard() -> None:
    assert set(OURS) <= {name for asked in OF_BOARDS for name in asked.metrics}


@BY_EXPRESSION
def test_only_counters_that_begin_with_their_first_event_are_asked_how_old_their_process_is(asked: Expression) -> None:
    """Of others increase() and rate() see all; of these they miss what came first."""
    ours = {name for name in asked.metrics if name in COUNTERS}
    assert all(COUNTERS[name] for name in ours) or "process_began_secs" in asked.metrics
    assert not any(COUNTERS[name] for name in ours) or "process_began_secs" not in asked.metrics


@pytest.mark.promtool
def test_prometheus_understands_every_query_of_the_dashboards(tmp_path: Path) -> None:
    rules = [{"record": f"asked:{number}", "expr": asked.plain} for number, asked in enumerate(OF_BOARDS)]
    file = tmp_path / "asked.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    done = subprocess.run(("promtool", "check", "rules", str(file)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(OF_BOARDS)} rules found" in done.stdout
