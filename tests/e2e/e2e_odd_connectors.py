"""Connectors that are odd in ways that `demo_connectors.misbehaving` does not know: `e2e_odd_connectors.py WAY ...`.

It imports nothing but the standard library: whatever grows in it is its own doing.
"""

import json
import os
import sys
import time
from pathlib import Path

WAY, COMMAND, *OPTIONS = [*sys.argv[1:], "", ""][: max(2, len(sys.argv) - 1)]
GIVEN = dict(zip(OPTIONS[::2], OPTIONS[1::2], strict=False))
IS_SOURCE = "destination" not in WAY
PROPERTIES = {"count": {"type": "integer"}, "api_key": {"type": "string"}}
BLOCK = "x" * 4096


def say(kind, **body):
    sys.stdout.write(json.dumps({"type": kind, **body}) + "\n")
    sys.stdout.flush()


def config():
    return json.loads(Path(GIVEN["--config"]).read_text())


def spec():
    if WAY == "endless-spec":
        while True:
            say("LOG", log={"level": "INFO", "message": "thinking"})
            time.sleep(0.05)
    schema = {"type": "object", "properties": PROPERTIES, "required": ["count"], "additionalProperties": False}
    modes = {} if IS_SOURCE else {"supported_destination_sync_modes": ["append"]}
    say("SPEC", spec={"connectionSpecification": schema, **modes})


def check():
    count = config()["count"]  # without a count it crashes
    told = {"status": "FAILED", "message": f"api_key={config().get('api_key')} refused"}
    say("CONNECTION_STATUS", connectionStatus=told if count < 0 else {"status": "SUCCEEDED"})


def discover():
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}}
    say(
        "CATALOG",
        catalog={"streams": [{"name": "rows", "json_schema": schema, "supported_sync_modes": ["full_refresh"]}]},
    )


def read():
    kept, number = [], 0
    while WAY == "endless-source" or number < config()["count"]:
        text = f"{number:08d}{BLOCK}"
        if WAY == "hoarding-source":
            kept.append(text)
        say("RECORD", record={"stream": "rows", "data": {"id": number, "text": text}, "emitted_at": 1})
        number += 1


def write():
    kept = []
    for line in sys.stdin:
        if WAY == "small-destination" and len(line) > 500_000:
            os._exit(9)
        if WAY == "hoarding-destination":
            kept.append(json.loads(line))
        elif '"STATE"' in line[:20]:
            say("STATE", state=json.loads(line)["state"])
    for message in kept:
        if message["type"] == "STATE":
            say("STATE", state=message["state"])


if __name__ == "__main__":
    {"spec": spec, "check": check, "discover": discover, "read": read, "write": write}[COMMAND]()
