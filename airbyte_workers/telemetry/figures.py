"""Every figure that a Temporal worker shows beside Temporal's own; docs/reference/metrics.md is generated from here.

Names are upstream's where it has one for the same thing (airbyte-behaviour.md 11). No label has unbounded values: a
connection, a job or a pod is found in the database, in logs and in traces.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import product
from typing import Literal

from temporalio.common import MetricCounter, MetricGaugeFloat, MetricHistogramTimedelta, MetricMeter

from airbyte_workers.names import REPLICATION_KINDS, JobKind

_WAITS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)
_RUNS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 259_200)
_ENDS = ("succeeded", "failed", "cancelled")
_OF_REPLICATIONS: Mapping[str, Sequence[str]] = {"kind": sorted(REPLICATION_KINDS), "status": _ENDS}
_OF_JOBS: Mapping[str, Sequence[str]] = {"kind": list(JobKind), "status": _ENDS}
_OF_LAUNCHES: Mapping[str, Sequence[str]] = {"kind": list(JobKind), "status": ("launched", "failed")}


@dataclass(frozen=True)
class Definition:
    """One figure. `upstream`: Airbyte's name for it; empty: it has none. `buckets`: seconds, of histograms.

    `known`: the labels of a counter that begins with 0; others begin with the first event, which no rate sees.
    """

    name: str
    form: Literal["counter", "histogram", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()
    upstream: str = ""
    buckets: tuple[float, ...] = ()
    known: tuple[Mapping[str, str], ...] = ()

    @property
    def shown(self) -> str:
        """The name under which Prometheus has it."""
        return {"counter": f"{self.name}_total", "histogram": f"{self.name}_seconds", "gauge": self.name}[self.form]


def _counter(
    name: str, meaning: str, *labels: str, upstream: str = "", values: Mapping[str, Sequence[str]] = _OF_REPLICATIONS
) -> Definition:
    whole = all(label in values for label in labels)
    known = (
        [dict(zip(labels, each, strict=True)) for each in product(*(values[label] for label in labels))]
        if whole
        else []
    )
    return Definition(name, "counter", meaning, labels, upstream, known=tuple(known))


def _gauge(name: str, meaning: str, *labels: str, upstream: str = "") -> Definition:
    return Definition(name, "gauge", meaning, labels, upstream)


DEFINITIONS: Sequence[Definition] = (
    _counter("job_created", "Jobs that were opened.", "kind", upstream="job_created_by_release_stage", values=_OF_JOBS),
    _counter("job_completed", "Jobs that ended.", "kind", "status", upstream="job_completed", values=_OF_JOBS),
    _counter("syncs", "Syncs that ended.", "status", upstream="syncs"),
    _counter(
        "attempt_created",
        "Attempts of syncs, clears and refreshes that were opened.",
        "kind",
        upstream="attempt_created",
    ),
    _counter("attempt_completed", "The same, ended.", "kind", "status", upstream="attempt_completed"),
    _counter(
        "attempt_failed_by_failure_origin",
        "Attempts that failed, by the first of their reasons.",
        "failure_origin",
        "failure_type",
        upstream="attempt_failed_by_failure_origin",
    ),
    _counter(
        "replication_made_progress",
        "Attempts that committed at least one record.",
        "kind",
        upstream="replication_made_progress",
    ),
    _counter("worker_source_message_read", "Records that sources sent.", "kind", upstream="worker_source_message_read"),
    _counter(
        "worker_destination_message_sent",
        "Records that were forwarded to destinations; counted at an attempt's end.",
        "kind",
        upstream="worker_destination_message_sent",
    ),
    _counter("bytes_emitted", "The size of what sources sent, in bytes of the records' JSON.", "kind"),
    _counter("records_committed", "Records that a committed state covers.", "kind"),
    _counter(
        "bytes_committed",
        "Their size, in bytes of their JSON; counted at an attempt's end.",
        "kind",
        upstream="gb_moved",
    ),
    _counter(
        "state_processed_from_source",
        "States that sources sent.",
        "kind",
        upstream="state_processed_from_source",
    ),
    _counter(
        "state_processed_from_destination",
        "States that destinations acknowledged and that are committed.",
        "kind",
        upstream="state_processed_from_destination",
    ),
    _counter(
        "line_skipped_with_record",
        "Lines of sources that look like a record or a state and are none.",
        "kind",
        upstream="line_skipped_with_record",
    ),
    _counter(
        "record_schema_validation_error",
        "Records that do not fit their stream's schema, of those that were checked.",
        "kind",
        upstream="record_schema_validation_error",
    ),
    _counter(
        "connector_exit_code",
        "Connectors of attempts that ended, by exit code: 0, 1, 2, 137, 143, other, or unknown.",
        "role",
        "exit_code",
        upstream="connector_exit_code",
    ),
    _counter(
        "workload_launch_status",
        "Pods that were launched, or whose launch failed.",
        "kind",
        "status",
        upstream="workload_launch_status",
        values=_OF_LAUNCHES,
    ),
    _counter(
        "workload_pods_cleaned",
        "Pods whose job had ended without them, removed by the reaper.",
        upstream="workload_pods_cleaned",
    ),
    _counter(
        "database_pruning_jobs_deleted", "Jobs that the workers' gc removed.", upstream="database_pruning_jobs_deleted"
    ),
    Definition(
        "syncs_duration",
        "histogram",
        "From the start of a sync's first pod to the sync's end.",
        ("status",),
        "syncs_duration",
        _RUNS,
    ),
    Definition("attempt_duration", "histogram", "From an attempt's opening to its end.", ("kind", "status"), "", _RUNS),
    Definition(
        "workload_launch_duration",
        "histogram",
        "From a pod's place on its dataplane to its processes' start: checks of its connectors, images, files.",
        ("kind",),
        "workload_launch_duration",
        _WAITS,
    ),
    Definition(
        "workload_time_to_transition_from_create",
        "histogram",
        "How long an attempt waited until a worker had a place for it on its dataplane.",
        ("kind",),
        "workload_time_to_transition_from_create",
        _WAITS,
    ),
    _gauge("process_began_secs", "When the process began to show figures: the Unix time."),
    _gauge("num_pending_jobs", "Jobs that no pod has been started for.", "kind", upstream="num_pending_jobs"),
    _gauge(
        "num_running_jobs",
        "Jobs that have begun, those between two attempts too.",
        "kind",
        upstream="num_running_jobs",
    ),
    _gauge(
        "num_orphan_running_jobs",
        "Jobs whose workflow run is over and that the reconciler has not closed yet.",
        upstream="num_orphan_running_jobs",
    ),
    _gauge(
        "num_unusually_long_syncs",
        "Syncs that run far longer than the last ones of their connection.",
        upstream="num_unusually_long_syncs",
    ),
    _gauge("oldest_pending_job_age_secs", "The age of the oldest one.", "kind", upstream="oldest_pending_job_age_secs"),
    _gauge(
        "oldest_running_job_age_secs", "The same of those that run.", "kind", upstream="oldest_running_job_age_secs"
    ),
    _gauge(
        "workload_queue_size",
        "Jobs that wait for a place on a dataplane, or for a worker that asks for one.",
        "kind",
        upstream="workload_queue_size",
    ),
    _gauge("dataplane_pods", "Pods that live on the worker's dataplane.", "kind"),
    _gauge("dataplane_pod_slots", "How many of them may: MAX_<KIND>_WORKERS.", "kind"),
)
BUCKETS: Mapping[str, Sequence[float]] = {each.name: each.buckets for each in DEFINITIONS if each.buckets}
"""Of histograms; Temporal's defaults are for what takes milliseconds."""


@dataclass(frozen=True)
class Figure:
    """A value for one of the figures: how much more, how long in seconds, or how many now."""

    name: str
    value: float = 1
    labels: Mapping[str, str] | None = None


class Figures:
    """What this process shows; where it shows none, all is the same and nothing happens."""

    def __init__(self, meter: MetricMeter = MetricMeter.noop) -> None:
        self._meter = meter
        self._definitions = {each.name: each for each in DEFINITIONS}

    def begin(self) -> None:
        """Show what has not happened yet, too: else the first time is no rise."""
        self.tell([Figure("process_began_secs", time.time())])
        for each in DEFINITIONS:
            self.tell([Figure(each.name, 0, labels) for labels in each.known])

    def tell(self, figures: Sequence[Figure]) -> None:
        """Raises ValueError for labels that the figure does not have, and KeyError for a figure that is none."""
        for figure in figures:
            definition = self._definitions[figure.name]
            labels = dict(figure.labels or {})
            if set(labels) != set(definition.labels):
                raise ValueError(f"{figure.name} has the labels {definition.labels}, not {tuple(labels)}")
            self._tell(definition, figure.value, labels)

    def _tell(self, definition: Definition, value: float, labels: Mapping[str, str]) -> None:
        if definition.form == "counter":
            self._counters[definition.name].add(round(value), labels)
        elif definition.form == "gauge":
            self._gauges[definition.name].set(value, labels)
        else:
            self._histograms[definition.name].record(timedelta(seconds=max(value, 0)), labels)

    @cached_property
    def _counters(self) -> Mapping[str, MetricCounter]:
        return {each.name: self._meter.create_counter(each.name, each.meaning) for each in self._of("counter")}

    @cached_property
    def _gauges(self) -> Mapping[str, MetricGaugeFloat]:
        return {each.name: self._meter.create_gauge_float(each.name, each.meaning) for each in self._of("gauge")}

    @cached_property
    def _histograms(self) -> Mapping[str, MetricHistogramTimedelta]:
        return {
            each.name: self._meter.create_histogram_timedelta(each.name, each.meaning) for each in self._of("histogram")
        }

    def _of(self, form: str) -> Sequence[Definition]:
        return [each for each in DEFINITIONS if each.form == form]
