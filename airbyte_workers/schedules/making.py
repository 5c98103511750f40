"""A schedule as Temporal is given it, made or changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from airbyte_workers.names import SCHEDULED_SYNC, WORKFLOW_QUEUE, schedule_id, scheduled_workflow_id
from airbyte_workers.runs import InvalidInput
from airbyte_workers.schedules.access import Access, ours
from airbyte_workers.schedules.notes import Note
from airbyte_workers.schedules.planning import Plan, planned
from airbyte_workers.schedules.timings import seconds_of, timing_of
from airbyte_workers.schedules.values import ScheduleOrder
from airbyte_workers.store import schedules
from airbyte_workers.store.schedules import Known


class ScheduleExists(InvalidInput):
    """The connection has a schedule already."""


@dataclass(frozen=True)
class Beginning:
    """From when an interval beats, and whether its first run comes at once."""

    anchor: datetime
    at_once: bool = False


def beginning(wanted: ScheduleOrder, every_s: int | None, previous: datetime | None, now: datetime) -> Beginning:
    """Upstream's rule for intervals: at once without a previous scheduled job, else so long after it, never before now.

    `previous`: when the last job was opened that a schedule of this connection started.
    """
    if every_s is None:
        return Beginning(now)
    if previous is not None and now - previous < timedelta(seconds=every_s):
        return Beginning(previous)
    return Beginning(now, at_once=wanted.first_run and not wanted.paused)


async def put(access: Access, wanted: ScheduleOrder, *, replacing: bool) -> None:
    """Make the connection's schedule, or change the one that it has. Raises InvalidInput, ScheduleExists."""
    known = await access.stored(wanted.connection)
    now = datetime.now(UTC)
    plan = await planned(access.client, wanted.times, access.jitter, now)
    begin = beginning(wanted, plan.timing.every_s, _previous(known), now)
    made = _schedule(access, wanted, plan, begin.anchor)
    id = schedule_id(wanted.connection)
    found = await access.described(id)
    if found is None:
        await _make(access, wanted.connection, made, begin)
    elif replacing:
        await _replace(access, ours(found), made, begin)
    else:
        raise _exists(wanted.connection, timing_of(ours(found).schedule.spec).what)


async def _make(access: Access, connection: str, made: Schedule, begin: Beginning) -> None:
    id = schedule_id(connection)
    await schedules.forget_skips(await access.database(), id)
    try:
        await access.client.create_schedule(id, made, trigger_immediately=begin.at_once)
    except ScheduleAlreadyRunningError:  # somebody was faster
        found = await access.described(id)
        there = found.schedule if found is not None else made
        raise _exists(connection, timing_of(there.spec).what) from None


async def _replace(access: Access, found: ScheduleDescription, made: Schedule, begin: Beginning) -> None:
    """What runs goes on, what was counted stays, and a paused one stays paused."""
    handle = access.client.get_schedule_handle(found.id)

    def change(input: ScheduleUpdateInput) -> ScheduleUpdate:
        before = input.description.schedule.state
        paused, had = made.state.paused or before.paused, Note.of(before.note)
        note = Note(made.state.note or had.kept, had.turned if paused == before.paused else "")
        return ScheduleUpdate(replace(made, state=ScheduleState(paused=paused, note=note.stored)))

    await handle.update(change)
    if begin.at_once and not found.schedule.state.paused:
        await handle.trigger()


def _schedule(access: Access, wanted: ScheduleOrder, plan: Plan, anchor: datetime) -> Schedule:
    catch_up_s = seconds_of(wanted.catch_up) if wanted.catch_up else access.settings.schedule_catch_up_s
    action = ScheduleActionStartWorkflow(
        SCHEDULED_SYNC,
        {"connection": wanted.connection},
        id=scheduled_workflow_id(wanted.connection),
        task_queue=WORKFLOW_QUEUE,
        static_summary=f"scheduled sync of {wanted.connection}",
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(seconds=catch_up_s))
    state = ScheduleState(paused=wanted.paused, note=wanted.note or None)
    return Schedule(action=action, spec=plan.anchored(anchor), policy=policy, state=state)


def _previous(known: Known) -> datetime | None:
    return known.last.created_at if known.last is not None else None


def _exists(connection: str, what: str) -> ScheduleExists:
    return ScheduleExists(
        f"connection {connection} has a schedule already ({what}); change it with --replace, or see:"
        f" airbyte-workers schedule show {connection}"
    )
