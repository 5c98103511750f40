"""PostgreSQL: the pool, and migrations applied on start under an advisory lock."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources

import asyncpg

Session = asyncpg.pool.PoolConnectionProxy
"""One connection, while somebody holds it: statements follow one another, in one transaction if there is one."""
Database = asyncpg.Pool | Session
"""What a single query can be asked of."""
MIGRATION_LOCK = 0x41425F574B  # "AB_WK": one migrating process at a time, whoever starts first
_WORKS_WITH = re.compile(r"-- works with (\d{4})\n")
_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_TABLE = """
create table if not exists schema_migrations (
    version     int primary key,
    name        text not null,
    checksum    text not null,
    applied_at  timestamptz not null default now()
);
alter table schema_migrations add column if not exists works_with int
"""


_AWAY = frozenset({"08", "53", "57", "58", "40"})  # SQLSTATE classes: connection, resources, operator, system, rollback
_DEMOTED = frozenset({"25006", "25P03"})  # a server that became a standby, or ended a session that waited


def is_away(error: Exception) -> bool:
    """Whether a statement failed because of the database's condition, not of its own: the same may work later."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _AWAY or state in _DEMOTED
    lost = (asyncpg.InterfaceError, asyncpg.InternalClientError)  # a connection that broke between two steps
    return isinstance(error, OSError | TimeoutError) or type(error) in lost


class MigrationError(Exception):
    """The database's schema is not one that this version can work with."""


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def works_with(self) -> int | None:
        """The oldest version whose code goes on working after it: of releases side by side the older one may start."""
        said = _WORKS_WITH.match(self.sql)
        return int(said[1]) if said else None


@asynccontextmanager
async def connected(url: str, *, size: int, timeout: float) -> AsyncIterator[asyncpg.Pool]:
    """A pool for one process; `timeout` bounds each statement, seconds."""
    async with asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=timeout,
        timeout=timeout,
        server_settings={"application_name": "airbyte-workers"},
        init=_speak_json,
    ) as pool:
        yield pool


async def _speak_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


def migrations() -> Sequence[Migration]:
    """The migrations of this version, in order."""
    folder = resources.files("airbyte_workers.store") / "migrations"
    found = [(match, entry) for entry in folder.iterdir() if (match := _NAME.match(entry.name))]
    ordered = [Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")) for match, entry in found]
    return sorted(ordered, key=lambda migration: migration.version)


async def migrate(pool: asyncpg.Pool) -> Sequence[Migration]:
    """Apply what is missing, each migration in a transaction of its own; returns what was applied.

    Raises MigrationError when the database holds what this version does not know, or another text of what it knows.
    """
    async with pool.acquire() as connection:
        await connection.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            await connection.execute(_TABLE)
            pending = await _pending(connection)
            for migration in pending:
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(
                        "insert into schema_migrations (version, name, checksum, works_with) values ($1, $2, $3, $4)",
                        migration.version,
                        migration.name,
                        migration.checksum,
                        migration.works_with,
                    )
            return pending
        finally:
            await connection.execute("select pg_advisory_unlock($1)", MIGRATION_LOCK)


async def pending_migrations(pool: asyncpg.Pool) -> Sequence[Migration]:
    """What `migrate` would apply. Raises MigrationError as it does."""
    async with pool.acquire() as connection:
        exists = await connection.fetchval("select to_regclass('schema_migrations') is not null")
        return await _pending(connection) if exists else migrations()


async def _pending(connection: Session) -> Sequence[Migration]:
    applied = {row["version"]: row for row in await connection.fetch("select * from schema_migrations")}
    known = {migration.version: migration for migration in migrations()}
    for version, row in sorted(applied.items()):
        if version not in known:
            if (row.get("works_with") or version) <= max(known):
                continue
            raise MigrationError(
                f"the database has migration {version} ({row['name']}), which this version does not know:"
                " it was used by a newer airbyte-workers; upgrade, or use another database"
            )
        if known[version].checksum != row["checksum"]:
            raise MigrationError(
                f"migration {version} ({row['name']}) was applied with another text than this version has:"
                " the database belongs to a different build; use another database or that build"
            )
    return [migration for version, migration in sorted(known.items()) if version not in applied]
