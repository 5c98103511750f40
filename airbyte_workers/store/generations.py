"""Generations of streams: what tells a destination which of its data is of an older full read.

Rules: airbyte-behaviour.md 1.6.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from airbyte_workers.protocol.catalog import StreamKey, key_of
from airbyte_workers.protocol.messages import ConfiguredCatalog, ConfiguredStream


async def begin(
    session: asyncpg.pool.PoolConnectionProxy, connection_id: int, job_id: int, streams: Sequence[StreamKey]
) -> None:
    """Start a new generation of each stream and forget its state: everything will be read again."""
    for name, namespace in streams:
        await session.execute(
            """
            insert into stream_generations (connection_id, stream, namespace, generation_id, start_job_id)
            select $1, $2, $3, coalesce(max(generation_id), 0) + 1, $4 from stream_generations
            where connection_id = $1 and stream = $2 and namespace is not distinct from $3
            """,
            connection_id,
            name,
            namespace,
            job_id,
        )
        await session.execute(
            """
            delete from states where connection_id = $1 and type = 'STREAM' and stream = $2
                and namespace is not distinct from $3
            """,
            connection_id,
            name,
            namespace,
        )


async def current(db: asyncpg.Pool, connection_id: int) -> dict[StreamKey, int]:
    """The newest generation of every stream that has one."""
    rows = await db.fetch(
        """
        select stream, namespace, max(generation_id) as generation from stream_generations
        where connection_id = $1 group by stream, namespace
        """,
        connection_id,
    )
    return {(row["stream"], row["namespace"]): row["generation"] for row in rows}


def stamped(catalog: ConfiguredCatalog, generations: dict[StreamKey, int], sync_id: int) -> ConfiguredCatalog:
    """The catalog as the destination gets it: with generations and the sync's id."""
    streams = [_stamped(each, generations.get(key_of(each.stream), 0), sync_id) for each in catalog.streams]
    return msgspec.structs.replace(catalog, streams=streams)


def full_refresh_streams(catalog: ConfiguredCatalog) -> list[StreamKey]:
    """The streams that every attempt reads from their beginning."""
    return [key_of(each.stream) for each in catalog.streams if each.sync_mode == "full_refresh"]


def _stamped(configured: ConfiguredStream, generation: int, sync_id: int) -> ConfiguredStream:
    """Data of older generations goes when the whole stream is replaced; else every generation stays."""
    replaces = configured.sync_mode == "full_refresh" and configured.destination_sync_mode.startswith("overwrite")
    return msgspec.structs.replace(
        configured,
        generation_id=generation,
        minimum_generation_id=generation if replaces else 0,
        sync_id=sync_id,
    )
