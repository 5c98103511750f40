"""What is moved: made-up records of one size, and the words that make source-synthetic send them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STREAM = "stream_0"
STATE_EVERY = 10_000


@dataclass(frozen=True)
class Workload:
    """So many records with `record_bytes` of data each."""

    record_bytes: int
    records: int

    @property
    def name(self) -> str:
        """How the tables call it."""
        return "1 kB" if self.record_bytes == 1000 else f"{self.record_bytes} B"

    @property
    def config(self) -> dict[str, int]:
        """The config of source-synthetic."""
        return {"records": self.records, "record_bytes": self.record_bytes, "state_every": STATE_EVERY}

    def read_command(self, folder: Path) -> list[str]:
        """The source on its own, reading its files from `folder`."""
        config, catalog = folder / f"config-{self.record_bytes}.json", folder / "catalog.json"
        config.write_text(json.dumps(self.config))
        catalog.write_text(json.dumps(CATALOG))
        return [program("source-synthetic"), "read", "--config", str(config), "--catalog", str(catalog)]


CATALOG: dict[str, Any] = {
    "streams": [
        {
            "stream": {
                "name": STREAM,
                "json_schema": {"type": "object"},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
    ]
}


def program(name: str) -> str:
    """A program that was installed beside this Python."""
    return str(Path(sys.executable).with_name(name))
