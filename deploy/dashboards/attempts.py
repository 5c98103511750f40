"""Rows of the dashboard of jobs: attempts, why they fail, and how connectors end."""

from __future__ import annotations

from deploy.dashboards.panels import COUNT, SECONDS, Bars, Lines, Query, Ranking, Row
from deploy.dashboards.queries import LAST_HOUR, LOOKED_AT, OURS, events, first_events, of_kind, quantile

REPLICATION = 'kind=~"sync|clear|refresh"'

RETRIES = Row(
    "Attempts and why they fail",
    (
        Lines(
            "Attempts a job",
            "Of the hour before. 1: nothing was tried again.",
            COUNT,
            (
                Query(
                    f"{events('kind', of_kind('attempt_created_total'), LAST_HOUR)}"
                    f" / ({events('kind', of_kind('job_created_total', REPLICATION), LAST_HOUR)} > 0)",
                    "{{kind}}",
                ),
            ),
        ),
        Bars(
            "Attempts that ended",
            "By kind and status. After a failed one that committed nothing the job waits, longer each time (10, 30, "
            "90, 270 seconds); after one that committed something the next follows at once.",
            COUNT,
            (
                Query(events("kind, status", of_kind("attempt_completed_total")), "{{kind}} {{status}}"),
                Query(events("kind", of_kind("replication_made_progress_total")), "{{kind}} made progress"),
            ),
        ),
        Bars(
            "Failed attempts by whose failure it was",
            "source and destination: the connector, or what it talks to. replication: what they said does not go "
            "together. airbyte_platform: us, the host, or the database.",
            COUNT,
            (
                Query(
                    first_events("failure_origin", f"attempt_failed_by_failure_origin_total{{{OURS}}}"),
                    "{{failure_origin}}",
                ),
            ),
        ),
        Ranking(
            "Failure reasons",
            "The first failure of each failed attempt in the time that is looked at. docs/reference/failures.md says "
            "what a type means and what to do.",
            COUNT,
            (
                Query(
                    "sort_desc("
                    + first_events(
                        "failure_origin, failure_type",
                        f"attempt_failed_by_failure_origin_total{{{OURS}}}",
                        LOOKED_AT,
                    )
                    + " > 0)",
                    "{{failure_origin}} {{failure_type}}",
                ),
            ),
        ),
        Lines(
            "Duration of attempts",
            "From an attempt's start to its end.",
            SECONDS,
            (
                Query(
                    quantile(0.95, "kind, status", of_kind("attempt_duration_seconds_bucket")),
                    "{{kind}} {{status}} 95%",
                ),
            ),
        ),
    ),
)
CONNECTORS = Row(
    "Connectors and alerts",
    (
        Bars(
            "Exit codes of connectors",
            "0: in order. 1: an error that the connector told. 137: killed, mostly for want of memory. 143: asked to "
            "stop. unknown: nobody saw it end.",
            COUNT,
            (Query(first_events("role, exit_code", f"connector_exit_code_total{{{OURS}}}"), "{{role}} {{exit_code}}"),),
        ),
        Bars(
            "Bad lines and bad records",
            "Lines that look like records and cannot be read, which fail an attempt; records that do not fit their "
            "stream's schema.",
            COUNT,
            (
                Query(events("kind", of_kind("line_skipped_with_record_total")), "{{kind}} unreadable"),
                Query(events("kind", of_kind("record_schema_validation_error_total")), "{{kind}} do not fit"),
            ),
        ),
        Lines(
            "Alerts",
            "1: the alert fires. docs/how-to/monitor.md says what to do for each.",
            COUNT,
            (Query('max by (alertname, severity) (ALERTS{alertstate="firing"})', "{{severity}} {{alertname}}"),),
        ),
    ),
)
ROWS = (RETRIES, CONNECTORS)
