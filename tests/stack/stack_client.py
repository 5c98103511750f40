"""A client in a process of its own: says what it got, leaves when its input ends, says so."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from airbyte_workers.runtime.stack import connected_stack
from airbyte_workers.settings import Settings


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def main(home: Path, program: str) -> None:
    async with connected_stack(
        Settings(home=home, stack_start_timeout_s=60), program=[sys.executable, program]
    ) as stack:
        say(json.dumps(dataclasses.asdict(stack), default=str))
        await asyncio.to_thread(sys.stdin.read)
    say("left")


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
