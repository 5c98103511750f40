"""The page of tables is read from the migrations; PostgreSQL itself has just these columns, with these types."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from docs.generator import schema
from docs.generator.schema import Column, Tables, tables


async def test_postgresql_has_the_tables_that_are_read_from_the_migrations(db: asyncpg.Pool) -> None:
    rows = await db.fetch(
        """
        select relname, attname, format_type(atttypid, atttypmod) as type, not attnotnull as is_nullable
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
        """
    )
    there: Tables = {}
    for row in rows:
        there.setdefault(row["relname"], {})[row["attname"]] = Column(row["type"], row["is_nullable"])
    assert there.pop("schema_migrations", None), "where migrations are noted is made before them"
    assert tables() == there


@pytest.mark.parametrize(
    "statement",
    [
        "create view lately as select 1",
        "create table odd as select 1",
        "alter table jobs rename column launcher to starter",
        "alter table jobs alter column launcher type int",
    ],
)
def test_what_it_cannot_read_is_an_error(statement: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)
    (tmp_path / "0001.sql").write_text(f"create table jobs (launcher text);\n{statement};\n")
    with pytest.raises(ValueError, match="cannot read"):
        tables()
