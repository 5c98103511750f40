"""What dashboards count, asked of promtool: each event once, also a first one; nothing because scrapes failed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from deploy.dashboards.queries import BEGAN, OURS, Window, events, first_events

SERIES = f'connector_exit_code_total{{{OURS}, instance="a", role="source", exit_code="1"}}'
PROCESS = BEGAN.replace("}", ', instance="a"}')
FOUR_MINUTES = Window("4m", "240")
LONG_AGO = "-9999999x60"
Counting = Callable[[str, str, Window], str]
Expected = Mapping[int, float | None]
Pasts = Mapping[str, tuple[Mapping[str, str], Expected]]

BEGIN_WITH_AN_EVENT: Pasts = {
    "one scrape fails": ({PROCESS: "-9x9 stale -9x50", SERIES: "50x9 stale 50x50"}, {9: 0, 12: 0, 13: 0, 14: 0, 15: 0}),
    "scrapes fail for an hour": (
        {PROCESS: "-9x4 stale _x60 -9x9", SERIES: "50x4 stale _x60 50x9"},
        {4: 0, 30: None, 68: 0, 70: 0, 75: 0},
    ),
    "Prometheus begins late": ({PROCESS: LONG_AGO, SERIES: "50x60"}, {1: 0, 3: 0, 4: 0, 9: 0}),
    "a first event": ({PROCESS: LONG_AGO, SERIES: "_x20 1x40"}, {20: 1, 23: 1, 24: 0, 40: 0}),
    "first events of a process that is new": (
        {PROCESS: "_x20 1200x40", SERIES: "_x20 2x40"},
        {20: 2, 23: 2, 24: 0, 40: 0},
    ),
    "a process that is as far as the one before it": (
        {PROCESS: f"-9x20 {21 * 60}x40", SERIES: "1x19 stale 1x40"},
        {19: 0, 21: 1, 24: 1, 26: 0},
    ),
    "a process that is not as far": (
        {PROCESS: f"-9x20 {21 * 60}x40", SERIES: "1x18 6x1 1x40"},
        {17: 0, 20: 6.67, 21: 8, 24: 1, 26: 0},
    ),
}
BEGIN_WITH_0: Pasts = {
    "one scrape fails": ({SERIES: "50x9 stale 50x50"}, {9: 0, 12: 0, 13: 0, 14: 0, 15: 0}),
    "Prometheus begins late": ({SERIES: "50x60"}, {1: 0, 3: 0, 4: 0, 9: 0}),
    "a first event": ({SERIES: "0x19 1x40"}, {19: 0, 20: 1.17, 30: 0}),
}


def assert_counted(folder: Path, counting: Counting, series: Mapping[str, str], expected: Expected) -> None:
    """`expected`: half a minute after each; None where there is no figure at all.

    increase() stretches what four scrapes tell of three minutes to the four that are asked for (5 become 6.67), but
    not to a time at which the counter would be less than 0.
    """
    asked = f"round({counting('role', SERIES, FOUR_MINUTES)}, 0.01)"
    tests = [
        {
            "expr": asked,
            "eval_time": f"{minute}m30s",
            "exp_samples": [] if value is None else [{"labels": '{role="source"}', "value": value}],
        }
        for minute, value in expected.items()
    ]
    given = [{"series": name, "values": values} for name, values in series.items()]
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"tests": [{"interval": "1m", "input_series": given, "promql_expr_test": tests}]}))
    done = subprocess.run(("promtool", "test", "rules", str(file)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.promtool
@pytest.mark.parametrize(("series", "expected"), BEGIN_WITH_AN_EVENT.values(), ids=BEGIN_WITH_AN_EVENT)
def test_of_a_counter_that_begins_with_its_first_event(
    series: Mapping[str, str], expected: Expected, tmp_path: Path
) -> None:
    assert_counted(tmp_path, first_events, series, expected)


@pytest.mark.promtool
@pytest.mark.parametrize(("series", "expected"), BEGIN_WITH_0.values(), ids=BEGIN_WITH_0)
def test_of_a_counter_that_begins_with_0(series: Mapping[str, str], expected: Expected, tmp_path: Path) -> None:
    assert_counted(tmp_path, events, series, expected)
