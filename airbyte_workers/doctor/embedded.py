"""The check of the embedded stack: whether it could start here, and what an earlier one left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, skipped, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import apart
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import LAYOUT, Home, read_versions
from airbyte_workers.runtime.stack.leftovers import end_leftovers, find_leftovers
from airbyte_workers.runtime.stack.lock import Hold, LockFile, is_owned
from airbyte_workers.runtime.stack.pg_binaries import installations
from airbyte_workers.runtime.stack.state import Phase, StackState
from airbyte_workers.runtime.stack.temporal import find_temporal


@dataclass(frozen=True)
class Remains:
    """What is there of a stack: whether a supervisor holds the lock, the servers that run, why none can start."""

    home: Path
    state: StackState | None
    is_owned: bool
    servers: Sequence[int]
    problem: str | None = None


async def look_at_stack(means: Means) -> Sequence[Finding]:
    if not means.embedded:
        raise Skip("TEMPORAL_ADDRESS and DATABASE_URL name another stack")
    try:
        return [judge_stack(await apart(lambda: _remains(means.home, means.stack)))]
    except PermissionError as error:
        seen = f"{means.home.path} cannot be looked into: {error.strerror}"
        return [fault(seen, "AIRBYTE_WORKERS_HOME must be a folder of this user")]


def _remains(home: Home, state: StackState | None) -> Remains:
    owned = home.stack_lock.exists() and is_owned(home.stack_lock)
    servers = () if owned else tuple(find_leftovers(home))
    return Remains(home.path, state, owned, servers, None if owned else _problem(home))


def _problem(home: Home) -> str | None:
    """Why none can start here."""
    try:
        known = read_versions(home)
        if known is not None and known.layout != LAYOUT:
            return f"{home.path} was made by another version of airbyte-workers"
        find_temporal()
        installations()
    except StackError as error:
        return str(error)
    return None


def judge_stack(seen: Remains) -> Finding:
    """A supervisor that was killed leaves its servers running: two Temporal servers on one file corrupt it."""
    if seen.is_owned:
        return _owned(seen)
    stale = f"stack.json of a supervisor that has gone (process {seen.state.owner.pid})" if seen.state else ""
    clean_up = "the next command that uses the stack cleans up, too"
    if seen.servers:
        pids = ", ".join(map(str, seen.servers))
        told = f"servers that nobody looks after run on {seen.home} (processes {pids})"
        return fault(f"{told}; {stale}" if stale else told, clean_up, fixable=True)
    if seen.problem:
        return fault(seen.problem, "what is missing: pip install 'airbyte-workers[embedded]'")
    if seen.state and seen.state.phase is Phase.FAILED:
        return warning(f"its last start failed: {seen.state.error}", f"see {seen.home}/logs/stack.log", fixable=True)
    if stale:
        return warning(stale, clean_up, fixable=True)
    return ok(f"it can start in {seen.home}")


def _owned(seen: Remains) -> Finding:
    if seen.state is None or not seen.state.owner.alive:
        return fault(
            f"{seen.home} is in use by a supervisor that cannot be seen from here (another container?)",
            "stop it, or set AIRBYTE_WORKERS_HOME to another folder",
        )
    if seen.state.phase is not Phase.READY:
        return skipped(f"it is {seen.state.phase} (process {seen.state.owner.pid}); look again in a moment")
    return ok(f"runs in {seen.home} (process {seen.state.owner.pid})")


async def clean_up(means: Means) -> str:
    """What the next start would do: end what a killed supervisor left, in order; the data stay."""
    home = means.home
    with await apart(lambda: LockFile(home.stack_lock)) as lock:
        if not lock.take(Hold.EXCLUSIVE):
            raise Skip("somebody starts the stack just now")
        ended = await end_leftovers(home)
        await apart(lambda: home.state_file.unlink(missing_ok=True))
    servers = f"ended {len(ended)} processes and " if ended else ""
    return f"{servers}removed {means.home.state_file}"
