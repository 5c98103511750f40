"""Record histories anew, all or those that are named: `python tests/workflows/record_histories.py [NAME...]`.

After a change that an old history cannot be replayed with: guard it by `workflow.patched`, keep the old history under a
name of its own, and record the new one. Recording over it instead stops every sync that runs during an upgrade.
"""

from __future__ import annotations

import asyncio
import json
import sys

from recordings import FOLDER, RECORDINGS, recorded, server_for


async def record(name: str) -> None:
    async with await server_for(name) as env:
        history = await (await recorded(env, name)).fetch_history()
    body = json.dumps(json.loads(history.to_json()), indent=1)
    path = FOLDER / f"{name}.json"
    path.write_text(body + "\n")
    sys.stdout.write(f"{path}: {len(history.events)} events, {len(body):,} bytes\n")


async def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or RECORDINGS:
        await record(name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
