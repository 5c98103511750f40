"""Generations of streams as rows: what tells a destination which of its data is of an older full read.

The rules are in `protocol/generations.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.store import states
from airbyte_workers.store.database import Session
from airbyte_workers.store.state_changes import Writer


async def begin(session: Session, writer: Writer, streams: Sequence[StreamKey], *, whole: bool = False) -> None:
    """Start a new generation of each stream and forget its state: everything will be read again.

    `whole`: these are all the streams of the connection (see `states.forget`).
    """
    for name, namespace in streams:
        await session.execute(
            """
            insert into stream_generations (connection_id, stream, namespace, generation_id, start_job_id)
            select $1, $2, $3, coalesce(max(generation_id), 0) + 1, $4 from stream_generations
            where connection_id = $1 and stream = $2 and namespace is not distinct from $3
            """,
            writer.connection_id,
            name,
            namespace,
            writer.job_id,
        )
    await states.forget(session, writer, streams, whole=whole)


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
