"""A source whose token works once: `python e2e_rotating.py spec|check|discover|read ...`. Alone in its file.

Whoever shows the valid token is given another one, which is sent as a new config. The register, a file, has the digest
of the one that is valid now, what was asked for with valid tokens, and what with others. The first read fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import sys
from pathlib import Path
from typing import Any

STREAM = {"name": "people"}
SECRET = {"type": "string", "airbyte_secret": True}
SCHEMA = {"type": "object", "required": ["register", "token"], "properties": {"register": {}, "token": SECRET}}
CATALOG = {"streams": [{**STREAM, "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}]}


def new_token() -> str:
    return "".join(f"Kanari{secrets.token_hex(2)}" for _ in range(5))


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make_register(path: Path, token: str) -> None:
    path.write_text(json.dumps({"valid": digest_of(token), "used": [], "refused": []}))


def make_valid(path: Path, token: str) -> None:
    """As when a person logs in anew."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"valid": digest_of(token)}))


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def fail(message: str) -> int:
    error = {"message": message, "failure_type": "system_error"}
    send(type="TRACE", trace={"type": "ERROR", "emitted_at": 1, "error": error})
    return 1


def log_in(command: str, config: dict[str, Any]) -> str | None:
    """The new token; None where the old one is not valid."""
    path = Path(config["register"])
    register = json.loads(path.read_text())
    valid = register["valid"] == digest_of(config["token"])
    register["used" if valid else "refused"].append(command)
    token = new_token() if valid else None
    if token is not None:
        register["valid"] = digest_of(token)
    path.write_text(json.dumps(register))
    return token


def renew(command: str, config: dict[str, Any]) -> bool:
    token = log_in(command, config)
    if token is None:
        return False
    body = {"config": config | {"token": token}}
    send(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": body})
    send(type="LOG", log={"level": "INFO", "message": f"instead of {config['token']} I have {token} now"})
    return True


def read(config: dict[str, Any]) -> int:
    send(type="RECORD", record={"stream": "people", "data": {"id": 1}, "emitted_at": 1})
    if json.loads(Path(config["register"]).read_text())["used"].count("read") == 1:
        return fail(f"the first read fails, with {config['token']}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    for name in ("config", "catalog", "state"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    if given.command == "spec":
        send(type="SPEC", spec={"connectionSpecification": SCHEMA})
        return 0
    config = json.loads(Path(given.config).read_text())
    if not renew(given.command, config):
        return fail(f"the token {config['token']} is not valid")
    if given.command == "check":
        send(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    elif given.command == "discover":
        send(type="CATALOG", catalog=CATALOG)
    return read(config) if given.command == "read" else 0


if __name__ == "__main__":
    sys.exit(main())
