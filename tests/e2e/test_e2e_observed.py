"""A sync with one retry as others see it: its trace in a collector, its figures at METRICS_ADDRESS."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e_scripted import RECORDS, Scripted
from e2e_stacks import running_stack
from e2e_support import Ended, Place, until

from tests.collector import Collector, Told, collecting

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]
SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Observed:
    """A stack that tells what it does."""

    place: Place
    collector: Collector
    metrics: str

    def figures(self) -> dict[tuple[str, str], float]:
        """What is shown now, by name and labels."""
        with urllib.request.urlopen(self.metrics, timeout=10) as answer:
            found = SAMPLE.finditer(answer.read().decode())
        return {(each["name"], each["labels"] or ""): float(each["value"]) for each in found}

    def figure(self, name: str, labels: str = "") -> float | None:
        return self.figures().get((name, labels))


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Observed]:
    with collecting() as collector:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=abc%20def",
            "METRICS_ADDRESS": address,
            "AIRBYTE_WORKERS_METRICS_SAMPLING_S": "0.3",
        }
        for place in running_stack(tmp_path_factory.mktemp("observed"), installed, variables):
            yield Observed(place, collector, f"http://{address}/metrics")


@dataclass(frozen=True)
class Retried:
    """The sync: its first attempt fails without data, its second succeeds."""

    ended: Ended
    trace: Sequence[Told]

    def named(self, *names: str) -> list[Told]:
        return [span for span in self.trace if span.name in names]

    def children(self, parent: Told) -> list[Told]:
        return [span for span in self.trace if span.parent == parent.id]


@pytest.fixture(scope="module")
def retried(observed: Observed, tmp_path_factory: pytest.TempPathFactory) -> Retried:
    place = Place(tmp_path_factory.mktemp("retried"), observed.place.home, observed.place.variables)
    ended = Scripted(place, "observed-retry").sync("CS")
    assert ended.code == 0, ended.err
    job_id = ended.report["job_id"]
    return Retried(ended, until(lambda: observed.collector.trace_of(job_id), "the job's trace"))


def test_the_trace_has_the_job_and_both_attempts_in_order(retried: Retried) -> None:
    (job,) = retried.named("sync")
    assert job.parent == ""
    assert job.error is None
    assert job.service == "airbyte-workers"
    assert (job.attributes["airbyte.connection"], job.attributes["airbyte.records_committed"]) == (
        "observed-retry",
        RECORDS,
    )
    assert job.attributes["temporalWorkflowID"] == "sync/observed-retry"
    assert {"opened", "attempt failed", "attempt succeeded", "succeeded"} <= set(job.events)
    attempts = retried.named("attempt")
    assert [each.attributes["airbyte.attempt"] for each in attempts] == [1, 2]
    assert [each.error for each in attempts] == ["as scripted: read 1 is a C", None]
    assert attempts[0].ended_ns <= attempts[1].began_ns
    assert {each.parent for each in attempts} == {job.id}
    assert job.began_ns <= attempts[0].began_ns
    assert attempts[1].ended_ns <= job.ended_ns


def test_each_attempt_has_its_pod_and_its_legs_in_order(retried: Retried) -> None:
    for attempt in retried.named("attempt"):
        parts = {each.name: each for each in retried.children(attempt) if each.attributes["airbyte.pod.kind"] == "sync"}
        assert {"pod"} <= set(parts) <= {"queue", "pod"}
        legs = {each.name: each for each in retried.children(parts["pod"])}
        assert set(legs) == {"launch", "source", "destination", "orchestrator"}
        assert all(leg.began_ns <= leg.ended_ns for leg in legs.values())
        assert legs["orchestrator"].began_ns <= legs["destination"].began_ns
        assert legs["destination"].attributes["process.exit.code"] == attempt.attributes["airbyte.attempt"] % 2
    failed, succeeded = (
        leg
        for attempt in retried.named("attempt")
        for pod in retried.children(attempt)
        for leg in retried.children(pod)
        if leg.name == "source"
    )
    assert (failed.error, succeeded.error) == ("exited with code 1", None)


def test_the_wait_between_them_and_the_checks_are_told(retried: Retried) -> None:
    (wait,) = retried.named("wait")
    first, second = retried.named("attempt")
    assert (wait.began_ns >= first.ended_ns - 10**8, wait.ended_ns) == (True, second.began_ns)
    checks = [each for each in retried.named("pod") if each.attributes["airbyte.pod.kind"] == "check"]
    assert {each.parent for each in checks} == {first.id, second.id}


def test_the_collector_gets_the_headers(observed: Observed, retried: Retried) -> None:
    assert observed.collector.headers["x-key"] == "abc def"


FIGURES = {
    ("job_created_total", 'kind="sync"'): 1,
    ("job_completed_total", 'kind="sync",status="succeeded"'): 1,
    ("syncs_total", 'status="succeeded"'): 1,
    ("syncs_total", 'status="cancelled"'): 0,
    ("attempt_created_total", 'kind="sync"'): 2,
    ("attempt_completed_total", 'kind="sync",status="failed"'): 1,
    ("attempt_completed_total", 'kind="sync",status="succeeded"'): 1,
    ("attempt_failed_by_failure_origin_total", 'failure_origin="source",failure_type="system_error"'): 1,
    ("replication_made_progress_total", 'kind="sync"'): 1,
    ("worker_source_message_read_total", 'kind="sync"'): RECORDS,
    ("worker_destination_message_sent_total", 'kind="sync"'): RECORDS,
    ("records_committed_total", 'kind="sync"'): RECORDS,
    ("connector_exit_code_total", 'exit_code="1",role="source"'): 1,
    ("connector_exit_code_total", 'exit_code="0",role="destination"'): 1,
    ("syncs_duration_seconds_count", 'status="succeeded"'): 1,
    ("workload_launch_duration_seconds_count", 'kind="sync"'): 2,
    ("workload_time_to_transition_from_create_seconds_count", 'kind="sync"'): 2,
    ("num_running_jobs", 'kind="sync"'): 0,
    ("num_orphan_running_jobs", ""): 0,
    ("dataplane_pods", 'kind="sync"'): 0,
    ("dataplane_pod_slots", 'kind="sync"'): 5,
}


@pytest.mark.parametrize(
    ("figure", "value"), FIGURES.items(), ids=lambda each: "-".join(each) if isinstance(each, tuple) else ""
)
def test_figures_count_the_sync(observed: Observed, retried: Retried, figure: tuple[str, str], value: float) -> None:
    until(lambda: observed.figure(*figure) == value, f"{figure} to be {value}; {observed.figure(*figure)}", 10)


def test_temporals_own_figures_are_beside_them(observed: Observed, retried: Retried) -> None:
    names = {name for name, _ in observed.figures()}
    assert {"temporal_worker_task_slots_available", "temporal_workflow_completed_total"} <= names


def test_no_label_names_a_connection_a_job_or_a_pod(observed: Observed, retried: Retried) -> None:
    told = " ".join(labels for name, labels in observed.figures() if not name.startswith("temporal_"))
    assert "observed-retry" not in told
    assert set(re.findall(r'(\w+)="', told)) <= {
        "kind",
        "status",
        "role",
        "exit_code",
        "failure_origin",
        "failure_type",
        "le",
    }
