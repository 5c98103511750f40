"""For each alert figures with which it fires, and figures with which it barely does not.

Series are in promtool's notation, a value a minute: `1+2x3` is 1 3 5 7, `_` a minute without a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Series = Mapping[str, str]

OURS = 'job="airbyte-workers", instance="worker:9000"'
UP = f"up{{{OURS}}}"
WORKER: Series = {UP: "1x300"}
SYNC_QUEUE = 'task_queue="airbyte-sync"'
POLLERS = f'temporal_num_pollers{{{OURS}, poller_type="activity_task", {SYNC_QUEUE}}}'
USED = f'temporal_worker_task_slots_used{{{OURS}, worker_type="ActivityWorker", {SYNC_QUEUE}}}'
FREE = f'temporal_worker_task_slots_available{{{OURS}, worker_type="ActivityWorker", {SYNC_QUEUE}}}'
RUNNING = f'num_running_jobs{{{OURS}, kind="sync"}}'
COMMITTED = f'records_committed_total{{{OURS}, kind="sync"}}'
TASKS = f'temporal_workflow_task_execution_failed_total{{{OURS}, task_queue="airbyte", failure_reason="WorkflowError"}}'
POLLS = f'temporal_long_request_failure_total{{{OURS}, operation="PollActivityTaskQueue", {SYNC_QUEUE}}}'


def syncs(status: str) -> str:
    return f'syncs_total{{{OURS}, status="{status}"}}'


def attempts(origin: str, kind: str) -> str:
    return f'attempt_failed_by_failure_origin_total{{{OURS}, failure_origin="{origin}", failure_type="{kind}"}}'


def launches(status: str) -> str:
    return f'workload_launch_status_total{{{OURS}, kind="sync", status="{status}"}}'


def tries(activity: str, queue: str) -> str:
    return f'temporal_activity_execution_failed_total{{{OURS}, activity_type="{activity}", task_queue="{queue}"}}'


@dataclass(frozen=True)
class Case:
    """`labels`: of the alert, beside its name and severity. `at`: the minute in which both are looked at."""

    alert: str
    severity: str
    at: int
    fires: Series
    quiet: Series
    labels: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case("AirbyteNoWorker", "critical", 3, fires={UP: "0x300"}, quiet={UP: "0 0 1x300"}),
    Case(
        "AirbyteWorkerDown",
        "warning",
        6,
        fires={'up{job="airbyte-workers", instance="other:9000"}': "0x300"},
        quiet={'up{job="airbyte-workers", instance="other:9000"}': "0 0 1 0x300"},
        labels={"job": "airbyte-workers", "instance": "other:9000"},
    ),
    Case(
        "AirbyteQueueNotPolled",
        "critical",
        20,
        fires={POLLERS: "5x10 stale", USED: "0x10 stale"},
        quiet={POLLERS: "5x10 0x300", USED: "0x10 5x300"},
        labels={"task_queue": "airbyte-sync"},
    ),
    Case(
        "AirbyteQueueFull",
        "warning",
        20,
        fires={FREE: "0x300"},
        quiet={FREE: "0x10 1 0x300"},
        labels={"task_queue": "airbyte-sync", "worker_type": "ActivityWorker"},
    ),
    Case(
        "AirbyteJobsWait",
        "warning",
        10,
        fires={f'oldest_pending_job_age_secs{{{OURS}, kind="sync"}}': "1801x300"},
        quiet={f'oldest_pending_job_age_secs{{{OURS}, kind="sync"}}': "1800x300"},
        labels={"kind": "sync"},
    ),
    Case(
        "AirbyteSyncsFail",
        "warning",
        90,
        fires={syncs("failed"): "_x60 3x300", syncs("succeeded"): "1+0x60 3x300"},
        quiet={syncs("failed"): "_x60 3x300", syncs("succeeded"): "1+0x60 4x300"},
        labels={"status": "failed"},
    ),
    Case(
        "AirbytePlatformFails",
        "warning",
        90,
        fires={attempts("airbyte_platform", "lease_lost"): "_x60 1x300"},
        quiet={
            attempts("airbyte_platform", "lease_lost"): "7x300",
            attempts("airbyte_platform", "config_error"): "_x60 1x300",
            attempts("source", "system_error"): "_x60 9x300",
        },
        labels={"failure_origin": "airbyte_platform", "failure_type": "lease_lost"},
    ),
    Case(
        "AirbyteOrphans",
        "warning",
        20,
        fires={f"num_orphan_running_jobs{{{OURS}}}": "2x300"},
        quiet={f"num_orphan_running_jobs{{{OURS}}}": "2x9 0 2x300"},
    ),
    Case(
        "AirbyteLongSyncs",
        "warning",
        20,
        fires={f"num_unusually_long_syncs{{{OURS}}}": "1x300"},
        quiet={f"num_unusually_long_syncs{{{OURS}}}": "1x9 0 1x300"},
    ),
    Case(
        "AirbyteNoDataCommitted",
        "warning",
        140,
        fires={RUNNING: "2x300", COMMITTED: "900x300"},
        quiet={RUNNING: "2x300", COMMITTED: "900x90 910x300"},
    ),
    Case(
        "AirbyteWorkflowTasksFail",
        "critical",
        70,
        fires={TASKS: "_x60 1x300"},
        quiet={TASKS: "4x300"},
        labels={"task_queue": "airbyte"},
    ),
    Case(
        "AirbyteLaunchesFail",
        "warning",
        70,
        fires={launches("failed"): "_x60 3x300"},
        quiet={launches("failed"): "_x60 2x300", launches("launched"): "_x60 9x300"},
        labels={"kind": "sync"},
    ),
    Case(
        "AirbyteBookkeepingFails",
        "critical",
        90,
        fires={tries("close_attempt", "airbyte"): "0+1x300"},
        quiet={tries("close_attempt", "airbyte"): "0x60 9x300", tries("launch_workload", "airbyte-sync"): "0+1x300"},
        labels={"activity_type": "close_attempt"},
    ),
    Case(
        "AirbyteTemporalNotReached",
        "critical",
        20,
        fires={POLLS: "0+2x300"},
        quiet={POLLS: "0+1x300"},
        labels={"instance": "worker:9000"},
    ),
    Case(
        "AirbyteTemporalDown",
        "critical",
        5,
        fires={'up{job="temporal", instance="temporal:9090"}': "0x300"},
        quiet={'up{job="temporal", instance="temporal:9090"}': "0 0 1x300"},
        labels={"job": "temporal", "instance": "temporal:9090"},
    ),
)
