"""A connector that tells its whole config wherever it can: `python e2e_talker.py spec|check|discover|read|write ...`.

Alone in its file and without any import of ours: it is also the only content of an image.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

SECRET = {"type": "string", "airbyte_secret": True}
SCHEMA = {
    "type": "object",
    "required": ["host", "pin", "end", "at"],
    "properties": {
        "host": {"type": "string"},
        "note": {"type": "string"},
        "pin": SECRET,
        "odd": SECRET,
        "lines": {**SECRET, "multiline": True},
        "way": {"oneOf": [{"required": ["none"]}, {"required": ["opener"], "properties": {"opener": SECRET}}]},
        "end": {"enum": ["good", "no", "error", "crash", "stream", "long"]},
        "at": {"enum": ["check", "discover", "read", "write"]},
        "line_limit": {"type": "integer"},
        "path": {"type": "string"},
        "gate": {"type": "string"},
    },
}
STREAM = {"name": "people", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
LONGEST = 1 << 20
LINGER_S = 0.4
"""How long it stays after its last word, so that others can see it."""


def texts(config: Any) -> Iterator[str]:
    """Every text in the config."""
    for value in config.values() if isinstance(config, dict) else [config]:
        if isinstance(value, dict):
            yield from texts(value)
        elif isinstance(value, str) and len(value) > 6:
            yield value


def spellings(text: str) -> Iterator[str]:
    """The text as programs spell it."""
    yield text
    yield f"postgres://talker:{quote(text)}@db/x?again={quote_plus(text)}&twice={quote(quote(text, safe=''))}"
    yield json.dumps({"answer": text})
    yield json.dumps({"answer": text}, ensure_ascii=False)
    yield json.dumps({"body": json.dumps({"answer": text})})
    yield f"{text!r} {text.encode()!r}"
    yield f"<answer>{html.escape(text)}</answer>"
    for user in ("user", "users", "user.x"):
        yield "Basic " + base64.b64encode(f"{user}:{text}".encode()).decode()
        yield "Basic " + base64.urlsafe_b64encode(f"{user}:{text}:more".encode()).decode()


def everything(config: dict[str, Any]) -> Iterator[str]:
    yield "my whole config is " + json.dumps(config)
    yield f"or for Python: {config}"
    for text in texts(config):
        for number, spelling in enumerate(spellings(text)):
            yield f"spelling {number}: {spelling}, so it is"


def at_the_cut(config: dict[str, Any]) -> Iterator[str]:
    """Lines that are longer than a line of the log may be; the limit falls on every character of the secret."""
    limit, pin = config.get("line_limit", 16 * 1024), config["pin"]
    for start in range(limit - len(pin) - 12, limit + 2):
        yield "." * start + pin + "." * 50


# --- what it says ---


def say(text: str, file: TextIO | None = None) -> None:
    file = file or sys.stdout
    file.write(text + "\n")
    file.flush()


def send(**message: Any) -> None:
    say(json.dumps(message))


def trace(kind: str, **body: Any) -> None:
    send(type="TRACE", trace={"type": kind, "emitted_at": 1, kind.lower(): body})


def talk(config: dict[str, Any]) -> None:
    """One that waits at a gate is silent."""
    if "gate" not in config:
        talk_on_stdout(config)
        talk_on_stderr(config)


def talk_on_stdout(config: dict[str, Any]) -> None:
    pin = config["pin"]
    for text in [*everything(config), *at_the_cut(config)]:
        say(text)
        send(type="LOG", log={"level": "INFO", "message": text, "stack_trace": f"at {text}"})
    send(type="LOG", log={"level": pin, "message": "a level of its own"})
    send(type="LOG", log={"level": "DEBUG", "message": {"config": config}})
    send(type="LOG", log={"level": "WARN", "message": f"half a character \ud800 {pin}"})
    send(type="GOSSIP", gossip=config)
    send(type=pin, body=config)
    send(config=config)
    send(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config}})
    trace("ANALYTICS", type="config", value=json.dumps(config))
    trace("ESTIMATE", name=pin, type="STREAM", row_estimate=1)
    whole = json.dumps({"type": "LOG", "log": {"level": "INFO", "message": f"cut off {pin} {config['odd']}"}})
    say(whole[:-2])
    os.write(1, b"\xff not text: " + pin.encode() + b"\n")


def talk_on_stderr(config: dict[str, Any]) -> None:
    pin = config["pin"]
    for text in [*everything(config), *at_the_cut(config)]:
        say(text, sys.stderr)
    for part in ("in two writes: ", pin[: len(pin) // 2], pin[len(pin) // 2 :], ", that was all\n"):
        os.write(2, part.encode())
        time.sleep(0.05)
    say("." * 4086 + f" {pin} " * (2 * LONGEST // len(pin)), sys.stderr)
    traceback.print_exception(ValueError(f"cannot log in with {config}"))
    os.write(2, f"and without an end of line: {pin}".encode())


def fail(config: dict[str, Any], command: str) -> int:
    """What the configured end says of itself, if it is a bad one and this is where it comes; the exit code."""
    end, pin = config["end"] if config["at"] == command else "good", config["pin"]
    if end == "error":
        said = " | ".join(everything(config))
        long = "." * (50_000 - len(pin) // 2) + pin
        about = {"name": pin, "namespace": config["odd"]}
        trace("ERROR", message=said, internal_message=said, stack_trace=said, failure_type="config_error")
        trace("ERROR", message=long, internal_message=long, stack_trace=f"{long}\n{said}", failure_type=pin)
        trace("ERROR", message="." * 1980 + pin, stream_descriptor=about)
        trace("ERROR", message={"odd": config})
    elif end == "stream":
        trace("STREAM_STATUS", stream_descriptor={"name": pin, "namespace": config["odd"]}, status="STARTED")
    elif end == "long":
        say('{"type":"RECORD","record":{"stream":"' + pin + '","data":{"x":"' + "x" * LONGEST)
    return 0 if end in ("good", "no") else 1


# --- what it is asked ---


def spec() -> int:
    modes = {"supportsIncremental": True, "supported_destination_sync_modes": ["append", "overwrite"]}
    send(type="SPEC", spec={"connectionSpecification": SCHEMA, **modes})
    return 0


def check(config: dict[str, Any]) -> int:
    talk(config)
    if code := fail(config, "check"):
        return code
    status = "FAILED" if config["end"] == "no" else "SUCCEEDED"
    said = f"{status.lower()} at {config['host']}: " + " | ".join(everything(config))
    send(type="CONNECTION_STATUS", connectionStatus={"status": status, "message": said, "seen": config}, config=config)
    return 0


def discover(config: dict[str, Any]) -> int:
    talk(config)
    if code := fail(config, "discover"):
        return code
    send(type="CATALOG", catalog={"streams": [STREAM]}, config=config)
    return 0


def read(config: dict[str, Any]) -> int:
    """Three records that hold the secret: data is nobody's to change."""
    stream = {"name": "people"}
    trace("STREAM_STATUS", stream_descriptor=stream, status="STARTED")
    talk(config)
    for number in range(3):
        send(type="RECORD", record={"stream": "people", "data": {"id": number, "pin": config["pin"]}, "emitted_at": 1})
    if code := fail(config, "read"):
        return code
    send(type="STATE", state={"type": "STREAM", "stream": {"stream_descriptor": stream, "stream_state": {"next": 3}}})
    trace("STREAM_STATUS", stream_descriptor=stream, status="COMPLETE")
    return 0


def write(config: dict[str, Any]) -> int:
    talk(config)
    with Path(config["path"]).open("ab") as data:
        for line in sys.stdin.buffer:
            kind = json.loads(line)["type"]
            if kind == "RECORD":
                data.write(line)
            elif kind == "STATE":
                data.flush()
                os.write(1, line)
    return fail(config, "write")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("spec", "check", "discover", "read", "write"))
    for name in ("config", "catalog", "state"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "spec":
        sys.exit(spec())
    config = json.loads(arguments.config.read_text(encoding="utf-8"))
    answer = {"check": check, "discover": discover, "read": read, "write": write}[arguments.command]
    code = answer(config)
    while "gate" in config and config["at"] == arguments.command and not Path(config["gate"]).exists():
        time.sleep(0.05)
    time.sleep(LINGER_S)
    sys.exit(code)


if __name__ == "__main__":
    main()
