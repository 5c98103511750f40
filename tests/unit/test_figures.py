"""Figures: what they are called, which labels they have, and that a collector gets them where nobody scrapes."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from pydantic import ValidationError

from airbyte_workers.runtime.temporal import _metrics, _runtime
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry.figures import DEFINITIONS, Definition, Figure, Figures
from tests.collector import collecting

BOUNDED = {"kind", "status", "role", "exit_code", "failure_origin", "failure_type"}


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.name)
def test_every_figure_has_a_plain_name_and_bounded_labels(definition: Definition) -> None:
    assert re.fullmatch(r"[a-z][a-z_]+", definition.name)
    assert set(definition.labels) <= BOUNDED
    assert definition.meaning.endswith(".")
    assert bool(definition.buckets) is (definition.form == "histogram")


def test_no_two_figures_share_a_name() -> None:
    assert len({each.shown for each in DEFINITIONS}) == len(DEFINITIONS)


@pytest.mark.parametrize("labels", [{}, {"status": "failed", "connection": "orders"}, {"kind": "sync"}])
def test_labels_that_a_figure_does_not_have_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="syncs has the labels"):
        Figures().tell([Figure("syncs", labels=labels)])


def test_a_figure_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        Figures().tell([Figure("sinks")])


def test_without_anybody_to_show_them_to_figures_cost_nothing_and_do_nothing() -> None:
    Figures().tell([Figure("syncs", labels={"status": "failed"}), Figure("num_orphan_running_jobs", 3)])


def test_a_collector_gets_figures_with_the_headers_and_the_service_it_knows() -> None:
    with collecting() as collector:
        settings = Settings(
            otlp_endpoint=collector.address,
            otlp_headers="authorization=Bearer%20k",
            otel_service_name="ours",
            otlp_metrics_interval_s=0.2,
        )
        figures = Figures(_runtime(False, _metrics(settings)).metric_meter)
        figures.tell(
            [
                Figure("syncs", 2, {"status": "failed"}),
                Figure("syncs_duration", 40, {"status": "failed"}),
                Figure("num_orphan_running_jobs", 3),
            ]
        )
        deadline = time.monotonic() + 20
        while "num_orphan_running_jobs" not in collector.metrics and time.monotonic() < deadline:
            time.sleep(0.05)
    assert collector.headers["authorization"] == "Bearer k"
    assert [_value(point) for point in collector.metrics["syncs"].sum.data_points] == [2]
    (duration,) = collector.metrics["syncs_duration"].histogram.data_points
    assert (duration.sum, list(duration.explicit_bounds)[:3]) == (40, [1, 5, 15])
    assert [_value(point) for point in collector.metrics["num_orphan_running_jobs"].gauge.data_points] == [3]
    assert "ours" in str(collector.resource) + str(collector.metrics["syncs"])


def test_who_is_scraped_sends_no_figures() -> None:
    shown = _metrics(Settings(metrics_address="127.0.0.1:9000", otlp_endpoint="http://localhost:4318"))
    assert shown is not None
    assert (shown.address, shown.endpoint) == ("127.0.0.1:9000", None)


@pytest.mark.parametrize("text", ["secret-token", "a b=c", "=x", "k=Bearer%20s%0A", "k=%C3%A9"])
def test_headers_that_cannot_be_read_are_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(otlp_headers=text)
    assert text not in str(refused.value)
    assert "must be name=value" in str(refused.value) or "must be printable" in str(refused.value)
    assert "Bearer" not in str(refused.value)


def test_headers_stand_in_a_file_where_they_are_secret(tmp_path: Any) -> None:
    file = tmp_path / "headers"
    file.write_text("x-key=a%2Cb,x-other=c\n")
    settings = Settings(otlp_headers_file=file)
    assert settings.otlp_headers_by_name == {"x-key": "a,b", "x-other": "c"}
    assert "a,b" not in repr(settings)
    assert "a%2Cb" not in repr(settings)


def _value(point: Any) -> float:
    return float(getattr(point, point.WhichOneof("value")))


def test_counters_begin_with_0_where_their_labels_are_few() -> None:
    known = {each.name: len(each.known) for each in DEFINITIONS if each.form == "counter"}
    assert known["syncs"] == 3
    assert known["job_completed"] == 18
    assert known["workload_pods_cleaned"] == 1
    assert known["attempt_failed_by_failure_origin"] == 0
    assert {name for name, count in known.items() if not count} == {
        "attempt_failed_by_failure_origin",
        "connector_exit_code",
    }
    Figures().begin()
