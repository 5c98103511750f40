"""A schedule in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from airbyte_workers.names import schedule_id
from airbyte_workers.quantities import duration
from airbyte_workers.schedules.asking import MOST_TIMES
from airbyte_workers.schedules.timings import Timing, machine_zone, span_words, zone_of
from airbyte_workers.schedules.values import LastRun, LiveRun, ScheduleView, SkipCounts

SHOWN_RUNS = 5


def clock(at: datetime, zone: ZoneInfo) -> str:
    """A moment on the clock of a zone, with its distance to UTC: on two days a year the time alone can be two."""
    local = at.astimezone(zone)
    offset = f"{local:%z}"
    return f"{local:%a %Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:]}"


def run_lines(runs: Sequence[datetime], timing: Timing) -> Iterator[str]:
    """Runs in the schedule's zone, and in the machine's where that is another."""
    here = machine_zone()
    for run in runs:
        line = clock(run, _zone(timing))
        yield line if here == timing.timezone else f"{line}   ({clock(run, zone_of(here))} {here})"


def named(view: ScheduleView) -> str:
    """The connection, and the id of a schedule that was made by hand."""
    if view.connection is None:
        return view.schedule_id
    usual = view.schedule_id == schedule_id(view.connection)
    return view.connection if usual else f"{view.connection} ({view.schedule_id})"


def when(view: ScheduleView) -> str:
    """`every 6h`, `0 3 * * * (Europe/Berlin)`."""
    return view.timing.what


def spread(jitter_s: float) -> str:
    return f"each run moves within {span_words(jitter_s)}, by the schedule's name" if jitter_s else "none"


def state(view: ScheduleView) -> str:
    """One word or a sentence: what a person must know first."""
    if view.trouble is not None:
        return f"broken; {_pause(view)}" if view.paused else "broken"
    if view.paused:
        return _pause(view)
    if view.overdue is not None:
        return f"overdue since {view.overdue.since.astimezone():%Y-%m-%d %H:%M:%S}"
    return "active"


def _pause(view: ScheduleView) -> str:
    """By whom and why; a pause of Temporal's own puts that in the place of the note."""
    if view.turned.startswith("paused"):
        return view.turned
    return f"paused: {view.note}" if view.note else "paused"


def last(run: LastRun | None) -> str:
    if run is None:
        return ""
    if run.job_id is None:
        busy = f"job {run.skipped_for} was running" if run.skipped_for is not None else "a job was running"
        return f"skipped, {busy}"
    return f"job {run.job_id} {run.status}"


def live(run: LiveRun) -> str:
    """`job 12 runs since 2026-11-27 03:00:00; 4 runs skipped meanwhile`."""
    job = f"job {run.job_id}" if run.job_id is not None else "a run that has no job yet"
    whose = "" if run.is_scheduled else " (not by its schedule)"
    skipped = f"; {_many(run.skipped)} skipped meanwhile" if run.skipped else ""
    return f"{job}{whose} runs since {run.since.astimezone():%Y-%m-%d %H:%M:%S}{skipped}"


def skips(counts: SkipCounts) -> str:
    """How many runs did not come, and why."""
    parts = (
        (counts.overlap, "the run before was not over"),
        (counts.busy, "another job ran"),
        (counts.missed, "Temporal was away for longer than the catch-up window"),
    )
    return "; ".join(f"{count:,}: {why}" for count, why in parts if count) or "0"


def _many(runs: int) -> str:
    if runs >= MOST_TIMES:
        return f"{MOST_TIMES:,} or more runs"
    return "1 run" if runs == 1 else f"{runs:,} runs"


def _zone(timing: Timing) -> ZoneInfo:
    try:
        return zone_of(timing.timezone)
    except ValueError:  # made elsewhere, with a zone that this machine does not know
        return ZoneInfo("UTC")


def page(view: ScheduleView) -> Iterator[tuple[str, str]]:
    """Everything, as pairs of a title and what is said."""
    yield "connection", view.connection or "none"
    yield "schedule", view.schedule_id
    yield "runs", when(view)
    yield "jitter", spread(view.jitter_s)
    yield "catch-up", f"runs that Temporal could not start are made up for {span_words(view.catch_up_s)}"
    yield "state", state(view)
    if view.turned and not view.paused:
        yield "changed", view.turned
    if view.note and (view.turned or not view.paused):
        yield "note", view.note
    if view.live is not None:
        yield "now", live(view.live)
    if view.last is not None:
        yield "last run", f"{last(view.last)}, {_ago(view.last.at)}"
    yield "skipped", skips(view.skips)
    yield from warnings(view)


def warnings(view: ScheduleView) -> Iterator[tuple[str, str]]:
    """What is wrong, and what to do."""
    if view.overdue is not None:
        yield "overdue", f"{view.overdue.why}; {view.overdue.advice}"
    if view.trouble is not None:
        yield "broken", view.trouble


def _ago(at: datetime) -> str:
    return f"{duration(max(0.0, (datetime.now(at.tzinfo) - at).total_seconds()))} ago"
