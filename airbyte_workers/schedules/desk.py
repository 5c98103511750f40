"""Schedules of connections, as the client has them: made, changed, looked at, paused, run at once, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.client import ScheduleUpdate, ScheduleUpdateInput

from airbyte_workers.inputs import checked
from airbyte_workers.schedules.access import Access, unknown
from airbyte_workers.schedules.asking import asked, matching_times
from airbyte_workers.schedules.looking import connection_of
from airbyte_workers.schedules.making import put
from airbyte_workers.schedules.notes import Note, turned
from airbyte_workers.schedules.planning import planned
from airbyte_workers.schedules.timings import jitter_s_of, timing_of
from airbyte_workers.schedules.triggering import Trigger
from airbyte_workers.schedules.values import (
    Deleted,
    Preview,
    ScheduleOrder,
    ScheduleView,
    Times,
    Triggered,
    Turn,
    Window,
)
from airbyte_workers.store import schedules


@dataclass(frozen=True)
class Schedules:
    """The schedules of one Temporal namespace. A connection's name or a schedule's id says which one is meant."""

    access: Access

    async def create(self, order: ScheduleOrder | Mapping[str, Any], *, replace: bool = False) -> ScheduleView:
        """Make a connection's schedule, or with `replace` change the one it has.

        Raises InvalidInput (also for a connection that is not stored), ScheduleExists, DatabaseUnusable.
        """
        wanted = checked(ScheduleOrder, order)
        await put(self.access, wanted, replacing=replace)
        return await self.show(wanted.connection)

    async def list(self) -> Sequence[ScheduleView]:
        """Every schedule that starts ScheduledSync, whoever made it. Raises DatabaseUnusable."""
        found = await self.access.all()
        await self.access.forget_deleted(found)
        views = await self.access.views(found)
        return sorted(views, key=lambda view: (view.connection or "", view.schedule_id))

    async def show(self, name: str) -> ScheduleView:
        """One schedule. Raises UnknownSchedule, InvalidInput (not ours), DatabaseUnusable."""
        for view in await self.access.views([await self.access.find(name)]):
            return view
        raise unknown(name)  # deleted while it was looked at

    async def preview(
        self, which: Times | Mapping[str, Any] | str, window: Window | Mapping[str, Any] | None = None
    ) -> Preview:
        """When a schedule runs: one that exists (by its name), or one that does not yet. Raises as `show`, `create`."""
        chosen = checked(Window, window or {})
        first, last = chosen.span(datetime.now(UTC))
        found = await (self._told(which, first, last) if isinstance(which, str) else self._tried(which, first, last))
        return found.model_copy(update={"runs": found.runs[: chosen.count]})

    async def _told(self, name: str, first: datetime, last: datetime) -> Preview:
        found = await self.access.find(name)
        runs = await matching_times(self.access.client, found.id, first, last)
        spec = found.schedule.spec
        return Preview(timing=timing_of(spec), jitter_s=jitter_s_of(spec), exact=True, runs=tuple(runs))

    async def _tried(self, times: Times | Mapping[str, Any], first: datetime, last: datetime) -> Preview:
        """Without jitter: how far each run moves depends on the schedule's id."""
        now = datetime.now(UTC)
        plan = await planned(self.access.client, checked(Times, times), self.access.jitter, now)
        spec = replace(plan, jitter_s=0).anchored(now)
        async with asked(self.access.client, spec) as question:
            runs = await question.times(first, last)
        return Preview(
            timing=plan.timing,
            jitter_s=plan.jitter_s,
            exact=plan.jitter_s == 0,
            at_once=plan.timing.every_s is not None,
            runs=tuple(runs),
        )

    async def pause(self, name: str, *, reason: str = "", by: str = "") -> ScheduleView:
        """No run any more until it is resumed; what runs goes on. Raises as `show`."""
        why = checked(Turn, {"by": by, "reason": reason})
        return await self._turned(name, paused=True, line=turned("paused", why.by, why.reason))

    async def resume(self, name: str, *, reason: str = "", by: str = "") -> ScheduleView:
        """Runs from the next time on; those that were due meanwhile are not made up for. Raises as `show`."""
        why = checked(Turn, {"by": by, "reason": reason})
        return await self._turned(name, paused=False, line=turned("resumed", why.by, why.reason))

    async def _turned(self, name: str, *, paused: bool, line: str) -> ScheduleView:
        """By an update, which leaves its time behind: Temporal's own pause does not. The person's note stays."""
        found = await self.access.find(name)

        def change(input: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule = input.description.schedule
            note = replace(Note.of(schedule.state.note), turned=line)
            return ScheduleUpdate(replace(schedule, state=replace(schedule.state, paused=paused, note=note.stored)))

        await self.access.client.get_schedule_handle(found.id).update(change)
        after = await self.access.described(found.id)
        for view in await self.access.views([after] if after is not None else []):
            return view
        raise unknown(name)

    async def trigger(self, name: str) -> Triggered:
        """One run now, and what became of it within a short wait (a setting). Raises as `show`."""
        found = await self.access.find(name)
        wait_s = self.access.settings.schedule_trigger_wait_s
        return await Trigger(self.access.client, await self.access.database(), found, wait_s).pulled()

    async def delete(self, name: str) -> Deleted:
        """No run any more; jobs, state and the connection stay, and what runs goes on. Raises as `show`."""
        found = await self.access.find(name)
        connection, db = connection_of(found), await self.access.database()
        await self.access.client.get_schedule_handle(found.id).delete()
        await schedules.forget_skips(db, found.id)
        live = await schedules.live_job(db, connection) if connection is not None else None
        return Deleted(schedule_id=found.id, connection=connection, job_id=live.id if live is not None else None)
