"""A source that says a file again, byte for byte, and a destination that keeps its input as it came.

`python e2e_replay.py spec|check|discover|read|write ...`; alone in its file and without any import of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

SCHEMA = {
    "type": "object",
    "required": ["path"],
    "properties": {"path": {"type": "string"}, "streams": {"type": "array", "items": {"type": "object"}}},
}
MODES = {"supportsIncremental": True, "supported_destination_sync_modes": ["append", "overwrite"]}


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")


def read(path: Path) -> None:
    """The file as it is: no line of it is read."""
    with path.open("rb") as lines:
        shutil.copyfileobj(lines, sys.stdout.buffer)


def write(path: Path) -> None:
    """Every line goes into the file; a state is echoed once all before it is there."""
    with path.open("wb") as kept:
        for line in sys.stdin.buffer:
            kept.write(line)
            if json.loads(line)["type"] == "STATE":
                kept.flush()
                os.write(1, line)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("spec", "check", "discover", "read", "write"))
    for name in ("config", "catalog", "state"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_bytes()) if arguments.config is not None else {}
    if arguments.command == "spec":
        send(type="SPEC", spec={"connectionSpecification": SCHEMA, **MODES})
    elif arguments.command == "check":
        send(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    elif arguments.command == "discover":
        send(type="CATALOG", catalog={"streams": config["streams"]})
    else:
        {"read": read, "write": write}[arguments.command](Path(config["path"]))


if __name__ == "__main__":
    main()
