"""Catalogs as rows: what sources said they have, and what connections sync."""

from __future__ import annotations

import asyncpg

from airbyte_workers.protocol.messages import ConfiguredCatalog, parse
from airbyte_workers.store.database import Database


async def store_discovered(db: asyncpg.Pool, fingerprint: str, sha256: str, catalog: str) -> int:
    """Keep what a source with this config was found to have."""
    catalog_id: int = await db.fetchval(
        "insert into catalogs (kind, fingerprint, sha256, catalog) values ('discovered', $1, $2, $3) returning id",
        fingerprint,
        sha256,
        catalog,
    )
    return catalog_id


async def find_discovered(db: asyncpg.Pool, fingerprint: str, *, minutes: float) -> str | None:
    """The newest catalog discovered within the window; None when there is none."""
    catalog: str | None = await db.fetchval(
        """
        select catalog from catalogs where kind = 'discovered' and fingerprint = $1
            and created_at > now() - make_interval(secs => $2) order by created_at desc limit 1
        """,
        fingerprint,
        minutes * 60,
    )
    return catalog


async def read(db: Database, catalog_id: int) -> str:
    """The catalog's JSON. Raises LookupError."""
    catalog: str | None = await db.fetchval("select catalog from catalogs where id = $1", catalog_id)
    if catalog is None:
        raise LookupError(f"there is no catalog {catalog_id}")
    return catalog


async def configured(db: Database, catalog_id: int) -> ConfiguredCatalog:
    """What a job syncs. Raises LookupError."""
    return parse(ConfiguredCatalog, (await read(db, catalog_id)).encode())


async def synced_last(db: Database, connection_id: int) -> ConfiguredCatalog | None:
    """What the connection syncs; None when it never came so far as to have a catalog."""
    catalog: str | None = await db.fetchval(
        """
        select catalogs.catalog from connections join catalogs on catalogs.id = connections.catalog_id
        where connections.id = $1
        """,
        connection_id,
    )
    return parse(ConfiguredCatalog, catalog.encode()) if catalog is not None else None


async def store_spec(db: asyncpg.Pool, image: str, spec: str) -> None:
    """Keep what an image says of itself."""
    await db.execute(
        """
        insert into specs (fingerprint, spec) values ($1, $2)
        on conflict (fingerprint) do update set spec = excluded.spec, created_at = now()
        """,
        image,
        spec,
    )


async def find_spec(db: asyncpg.Pool, image: str) -> str | None:
    """What the image said of itself before; None when it has not been asked."""
    spec: str | None = await db.fetchval("select spec from specs where fingerprint = $1", image)
    return spec
