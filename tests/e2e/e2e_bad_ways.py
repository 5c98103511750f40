"""The ways in which people start something, for inputs that cannot be used: what each of them says."""

from __future__ import annotations

import asyncio
import io
import json
import shlex
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import temporalio.client
from e2e_bad_rows import HIDDEN, SHELLLESS, Row
from e2e_support import Place

from airbyte_workers.client import AlreadySyncing, Client, ClientError, ConnectorFailed, InvalidInput, SyncFailed
from airbyte_workers.names import CONNECTION_BUSY, CONNECTOR_FAILED, INVALID_INPUT, SYNC_FAILED, WORKFLOW_QUEUE
from airbyte_workers.settings import Settings
from tests import images

TEMPORAL = str(Path(sys.executable).with_name("temporal"))
TYPED = "typed-canary-3c9a"
"""In the place of HIDDEN where it is typed for `temporal`: there it stays in the run's input, as documented."""
TYPES: Mapping[type[ClientError], str] = {
    InvalidInput: INVALID_INPUT,
    AlreadySyncing: CONNECTION_BUSY,
    ConnectorFailed: CONNECTOR_FAILED,
    SyncFailed: SYNC_FAILED,
}


@dataclass(frozen=True)
class Told:
    """How an input ended; `all` is everything that was said of it."""

    type: str
    text: str
    all: str
    seconds: float
    code: int | None = None


@dataclass(frozen=True)
class Stack:
    """A stack as it is reached by every way; `words` stand for what only it knows."""

    place: Place
    settings: Settings
    words: Mapping[str, str]

    def input(self, row: Row, canary: str = HIDDEN) -> Any:
        text = json.dumps(row.input)
        for word, value in {**self.words, HIDDEN: canary}.items():
            text = text.replace(word, value)
        return json.loads(text)


# --- the command line -------------------------------------------------------------------------------------------------


def by_command_line(stack: Stack, row: Row) -> Told:
    words = row.words or command(stack.place.work, row, stack.input(row))
    began = time.monotonic()
    ended = stack.place.run(*words, "-o", "json")
    seconds, everything, told = time.monotonic() - began, ended.out + ended.err, ended.report
    if "error" in told:
        return Told(told["error"]["type"], told["error"]["message"], everything, seconds, ended.code)
    (failure,) = told["failures"]
    kind = SYNC_FAILED if told["status"] == "failed" else told["status"]
    return Told(kind, f"{failure['origin']}: {failure['message']}", everything, seconds, ended.code)


def command(folder: Path, row: Row, input: dict[str, Any]) -> Iterator[str]:
    """The words and the file in which a person says this."""
    file = f"{row.name.replace(' ', '-')}.json"
    if row.workflow == "Sync":
        (folder / file).write_text(json.dumps(input))
        yield from ("sync", "-f", file)
        return
    yield from (row.workflow.lower(), "--launcher", input["launcher"])
    yield from ([input["image"]] if "image" in input else ["--command", shlex.join(input["command"])])
    if "config" in input:
        (folder / file).write_text(json.dumps(input["config"]))
        yield from ("--config", file)


# --- temporal ---------------------------------------------------------------------------------------------------------


async def by_hand(stack: Stack, row: Row) -> Told:
    """What people read in Temporal: the run's failure."""
    arguments = (json.dumps(stack.input(row, TYPED)),) if row.arguments is None else row.arguments
    words = ["workflow", "start", *address(stack), "--type", row.workflow, "--task-queue", WORKFLOW_QUEUE]
    words += ["--workflow-id", workflow_id(row), *(word for each in arguments for word in ("--input", each))]
    with stack.place.started(*words, program=TEMPORAL) as starting:
        started = await asyncio.to_thread(starting.ended)
    assert started.code == 0, started.err
    run = (await raw_client(stack)).get_workflow_handle(workflow_id(row))
    with suppress(temporalio.client.WorkflowFailureError):
        await run.result()
    first, *_, last = (await run.fetch_history()).events
    failure = last.workflow_execution_failed_event_attributes.failure
    seconds = (last.event_time.ToNanoseconds() - first.event_time.ToNanoseconds()) / 1e9
    return Told(failure.application_failure_info.type, failure.message, f"{started} {failure}", seconds)


def workflow_id(row: Row) -> str:
    """Any id will do, also for a sync."""
    return f"bad/{row.name}"


def address(stack: Stack) -> tuple[str, ...]:
    settings = stack.settings
    where = settings.temporal_address or stack.place.stack()["temporal_address"]
    return "--address", where, "--namespace", settings.temporal_namespace


async def raw_client(stack: Stack) -> temporalio.client.Client:
    """Without any plugin of ours."""
    _, where, _, namespace = address(stack)
    return await temporalio.client.Client.connect(where, namespace=namespace)


# --- Python -----------------------------------------------------------------------------------------------------------


async def by_client(client: Client, stack: Stack, row: Row) -> Told:
    ask: Callable[..., Any] = getattr(client, row.workflow.lower())
    began = time.monotonic()
    try:
        answer = await ask(stack.input(row))
    except ClientError as error:
        return Told(TYPES[type(error)], str(error), f"{error!r} {vars(error)}", time.monotonic() - began)
    return Told("", f"it worked: {answer!r}", "", 0)


# --- stacks -----------------------------------------------------------------------------------------------------------


def apart(place: Place, home: Path, name: str) -> Place:
    """A stack of its own on the same servers, by its addresses; its worker is for the test to start."""
    told = place.stack()
    url, where = new_database(told["database_url"], name), told["temporal_address"]
    words = ["operator", "namespace", "create", "--address", where, "--namespace", name]
    subprocess.run([TEMPORAL, *words], check=True, capture_output=True, timeout=30)
    addresses = {"DATABASE_URL": url, "TEMPORAL_ADDRESS": where, "TEMPORAL_NAMESPACE": name}
    return Place(place.work, home, place.variables | addresses)


def new_database(url: str, name: str) -> str:
    """The address of a new database on the same server."""
    execute(url, f'create database "{name}"')
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def execute(url: str, statement: str) -> None:
    async def executed() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(executed())


# --- what connectors there are ----------------------------------------------------------------------------------------

PROGRAM = """#!{python}
import json, sys
fields = {{"token": {{"type": "string"}}, "path": {{"type": "string"}}, "count": {{"type": "integer"}}}}
schema = {{"type": "object", "properties": fields, "required": ["path"], "additionalProperties": False}}
streams = [{{"name": "orders", "supported_sync_modes": ["full_refresh"]}}]
streams += [{{"name": "events", "supported_sync_modes": ["incremental"]}}]
for stream in streams:
    stream["json_schema"] = {{"type": "object", "properties": {{"number": {{}}, "updated_at": {{}}}}}}
spec = {{"connectionSpecification": schema, "supported_destination_sync_modes": ["append", "overwrite"]}}
answers = {{
    "spec": {{"type": "SPEC", "spec": spec}},
    "check": {{"type": "CONNECTION_STATUS", "connectionStatus": {{"status": "SUCCEEDED"}}}},
    "discover": {{"type": "CATALOG", "catalog": {{"streams": streams}}}},
}}
print(json.dumps(answers[sys.argv[1]]))
"""
"""A connector that answers soon: one stream can only be read whole, neither has a cursor or a key of its own."""


def install(connectors: Path, name: str) -> None:
    """A connector of a version, as if it had been installed from the package index before."""
    folder = connectors / f"airbyte-{name}-1.0.0-py{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "bin" / name).write_text(PROGRAM.format(python=sys.executable))
    (folder / "bin" / name).chmod(0o755)
    (folder / "ready.json").write_text(json.dumps({"script": name}))


@contextmanager
def shellless_image() -> Iterator[None]:
    """An image with one static program and nothing else, which says nothing that a connector would."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add("/bin/busybox", "program/busybox")
    client = images.client()
    try:
        words = json.dumps(["/program/busybox", "echo", "hello"])
        said = client.import_image_from_data(
            packed.getvalue(), *SHELLLESS.split(":"), [f"ENTRYPOINT {words}", "USER 1000"]
        )
        assert "error" not in said
        yield
        client.remove_image(SHELLLESS, force=True)
    finally:
        client.close()


@contextmanager
def empty_registry() -> Iterator[str]:
    """The address of a registry that has nothing."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/v2/"
            body = b"{}" if found else b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
            self.send_response(200 if found else 404)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)
