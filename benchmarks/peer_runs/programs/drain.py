"""Drains its input in large blocks, counts the records, answers every state; at the end it says how its parent is.

Nothing is decoded but Singer's states, so it keeps up with any relay and the relay is what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

_BLOCK_BYTES = 1 << 20
_RECORD, _STATE = b'\n{"type":"RECORD"', b'\n{"type":"STATE"'


def main() -> None:
    """Drain to the end, then write the figures to the file that the environment names."""
    singer = sys.argv[1] == "singer"
    records, rest = 0, b"\n"
    while block := os.read(0, _BLOCK_BYTES):
        whole, newline, tail = (rest + block).rpartition(b"\n")
        rest = newline + tail
        records += whole.count(_RECORD)
        _answer(whole, singer)
    parent = Path(f"/proc/{os.getppid()}")
    figures = {
        "ended_at": time.time(),
        "records": records,
        "parents_stat": (parent / "stat").read_text(),
        "parents_status": (parent / "status").read_text(),
    }
    Path(os.environ["PEER_RUNS_DRAINED"]).write_text(json.dumps(figures))


def _answer(whole: bytes, singer: bool) -> None:
    """States come back as each form wants it: a whole message, or the bare value."""
    at = whole.find(_STATE)
    while at >= 0:
        end = whole.find(b"\n", at + 1)
        line = whole[at + 1 : end if end >= 0 else None]
        answer = json.dumps(json.loads(line)["value"]).encode() if singer else line
        os.write(1, answer + b"\n")
        at = whole.find(_STATE, at + len(line))


if __name__ == "__main__":
    main()
