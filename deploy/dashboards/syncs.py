"""The dashboard of jobs: how much moves, what waits, what ends how, and why not."""

from __future__ import annotations

from airbyte_workers.names import JobKind
from deploy.dashboards import attempts
from deploy.dashboards.panels import (
    A_SECOND,
    BYTES_A_SECOND,
    COUNT,
    SECONDS,
    SHARE,
    Bars,
    Lines,
    Now,
    Query,
    Row,
)
from deploy.dashboards.queries import LAST_HOUR, OURS, events, of_kind, quantile, rate, shown_by_all

ABOUT = "Jobs of all workers together: what runs and waits, how much data moves, how jobs end, why attempts fail."
KINDS = tuple(JobKind)
ENDED = events("status", f"syncs_total{{{OURS}}}", LAST_HOUR)

NOW = Row(
    "Now",
    (
        Now(
            "Running",
            "Jobs whose pod runs. As many as there are places for days: raise MAX_SYNC_WORKERS, or add a host.",
            COUNT,
            (Query(f"sum({shown_by_all('kind', of_kind('num_running_jobs'))})"),),
        ),
        Now(
            "Waiting",
            "Jobs that are pending or queued. Many for long: there are too few places, or workers.",
            COUNT,
            (Query(f"sum({shown_by_all('kind', of_kind('num_pending_jobs'))})"),),
        ),
        Now(
            "Oldest waits for",
            "How long the job has waited that has waited longest, for a place or for a worker. `jobs list` shows it, "
            "`jobs explain` says what for.",
            SECONDS,
            (Query(f"max({of_kind('oldest_pending_job_age_secs')})"),),
        ),
        Now(
            "Oldest runs for",
            "How long the job has run that has run longest, its retries counted.",
            SECONDS,
            (Query(f"max({of_kind('oldest_running_job_age_secs')})"),),
        ),
        Now(
            "Orphans",
            "Jobs that are running by the job database and have no run in Temporal. The reconciler ends them within "
            "minutes; some that stay mean that it does not get through.",
            COUNT,
            (Query(f"max(num_orphan_running_jobs{{{OURS}}})"),),
        ),
        Now(
            "Unusually long",
            "Syncs that have run much longer than their connection's usually do. Look whether they still commit: "
            "`jobs show`.",
            COUNT,
            (Query(f"max(num_unusually_long_syncs{{{OURS}}})"),),
        ),
    ),
)
THROUGHPUT = Row(
    "Throughput",
    (
        Lines(
            "Records read and committed",
            "Records a second that sources gave, and that a destination has acknowledged with a state which is "
            "durable. Both zero while syncs run: the source gives nothing. Only the second: a destination that "
            "commits rarely, or one that hangs; `jobs show` has the clocks.",
            A_SECOND,
            (
                Query(rate("kind", of_kind("worker_source_message_read_total")), "{{kind}} read"),
                Query(rate("kind", of_kind("records_committed_total")), "{{kind}} committed"),
            ),
        ),
        Lines(
            "Bytes read and committed",
            "The data of these records, in bytes a second. Bytes committed are counted when an attempt ends.",
            BYTES_A_SECOND,
            (
                Query(rate("kind", of_kind("bytes_emitted_total")), "{{kind}} read"),
                Query(rate("kind", of_kind("bytes_committed_total")), "{{kind}} committed"),
            ),
        ),
        Lines(
            "Records sent to destinations",
            "Counted when an attempt ends. Fewer than were read: mappers filter, or attempts fail on their way.",
            A_SECOND,
            (Query(rate("kind", of_kind("worker_destination_message_sent_total")), "{{kind}}"),),
        ),
        Lines(
            "States and acknowledgements",
            "States that sources sent, and those that destinations sent back. Far apart for long: a destination takes "
            "data and confirms nothing.",
            A_SECOND,
            (
                Query(rate("kind", of_kind("state_processed_from_source_total")), "{{kind}} from sources"),
                Query(rate("kind", of_kind("state_processed_from_destination_total")), "{{kind}} acknowledged"),
            ),
        ),
    ),
)
QUEUE = Row(
    "Queue",
    (
        Lines(
            "Time until a place is had",
            "From the wish for a pod to its place on a dataplane. Minutes: there are too few places (MAX_*_WORKERS) "
            "or hosts for what is asked for at the same time.",
            SECONDS,
            tuple(
                Query(
                    quantile(share, "kind", of_kind("workload_time_to_transition_from_create_seconds_bucket")),
                    f"{{{{kind}}}} {share:.0%}",
                )
                for share in (0.5, 0.95)
            ),
        ),
        Lines(
            "Jobs that wait",
            "Pending or queued, by kind; and of these the ones whose pod waits: for a place, or for a worker that "
            "takes its launch up. With places free on the dashboard Dataplanes it is the worker that is missing.",
            COUNT,
            (
                Query(shown_by_all("kind", of_kind("num_pending_jobs")), "{{kind}}"),
                Query(shown_by_all("kind", of_kind("workload_queue_size")), "{{kind}} for a pod"),
            ),
        ),
        Lines(
            "Jobs that run",
            "By kind.",
            COUNT,
            (Query(shown_by_all("kind", of_kind("num_running_jobs")), "{{kind}}"),),
        ),
        Lines(
            "Ages",
            "How long the oldest job has waited, and the oldest has run.",
            SECONDS,
            (
                Query(f"max({of_kind('oldest_pending_job_age_secs')})", "waits"),
                Query(f"max({of_kind('oldest_running_job_age_secs')})", "runs"),
            ),
        ),
    ),
)
ENDS = Row(
    "Ends",
    (
        Bars(
            "Jobs that ended",
            "By kind and status. Failed ones: see the failure reasons below, and `jobs list --status failed`.",
            COUNT,
            (Query(events("kind, status", of_kind("job_completed_total")), "{{kind}} {{status}}"),),
        ),
        Bars(
            "Jobs that began",
            "By kind. None at a time when schedules should have started some: `schedule list`.",
            COUNT,
            (Query(events("kind", of_kind("job_created_total")), "{{kind}}"),),
        ),
        Lines(
            "Duration of syncs",
            "From a sync job's start to its end, its retries counted.",
            SECONDS,
            tuple(
                Query(
                    quantile(share, "status", f"syncs_duration_seconds_bucket{{{OURS}}}"), f"{{{{status}}}} {share:.0%}"
                )
                for share in (0.5, 0.95)
            ),
        ),
        Lines(
            "Syncs by how they ended",
            "Shares of those of the hour before. Nearly all failed: something that all of them need is gone.",
            SHARE,
            (Query(f"{ENDED} / on () group_left () (sum({ENDED}) > 0)", "{{status}}"),),
        ),
    ),
)
ROWS = (NOW, THROUGHPUT, QUEUE, ENDS, *attempts.ROWS)
