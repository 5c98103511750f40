"""The dashboard of dataplanes: how full each is, what its launches take, what waits for it."""

from __future__ import annotations

from airbyte_workers.names import JobKind
from deploy.dashboards.panels import COUNT, SECONDS, Bars, Lines, Query, Row
from deploy.dashboards.queries import HERE, HERE_OF_KIND, events, of_kind, quantile, shown_by_all

ABOUT = "What each host has room for, what is launched there, and what waits. A worker's instance stands for its host."
KINDS = (JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER, JobKind.SYNC)
LAUNCHING = 'task_queue=~"airbyte-(spec|check|discover|sync)"'

PLACES = Row(
    "Places",
    (
        Lines(
            "Pods that live, and places",
            "Pods of a kind on a dataplane against MAX_<KIND>_WORKERS. Both the same: the next one waits. Worker "
            "processes of one host show the same.",
            COUNT,
            (
                Query(f"max by (instance, kind) (dataplane_pods{{{HERE_OF_KIND}}})", "{{instance}} {{kind}} pods"),
                Query(
                    f"max by (instance, kind) (dataplane_pod_slots{{{HERE_OF_KIND}}})", "{{instance}} {{kind}} places"
                ),
            ),
        ),
        Lines(
            "Free places",
            "0 for long: raise MAX_<KIND>_WORKERS if the host has processor and memory to spare, else add a host.",
            COUNT,
            (
                Query(
                    f"max by (instance, kind) (dataplane_pod_slots{{{HERE_OF_KIND}}})"
                    f" - max by (instance, kind) (dataplane_pods{{{HERE_OF_KIND}}})",
                    "{{instance}} {{kind}}",
                ),
            ),
        ),
    ),
)
BACKLOG = Row(
    "Backlog",
    (
        Lines(
            "Jobs that wait for a place",
            "On all dataplanes together, with those whose launch no worker has taken up yet. Some for long while there "
            "are free places: a worker of this kind is missing. None free: raise MAX_<KIND>_WORKERS, or add a host.",
            COUNT,
            (Query(shown_by_all("kind", of_kind("workload_queue_size")), "{{kind}}"),),
        ),
        Lines(
            "Launches that may still ask for a place",
            "A launch that waits for a place keeps one of these. At 0 the next ones wait in Temporal.",
            COUNT,
            (
                Query(
                    f"sum by (task_queue) (temporal_worker_task_slots_available{{{HERE}, {LAUNCHING}}})",
                    "{{task_queue}}",
                ),
            ),
        ),
        Lines(
            "Pods that may still be watched",
            "AIRBYTE_WORKERS_MAX_WATCHES less those that are. At 0 nobody sees a pod end: start another worker that "
            "serves `watch`.",
            COUNT,
            (
                Query(
                    f'sum by (instance) (temporal_worker_task_slots_available{{{HERE}, task_queue="airbyte-watch"}})',
                    "{{instance}}",
                ),
            ),
        ),
        Lines(
            "Oldest job that waits",
            "By kind; for a place, or for a worker that takes its launch up. `jobs explain` says for which.",
            SECONDS,
            (Query(shown_by_all("kind", of_kind("oldest_pending_job_age_secs")), "{{kind}}"),),
        ),
    ),
)
LAUNCHES = Row(
    "Launches",
    (
        Bars(
            "Launches",
            "By how they went. failed: the launch itself; the worker's log says why, often an image that cannot be "
            "pulled, or an engine that does not answer. Jobs that were cancelled, or whose connectors' checks failed, "
            "are not in it.",
            COUNT,
            (Query(events("kind, status", f"workload_launch_status_total{{{HERE_OF_KIND}}}"), "{{kind}} {{status}}"),),
        ),
        Lines(
            "Time of a launch",
            "From having a place to the start of the pod's processes. Of syncs the connectors' checks before an "
            "attempt are part of it. Long ones mostly pull an image, install a package, or have a slow check.",
            SECONDS,
            tuple(
                Query(
                    quantile(share, "kind", f"workload_launch_duration_seconds_bucket{{{HERE_OF_KIND}}}"),
                    f"{{{{kind}}}} {share:.0%}",
                )
                for share in (0.5, 0.95)
            ),
        ),
        Bars(
            "Pods that were cleaned away",
            "By the reaper, because nobody looked after them. Some after a worker was killed are right; many at other "
            "times are not: read the workers' logs.",
            COUNT,
            (Query(events("instance", f"workload_pods_cleaned_total{{{HERE}}}"), "{{instance}}"),),
        ),
        Bars(
            "Jobs that gc removed",
            "Old ones, with their logs. None for weeks, with old jobs there: gc does not run (`airbyte-workers gc`).",
            COUNT,
            (Query(events("instance", f"database_pruning_jobs_deleted_total{{{HERE}}}"), "{{instance}}"),),
        ),
    ),
)
ROWS = (PLACES, BACKLOG, LAUNCHES)
