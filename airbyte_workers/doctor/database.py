"""Checks of PostgreSQL: the server, and the schema of the job database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_workers.doctor import workers
from airbyte_workers.doctor.findings import Finding, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.database import DatabaseUnusable, reached
from airbyte_workers.store.database import Migration, MigrationError, migrate, migrations, pending_migrations

OLDEST = 13
"""The first PostgreSQL that has everything that the migrations use (gen_random_uuid)."""
_ASKED = """
select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
    pg_is_in_recovery() as is_standby, current_setting('max_connections')::int as connections,
    (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as used
"""


@dataclass(frozen=True)
class Server:
    """What a PostgreSQL says of itself."""

    version: str
    major: int
    is_standby: bool
    connections: int
    used: int


async def look_at_server(means: Means) -> Sequence[Finding]:
    try:
        db = await means.database.opened()
    except DatabaseUnusable as error:
        return [fault(str(error), "start it, or name the one that runs: DATABASE_URL=postgresql://user@host:5432/name")]
    told = await db.fetchrow(_ASKED)
    assert told is not None  # it has no `from`
    return judge_server(Server(**told), means.settings.database_pool_size)


def judge_server(server: Server, pool: int) -> Sequence[Finding]:
    """`pool`: connections that one Temporal worker process may take."""
    if server.is_standby:
        return [fault("it is a standby, which takes no writes", "let DATABASE_URL name the primary server")]
    if server.major < OLDEST:
        return [fault(f"PostgreSQL {server.version} is too old", f"use PostgreSQL {OLDEST} or newer")]
    left = server.connections - server.used
    if left < pool:
        return [
            warning(
                f"only {left} of {server.connections} connections are free; a Temporal worker takes up to {pool}",
                "raise max_connections, or lower AIRBYTE_WORKERS_DATABASE_POOL_SIZE",
            )
        ]
    return [ok(f"PostgreSQL {server.version}, {server.used} of {server.connections} connections in use")]


# --- the schema ---


async def look_at_migrations(means: Means) -> Sequence[Finding]:
    db = await means.database.through()
    try:
        pending = await pending_migrations(db)
    except MigrationError as error:
        seen, _, what_to_do = str(error).rpartition("; ")
        return [fault(seen, what_to_do)]
    in_use = bool(pending) and not means.embedded and await workers.at_work(db, means.settings.dataplane_sign_holds_s)
    return judge_migrations(pending, in_use=in_use)


def judge_migrations(pending: Sequence[Migration], *, in_use: bool) -> Sequence[Finding]:
    """A database that is ahead, or has other texts, has raised MigrationError before. `in_use`: Temporal workers are at
    work on it; where anything is missing they are of an older release, for ours migrate before they serve."""
    if not pending:
        newest = migrations()[-1]
        return [ok(f"up to date ({newest.version:04d} {newest.name})")]
    names = ", ".join(f"{each.version:04d} {each.name}" for each in pending)
    if in_use:
        seen = f"missing: {names}; Temporal workers of an older release are at work on this database"
        return [fault(seen, "upgrade them: a Temporal worker of this release migrates when it starts")]
    return [fault(f"missing: {names}", "start a Temporal worker, or: airbyte-workers db migrate", fixable=True)]


async def apply_migrations(means: Means) -> str:
    """What `look_at_migrations` called fixable: nobody's Temporal workers need the schema as it is."""
    async with reached(means.settings, size=2) as db:  # a migration may take longer than a look
        applied = await migrate(db)
    return f"applied {', '.join(f'{each.version:04d} {each.name}' for each in applied) or 'nothing'}"
