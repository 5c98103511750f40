"""Alert rules, asked of Prometheus' own promtool: each fires when it should, and barely does not otherwise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.alert_cases import CASES, PASTS, WORKER, Case, Past, Series

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "compose" / "alerts" / "airbyte-workers.yml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
PAGE = ROOT / "docs" / "how-to" / "monitor.md"
ROW = re.compile(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \|", re.MULTILINE)
BY_ALERT = pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)


def promtool(*words: str) -> str:
    done = subprocess.run(("promtool", *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def assert_firing(folder: Path, case: Case, given: Series, expected: list[Mapping[str, str]]) -> None:
    """These alerts fire after `case.at` minutes and no others."""
    assert_fired(folder, Past(given, {case.at: expected}))


def assert_fired(folder: Path, past: Past) -> None:
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in {**WORKER, **past.given}.items()],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{alertstate="firing"}',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": _notation("ALERTS", labels), "value": 1} for labels in expected],
            }
            for minute, expected in past.fires.items()
        ],
    }
    names = [group["name"] for group in GROUPS]
    tests = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "group_eval_order": names, "tests": [test]}
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump(tests))
    promtool("test", "rules", str(file))


def _notation(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ", ".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


@pytest.mark.promtool
@BY_ALERT
def test_an_alert_fires_alone(case: Case, tmp_path: Path) -> None:
    own = {"alertname": case.alert, "alertstate": "firing", "severity": case.severity, **case.labels}
    assert_firing(tmp_path, case, case.fires, [own])


@pytest.mark.promtool
@BY_ALERT
def test_an_alert_stays_quiet_when_it_is_nearly_so(case: Case, tmp_path: Path) -> None:
    assert_firing(tmp_path, case, case.quiet, [])


@pytest.mark.promtool
@pytest.mark.parametrize("past", PASTS.values(), ids=PASTS)
def test_what_was_counted_before_is_not_taken_for_new_and_what_is_new_is_not_missed(past: Past, tmp_path: Path) -> None:
    assert_fired(tmp_path, past)


@pytest.mark.promtool
def test_prometheus_reads_the_rules_and_its_config() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    promtool("check", "config", "--syntax-only", str(RULES.parents[1] / "prometheus.yml"))


def test_each_alert_is_tried_out() -> None:
    assert [case.alert for case in CASES] == list(ALERTS)


@BY_ALERT
def test_what_an_alert_says_names_only_labels_that_it_has(case: Case) -> None:
    """Others would be shown as nothing."""
    said = " ".join(ALERTS[case.alert]["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= {*case.labels, "severity"}


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert set(rule["labels"]) == {"severity"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}, name
        assert rule["annotations"]["runbook"] == f"docs/how-to/monitor.md#{name.lower()}"


def test_the_page_has_each_alert_in_its_table_and_a_section() -> None:
    text = PAGE.read_text(encoding="utf-8")
    expected = [(name, name.lower(), rule["labels"]["severity"]) for name, rule in ALERTS.items()]
    assert ROW.findall(text) == expected
    assert re.findall(r"^### (Airbyte\w+)$", text, re.MULTILINE) == list(ALERTS)
