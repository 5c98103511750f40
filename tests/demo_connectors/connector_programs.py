"""Runs the demo connectors as the programs they are, with files and pipes, as a platform would."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULES = {
    "source-synthetic": ["demo_connectors.source_synthetic"],
    "destination-jsonl": ["demo_connectors.destination_jsonl"],
    "destination-null": ["demo_connectors.destination_null"],
}


@dataclass(frozen=True)
class Answer:
    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.decode().splitlines()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        body = {"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())
        return [message[body] for message in self.messages if message["type"] == kind]

    @property
    def ids(self) -> list[int]:
        return [record["data"]["id"] for record in self.of_type("RECORD")]

    @property
    def statuses(self) -> list[tuple[str, str]]:
        traces = [trace["stream_status"] for trace in self.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
        return [(trace["stream_descriptor"]["name"], trace["status"]) for trace in traces]

    @property
    def positions(self) -> list[tuple[str, int]]:
        """Stream and position of each STREAM state."""
        states = [state["stream"] for state in self.of_type("STATE")]
        return [(state["stream_descriptor"]["name"], state["stream_state"]["next"]) for state in states]

    @property
    def error(self) -> dict[str, Any]:
        [error] = [trace["error"] for trace in self.of_type("TRACE") if trace["type"] == "ERROR"]
        return error


@dataclass(frozen=True)
class Programs:
    """The connectors, started in one folder."""

    folder: Path

    def command(self, name: str, verb: str, *, config: Any = None, catalog: Any = None, state: Any = None) -> list[str]:
        module = MODULES.get(name, ["demo_connectors.misbehaving", name])
        command = [sys.executable, "-m", *module, verb]
        for flag, content in (("config", config), ("catalog", catalog), ("state", state)):
            if content is not None:
                path = self.folder / f"{name}-{flag}.json"
                path.write_text(json.dumps(content))
                command += [f"--{flag}", str(path)]
        return command

    def run(self, name: str, verb: str, *, stdin: bytes = b"", ulimit: str | None = None, **files: Any) -> Answer:
        command = self.command(name, verb, **files)
        if ulimit is not None:
            command = ["sh", "-c", f'ulimit {ulimit}; exec "$@"', "sh", *command]
        done = subprocess.run(command, cwd=self.folder, input=stdin, capture_output=True, timeout=60, check=False)
        return Answer(done.returncode, done.stdout, done.stderr.decode())

    @contextmanager
    def started(self, name: str, verb: str, **files: Any) -> Iterator[subprocess.Popen[bytes]]:
        """The program while it runs; it is killed at the end of the block."""
        command = self.command(name, verb, **files)
        with subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def rows(self, name: str = "stream_0.jsonl", folder: str = "out") -> list[dict[str, Any]]:
        path = self.folder / folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def row_ids(self, name: str = "stream_0.jsonl") -> list[int]:
        return [row["id"] for row in self.rows(name)]


def catalog(
    names: Sequence[str] = ("stream_0",),
    *,
    sync_mode: str = "incremental",
    destination_sync_mode: str = "append",
    namespace: str | None = None,
    is_resumable: bool = False,
    **ids: int,
) -> dict[str, Any]:
    """A configured catalog; `ids` are sync_id, generation_id and minimum_generation_id."""
    named = {} if namespace is None else {"namespace": namespace}
    return {
        "streams": [
            {
                "stream": {"name": name, **named, "json_schema": {}, "is_resumable": is_resumable},
                "sync_mode": sync_mode,
                "destination_sync_mode": destination_sync_mode,
                **ids,
            }
            for name in names
        ]
    }


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def record(data: dict[str, Any], stream: str = "stream_0", **more: Any) -> bytes:
    return line({"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": 1, **more}})


def state(position: int, stream: str = "stream_0", **more: Any) -> bytes:
    body = {"stream_descriptor": {"name": stream}, "stream_state": {"next": position}}
    return line({"type": "STATE", "state": {"type": "STREAM", "stream": body, **more}})


def status(word: str = "COMPLETE", stream: str = "stream_0", **more: Any) -> bytes:
    about = {"stream_descriptor": {"name": stream, **more}, "status": word}
    return line({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": about}})
