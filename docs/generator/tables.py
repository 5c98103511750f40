"""The page of the job database's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from docs.generator.markdown import table, title
from docs.generator.schema import Column, tables
from docs.generator.table_meanings import TABLES

INTRO = (
    "What PostgreSQL keeps after the last migration (`airbyte_workers/store/migrations/`). Read it as you like, with a "
    "user that may only read; change it through [the command line](cli.md) or the Python client alone: the rules that "
    "make states and histories right are in the code. Columns come and go with releases: what is to last should ask "
    "`jobs list -o json` and its like.\n\n"
    "Sealed columns are encrypted with the key of the Temporal workers ([Keep secrets](../how-to/keep-secrets.md)). "
    "Attempts count from 0 here, and from 1 everywhere else. A stream without a namespace has null there."
)


def tables_page() -> str:
    """Every table with its columns. Raises KeyError for one that nobody has explained, or that is gone."""
    found = tables()
    _require_same("tables", found, TABLES)
    parts = [title("Tables"), INTRO]
    for name, (meaning, columns) in TABLES.items():
        _require_same(f"columns of {name}", found[name], columns)
        rows = list(_rows(found[name], columns))
        parts += [f"## {name}", meaning, table(("column", "type", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _require_same(what: str, there: Mapping[str, object], explained: Mapping[str, object]) -> None:
    if there.keys() != explained.keys():
        differ = sorted(there.keys() ^ explained.keys())
        raise KeyError(f"{what} and what docs/generator/table_meanings.py says of them differ: {differ}")


def _rows(columns: Mapping[str, Column], meanings: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, meaning in meanings.items():
        column = columns[name]
        yield f"`{name}`", f"{column.type} or null" if column.is_nullable else column.type, meaning
