"""Run a piece of a Python program as a page shows it: `await` may stand outside of functions, `client` is there."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from pathlib import Path

from airbyte_workers.client import Client


async def main(source: str) -> None:
    code = compile(source, "fragment", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with Client.connect() as client:
        running = eval(code, {"client": client})
        if inspect.isawaitable(running):
            await running


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(encoding="utf-8")))
