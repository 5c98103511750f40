"""The tables of the job database, read from its migrations: without a server, so that pages can be made anywhere.

A test asks a real PostgreSQL for the same. Only what our migrations say is understood; anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

MIGRATIONS = Path(__file__).parents[2] / "airbyte_workers" / "store" / "migrations"
TYPES = {"int": "integer", "timestamptz": "timestamp with time zone"}

_COMMENT = re.compile(r"--[^\n]*")
_CREATE = re.compile(r"create table (\w+) \((.*)\)", re.DOTALL)
_ALTER = re.compile(r"alter table (\w+)\s+(.*)", re.DOTALL)
_DROP = re.compile(r"drop table (\w+)")
_COLUMN = re.compile(r"(?:add column )?(\w+)\s+(double precision|\w+(?:\[\])?)(.*)", re.DOTALL)
_CONSTRAINT = re.compile(r"(?:add )?(?:foreign key|unique|primary key \(([^)]*)\)|check)")
_NO_TABLES = re.compile(r"(?:create (?:unique )?index|insert into|update) ")


@dataclass(frozen=True)
class Column:
    type: str
    is_nullable: bool


Tables = dict[str, dict[str, Column]]


def tables() -> Tables:
    """Every table with its columns, after the last migration."""
    found: Tables = {}
    for file in sorted(MIGRATIONS.glob("*.sql")):
        for statement in _COMMENT.sub("", file.read_text(encoding="utf-8")).split(";"):
            _apply(found, statement.strip())
    return found


def _apply(found: Tables, statement: str) -> None:
    if created := _CREATE.fullmatch(statement):
        found[created[1]] = {}
        for part in _parts(created[2]):
            _define(found[created[1]], part)
    elif altered := _ALTER.fullmatch(statement):
        for part in _parts(altered[2]):
            _change(found[altered[1]], part)
    elif dropped := _DROP.fullmatch(statement):
        del found[dropped[1]]
    elif statement and not _NO_TABLES.match(statement):
        raise ValueError(f"a migration says what docs/generator/schema.py cannot read: {statement[:80]}")


def _define(columns: dict[str, Column], part: str) -> None:
    if constraint := _CONSTRAINT.match(part):
        for name in (constraint[1] or "").split(", ") if constraint[1] else ():
            columns[name] = replace(columns[name], is_nullable=False)
        return
    found = _COLUMN.fullmatch(part)
    if found is None:
        raise ValueError(f"a migration defines what docs/generator/schema.py cannot read: {part[:80]}")
    name, kind, rest = found.groups()
    columns[name] = Column(TYPES.get(kind, kind), not re.search(r"\b(not null|primary key)\b", rest))


def _change(columns: dict[str, Column], part: str) -> None:
    match part.split():
        case ["add", "column", *_] | ["add", "foreign", *_]:
            _define(columns, part)
        case ["drop", "column", name]:
            del columns[name]
        case ["alter", "column", name, "drop", "not", "null"]:
            columns[name] = replace(columns[name], is_nullable=True)
        case ["alter", "column", _, "set", "default", *_]:
            pass
        case _:
            raise ValueError(f"a migration changes what docs/generator/schema.py cannot read: {part[:80]}")


def _parts(text: str) -> Iterator[str]:
    """What commas separate that are not in brackets."""
    depth, begin = 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield text[begin:place].strip()
            begin = place + 1
    yield text[begin:].strip()
