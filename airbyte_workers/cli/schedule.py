"""`airbyte-workers schedule`: syncs that start by themselves."""

from __future__ import annotations

import click

from airbyte_workers.cli.groups import LazyGroup, Place

_PLACES = {
    "create": Place(
        "schedule_make", "create", "Sync a CONNECTION at an interval or by cron; it must have been synced once."
    ),
    "list": Place("schedule_list", "list_schedules", "List schedules: when, the last run, the next, what is wrong."),
    "show": Place("schedule_show", "show_schedule", "Show one schedule and where it stands."),
    "preview": Place(
        "schedule_preview", "preview", "Show when a CONNECTION's schedule runs, or one that is not made yet."
    ),
    "pause": Place("schedule_turn", "pause", "Start no runs until the schedule is resumed; what runs goes on."),
    "resume": Place("schedule_turn", "resume", "Start runs again, from the next time on."),
    "trigger": Place("schedule_trigger", "trigger", "Run a schedule now, and say which job that became."),
    "delete": Place("schedule_turn", "delete", "Delete a schedule; the connection and its jobs stay."),
}


@click.group(cls=LazyGroup, places=_PLACES)
def schedule() -> None:
    """Sync connections by themselves: at an interval or by cron, paused, resumed, looked at."""
