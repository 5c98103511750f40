"""The dashboard of Temporal: what its SDK in our workers tells of itself, and what its server does."""

from __future__ import annotations

from deploy.dashboards.panels import A_SECOND, COUNT, REQUESTS_A_SECOND, SECONDS, Lines, Query, Row
from deploy.dashboards.queries import HERE, SERVER_JOB, quantile, rate

ABOUT = "What Temporal workers wait for in Temporal, how Temporal answers them, and how its server does."
QUEUES = f'{HERE}, task_queue!~"temporal-sys/.*"'  # those have one name for each worker process
SERVER = f'job="{SERVER_JOB}"'
ANSWERS = "Rising with the load is right; seconds are not: look at Temporal's server and its database."

SLOTS = Row(
    "Places and pollers",
    (
        Lines(
            "Free places by task queue",
            "None left: tasks of this queue wait in Temporal.",
            COUNT,
            (
                Query(
                    f"sum by (task_queue, worker_type) (temporal_worker_task_slots_available{{{QUEUES}}})",
                    "{{task_queue}} {{worker_type}}",
                ),
            ),
        ),
        Lines(
            "Tasks that run",
            "Workflow tasks take milliseconds. An activity on airbyte-watch is a pod that is watched, one on the "
            "other queues of pods is a launch.",
            COUNT,
            (
                Query(
                    f"sum by (task_queue, worker_type) (temporal_worker_task_slots_used{{{QUEUES}}})",
                    "{{task_queue}} {{worker_type}}",
                ),
            ),
        ),
        Lines(
            "Pollers",
            "Requests for work that wait at Temporal. A queue with none, and with no task that runs, is polled by "
            "nobody, and what is put there waits. Start a worker with its role.",
            COUNT,
            (
                Query(
                    f"sum by (task_queue, poller_type) (temporal_num_pollers{{{QUEUES}}})",
                    "{{task_queue}} {{poller_type}}",
                ),
            ),
        ),
        Lines(
            "Workflows kept in memory",
            "Runs whose next task needs no replay of their history (the sticky cache).",
            COUNT,
            (Query(f"sum by (instance) (temporal_sticky_cache_size{{{QUEUES}}})", "{{instance}}"),),
        ),
        Lines(
            "Hits and misses of that memory",
            "A miss is a replay. Many misses: workers restart, or the cache is too small for the runs that are open.",
            A_SECOND,
            (
                Query(rate("task_queue", f"temporal_sticky_cache_hit_total{{{QUEUES}}}"), "hit"),
                Query(rate("task_queue", f"temporal_sticky_cache_miss_total{{{QUEUES}}}"), "miss"),
            ),
        ),
    ),
)
TASKS = Row(
    "Tasks",
    (
        Lines(
            "Time from queued to started, 95 of 100 activities",
            "How long activities wait for a Temporal worker. Seconds: its places are taken, or the host is busy.",
            SECONDS,
            (
                Query(
                    quantile(
                        0.95, "task_queue", f"temporal_activity_schedule_to_start_latency_seconds_bucket{{{HERE}}}"
                    ),
                    "{{task_queue}}",
                ),
            ),
        ),
        Lines(
            "Time from queued to started, 95 of 100 workflow tasks",
            "How long a run waits for its next step. Seconds: too few workers with the role `workflows`.",
            SECONDS,
            (
                Query(
                    quantile(
                        0.95, "task_queue", f"temporal_workflow_task_schedule_to_start_latency_seconds_bucket{{{HERE}}}"
                    ),
                    "{{task_queue}}",
                ),
            ),
        ),
        Lines(
            "Workflows that ended",
            "A sync that fails is a failed workflow, too; the dashboard Syncs has the reasons.",
            A_SECOND,
            (
                Query(
                    rate("workflow_type", f"temporal_workflow_completed_total{{{HERE}}}"), "{{workflow_type}} completed"
                ),
                Query(rate("workflow_type", f"temporal_workflow_failed_total{{{HERE}}}"), "{{workflow_type}} failed"),
                Query(
                    rate("workflow_type", f"temporal_workflow_canceled_total{{{HERE}}}"), "{{workflow_type}} canceled"
                ),
            ),
        ),
        Lines(
            "Failed tries of activities",
            "Temporal tries them again. Many of bookkeeping (open_job, close_attempt): PostgreSQL does not answer. Of "
            "watch_workload: object storage, the engine, or a worker that stops.",
            A_SECOND,
            (Query(rate("activity_type", f"temporal_activity_execution_failed_total{{{HERE}}}"), "{{activity_type}}"),),
        ),
        Lines(
            "Failed workflow tasks",
            "Any is a fault of our code, or a run of another version of it. The run stands still until a worker can "
            "go on with it; its page in Temporal has the error.",
            A_SECOND,
            (Query(rate("task_queue", f"temporal_workflow_task_execution_failed_total{{{HERE}}}"), "{{task_queue}}"),),
        ),
    ),
)
REQUESTS = Row(
    "Requests to Temporal",
    (
        Lines(
            "Requests to Temporal that failed",
            "All of them: Temporal is not reached. Some: read the worker's log.",
            A_SECOND,
            (
                Query(rate("operation", f"temporal_request_failure_total{{{HERE}}}"), "{{operation}}"),
                Query(f"sum(rate(temporal_long_request_failure_total{{{HERE}}}[$__rate_interval]))", "polls"),
            ),
        ),
        Lines(
            "Time of requests to Temporal, 95 of 100",
            ANSWERS,
            SECONDS,
            (
                Query(
                    quantile(0.95, "operation", f"temporal_request_latency_seconds_bucket{{{HERE}}}"), "{{operation}}"
                ),
            ),
        ),
    ),
)
THE_SERVER = Row(
    "Temporal's server",
    (
        Lines(
            "Temporal server: requests",
            "What it is asked, by all its clients.",
            REQUESTS_A_SECOND,
            (Query(rate("operation", f'service_requests{{{SERVER}, service_name="frontend"}}'), "{{operation}}"),),
        ),
        Lines(
            "Temporal server: errors",
            "Answers that were errors. Some are everyday ones: something was not found, or has ended.",
            A_SECOND,
            (Query(rate("service_name, operation", f"service_errors{{{SERVER}}}"), "{{service_name}} {{operation}}"),),
        ),
        Lines(
            "Temporal server: requests to its database, time, 95 of 100",
            ANSWERS,
            SECONDS,
            (Query(quantile(0.95, "operation", f"persistence_latency_bucket{{{SERVER}}}"), "{{operation}}"),),
        ),
        Lines(
            "Who can be asked",
            "1: Prometheus gets figures from there. 0: that process is gone, or its METRICS_ADDRESS is not reached.",
            COUNT,
            (Query("up", "{{job}} {{instance}}"),),
        ),
    ),
)
ROWS = (SLOTS, TASKS, REQUESTS, THE_SERVER)
