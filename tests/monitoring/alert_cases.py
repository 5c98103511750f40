"""For each alert figures with which it fires, and figures with which it barely does not.

Series are in promtool's notation, a value a minute: `1+2x3` is 1 3 5 7, `_` a minute without a value. Its
clock begins at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Series = Mapping[str, str]

OURS = 'job="airbyte-workers", instance="worker:9000"'
UP = f"up{{{OURS}}}"
BEGAN = f"process_began_secs{{{OURS}}}"
WORKER: Series = {UP: "1x300", BEGAN: "-9999999x300"}
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
    Case("AirbyteNoWorker", "critical", 3, fires={UP: "0x300", BEGAN: "_"}, quiet={UP: "0 0 1x300"}),
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
        fires={syncs("failed"): "5x60 8x300", syncs("succeeded"): "1x60 3x300"},
        quiet={syncs("failed"): "5x60 8x300", syncs("succeeded"): "1x60 4x300"},
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
        fires={launches("failed"): "0x60 3x300"},
        quiet={launches("failed"): "0x60 2x300", launches("launched"): "0x60 9x300"},
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


def _much(values: str, began: str) -> Series:
    """`values`: with N for a number that would alert somebody if it were new."""
    counters = {
        syncs("failed"): 40,
        syncs("succeeded"): 2,
        launches("failed"): 9,
        launches("launched"): 60,
        attempts("airbyte_platform", "lease_lost"): 7,
        TASKS: 4,
        tries("close_attempt", "airbyte"): 90,
    }
    given = {name: values.replace("N", str(number)) for name, number in counters.items()}
    return {UP: values.replace("N", "1"), BEGAN: values.replace("N", began), **given}


PLATFORM = {
    "alertname": "AirbytePlatformFails",
    "alertstate": "firing",
    "severity": "warning",
    "failure_origin": "airbyte_platform",
    "failure_type": "lease_lost",
}
WEEKS_AGO = "-9999999"


@dataclass(frozen=True)
class Past:
    """What a worker showed, and at each of these minutes what fires then."""

    given: Series
    fires: Mapping[int, Sequence[Mapping[str, str]]]


def _never(*minutes: int) -> Mapping[int, Sequence[Mapping[str, str]]]:
    return dict.fromkeys(minutes, ())


PASTS: Mapping[str, Past] = {
    "Prometheus begins weeks after the worker": Past(_much("Nx300", WEEKS_AGO), _never(1, 10, 29, 31, 45, 59, 61, 75)),
    "it begins late, and then an attempt fails": Past(
        {**_much("Nx300", WEEKS_AGO), attempts("airbyte_platform", "lease_lost"): "7x20 8x300"},
        {10: (), 30: (PLATFORM,), 90: ()},
    ),
    "one scrape fails": Past(_much("Nx99 stale Nx200", WEEKS_AGO), _never(100, 101, 110, 111, 130, 131, 160, 161)),
    "scrapes fail for longer than any alert looks back": Past(
        _much("Nx59 stale _x120 Nx100", WEEKS_AGO), _never(182, 186, 190, 195, 211, 220, 239, 241, 243, 260)
    ),
    "a process that began within the hour shows a failure at once": Past(
        {BEGAN: f"_x60 {60 * 60}x300", attempts("airbyte_platform", "lease_lost"): "_x60 1x300"},
        {59: (), 62: (PLATFORM,), 119: (PLATFORM,), 125: ()},
    ),
    "a process fails as often as the one before it": Past(
        {BEGAN: f"{WEEKS_AGO}x80 {81 * 60}x200", attempts("airbyte_platform", "lease_lost"): "1x80 stale _x3 1x200"},
        {79: (), 88: (PLATFORM,), 139: (PLATFORM,), 145: ()},
    ),
}
