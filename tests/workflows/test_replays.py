"""Recorded runs go on with today's code: what they decided then it decides again.

`record_histories.py` makes the recordings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recordings import FOLDER, FOUND_BY, RECORDINGS, SCHEDULED, recorded
from temporalio import workflow
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.bookkeeping import BookkeepingActivities
from airbyte_workers.models import CloseAttempt, SyncInput, SyncReport
from airbyte_workers.runtime.plugin import AirbytePlugin
from airbyte_workers.runtime.pools import WORKFLOWS
from workflows.sync import SyncWorkflow

Happened = Counter[str]


def stored(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json("sync/demo", (FOLDER / f"{name}.json").read_text())


def replayer(*workflows: type[Any]) -> Replayer:
    return Replayer(workflows=workflows, plugins=[AirbytePlugin()])


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recorded_run_is_decided_again_as_it_was(name: str) -> None:
    await replayer(*WORKFLOWS).replay_workflow(stored(name))


def test_every_history_is_one_of_the_recordings() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(RECORDINGS)


def happened(history: WorkflowHistory) -> Happened:
    """How often what happened: kinds of events, activities by their names, tries after a lost heartbeat."""
    seen: Happened = Counter()
    for event in history.events:
        seen[EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()] += 1
        seen[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
        failure = event.activity_task_started_event_attributes.last_failure
        seen["lost"] += failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_HEARTBEAT
    return seen


SHOWS: dict[str, Callable[[Happened], bool]] = {
    "success": lambda seen: seen["open_attempt"] == seen["workflow_execution_completed"] == 1,
    "questions": lambda seen: seen["launch_workload"] == 4 and seen["check_configs"] == 1,
    "clear": lambda seen: seen["open_attempt"] == 2 and seen["launch_workload"] == 2,
    "refresh": lambda seen: seen["open_attempt"] == 2 and seen["launch_workload"] == 3,
    "scheduled": lambda seen: seen["child_workflow_execution_completed"] == 1 and seen["open_job"] == 0,
    "scheduled_skipped": lambda seen: (
        seen["start_child_workflow_execution_failed"] == seen["note_skip"] == seen["workflow_execution_completed"] == 1
    ),
    "sync_of_schedule": lambda seen: seen["open_job"] == seen["workflow_execution_completed"] == 1,
    "found": lambda seen: (
        seen["marker_recorded"] == 1 and seen["upsert_workflow_search_attributes"] == 5  # the guard's; each status
    ),
    "retried_success": lambda seen: seen["open_attempt"] == 3 and seen["timer_fired"] == 1,
    "exhausted": lambda seen: seen["timer_fired"] == 4 and seen["workflow_execution_failed"] == 1,
    "config_error": lambda seen: seen["watch_workload"] == 1 and seen["workflow_execution_failed"] == 1,
    "check_failed": lambda seen: seen["watch_workload"] == 0 and seen["workflow_execution_failed"] == 1,
    "cancelled_in_attempt": lambda seen: seen["request_cancel"] == seen["workflow_execution_canceled"] == 1,
    "cancelled_while_launching": lambda seen: seen["request_cancel"] == 0 and seen["workflow_execution_canceled"] == 1,
    "cancelled_in_backoff": lambda seen: seen["timer_canceled"] == 1 and seen["open_attempt"] == 1,
    "worker_lost": lambda seen: seen["lost"] == 1 and seen["workflow_execution_completed"] == 1,
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_shows_what_its_name_says(name: str) -> None:
    seen = happened(stored(name))
    assert SHOWS[name](seen), seen


async def test_what_a_worker_without_search_attributes_began_goes_on_without() -> None:
    """While workers are replaced one by one, an older one decides for what a newer one has opened."""
    history = stored("success")
    opened = next(each for each in history.events if each.HasField("activity_task_completed_event_attributes"))
    (payload,) = opened.activity_task_completed_event_attributes.result.payloads
    payload.data = json.dumps(json.loads(payload.data) | {"search": FOUND_BY}).encode()
    await replayer(*WORKFLOWS).replay_workflow(history)


@workflow.defn(name="Sync")
class ForgetfulWorkflow(SyncWorkflow):
    """One that does not close attempts: what a careless change would be."""

    @workflow.run
    async def run(self, input: SyncInput) -> SyncReport:
        return await super().run(input)

    async def _books(self, method: Any, argument: Any, *, summary: str = "") -> Any:
        if isinstance(argument, CloseAttempt):
            method, argument = BookkeepingActivities.check_configs, argument.ref.job_id
        return await super()._books(method, argument, summary=summary)


_NOT_SYNCS = {"clear", "refresh"} | SCHEDULED  # they share its code


@pytest.mark.parametrize("name", sorted(RECORDINGS.keys() - {"cancelled_in_backoff"} - _NOT_SYNCS))
async def test_a_change_that_decides_otherwise_is_found(name: str) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(ForgetfulWorkflow).replay_workflow(stored(name))


@pytest.mark.temporal
async def test_the_script_records_what_can_be_replayed(env: WorkflowEnvironment, tmp_path: Path) -> None:
    history = await (await recorded(env, "retried_success")).fetch_history()
    path = tmp_path / "anew.json"
    path.write_text(history.to_json())
    await replayer(*WORKFLOWS).replay_workflow(WorkflowHistory.from_json("sync/demo", path.read_text()))
    assert happened(history)["open_attempt"] == happened(stored("retried_success"))["open_attempt"]
