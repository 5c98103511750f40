"""Locks of this host end with their holder, however it ends: no flag is left that somebody would have to take away."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from airbyte_workers.pods.locks import exclusive

HOLDING = """
import asyncio, sys
from pathlib import Path
from airbyte_workers.pods.locks import exclusive

async def hold():
    async with exclusive(Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


async def test_a_lock_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "pod.lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDING, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), exclusive(path):
            pass
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(30), exclusive(path):
        assert path.exists()
