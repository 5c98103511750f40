"""Inputs that cannot be used, and what must be said of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from e2e_support import catalog

from airbyte_workers.names import CONNECTION_BUSY, CONNECTOR_FAILED, INVALID_INPUT, SYNC_FAILED

HIDDEN = "hidden-canary-7d1f"
"""What nobody may be shown of a config."""
CLI, BY_HAND, CLIENT = "command line", "temporal", "client"
WAYS = (CLI, BY_HAND, CLIENT)
NO_FILE = (BY_HAND, CLIENT)
AT_ONCE_S, ASKED_S = 5.0, 30.0
SHELLLESS = "airbyte-workers-test/bad-input:shellless"
REGISTRY, USED_ID = "@registry@", "@used@"
"""Known only when the rows are tried."""
PLAIN = "airbyte/source-plain:1.0.0"
POSTGRES = {"image": "airbyte/source-postgres:3.6.0", "config": {"password": HIDDEN}}
NO_PACKAGE = "is not a Python package; it needs Docker"
NO_VARIABLE = {"_secret": "env:AIRBYTE_SECRET_NONE"}


@dataclass(frozen=True)
class Row:
    """An input and what must be said of it. `ways`: those that can say such a thing.

    `words`: what is typed for the command line in place of a file; `arguments`: for `temporal` in place of the input.
    `strict`: on a stack that does not trust whoever may start workflows.
    """

    name: str
    said: tuple[str, ...]
    input: Any
    workflow: str = "Sync"
    type: str = INVALID_INPUT
    ways: tuple[str, ...] = WAYS
    words: tuple[str, ...] | None = None
    arguments: tuple[str, ...] | None = None
    seconds: float = AT_ONCE_S
    strict: bool = False


LATE = {"how": {"seconds": ASKED_S}}
NO_ANSWER = {"how": {"type": CONNECTOR_FAILED, "seconds": ASKED_S}}


def source(**changes: Any) -> dict[str, Any]:
    return {"image": PLAIN, "config": {"path": "/", "token": HIDDEN}} | changes


def destination(**changes: Any) -> dict[str, Any]:
    return {"image": "airbyte/destination-plain:1.0.0", "config": {"path": HIDDEN}} | changes


def sync(name: str, *said: str, how: Mapping[str, Any] | None = None, **changes: Any) -> Row:
    """A sync that is right but for the changes; what is None is left out."""
    content = {"connection": f"bad-{name.replace(' ', '-')}", "source": source(), "destination": destination()}
    content |= {"launcher": "process", **changes}
    return Row(name, said, {field: value for field, value in content.items() if value is not None}, **(how or {}))


def stream(name: str, *said: str, of: str = "orders", **choice: Any) -> Row:
    """A sync of one stream of the source's."""
    return sync(name, *said, how={"type": SYNC_FAILED}, streams=[{"name": of, **choice}])


def one(workflow: str, name: str, *said: str, how: Mapping[str, Any] | None = None, **input: Any) -> Row:
    """A question to one connector."""
    return Row(name, said, {"launcher": "process", **input}, workflow, **(how or {}))


FIELDS = (
    sync("unknown field", "stream: unknown field; did you mean streams?", stream=1),
    sync("misspelt field", "source.confg: unknown field; did you mean config?", source=source(confg={"x": HIDDEN})),
    sync(
        "two wrong fields",
        "retries: must be a number of retries, or an object of limits",
        "bogus: unknown field",
        retries=HIDDEN,
        bogus=HIDDEN,
    ),
    sync("config as text", "source.config: must be an object", source=source(config=HIDDEN)),
    sync("source as text", "source: must be an object", source=HIDDEN),
    sync("config_id that is none", "source.config_id: must be a UUID", source={"image": PLAIN, "config_id": HIDDEN}),
    sync("no connection", "connection: is missing", connection=None),
    sync("connection with a space", "connection: must", connection="with space"),
    sync("source alone", "give both source and destination", destination=None),
    sync("image and command", "source: give either image or command", source=source(command=["x"])),
    sync("no program", "destination: give either image or command", destination={"config": {"path": HIDDEN}}),
    sync("streams and catalog", "give either streams or catalog", streams=[{"name": "a"}], catalog=catalog("a")),
    sync("no streams", "streams: must not be empty", streams=[]),
    sync("wrong sync mode", "streams[0].sync_mode: must be 'full_refresh'", streams=[{"name": "a", "sync_mode": "x"}]),
    sync("wrong launcher", "launcher: must be 'process', 'docker' or 'auto'", launcher="dokcer"),
    sync("negative retries", "retries: must be greater than or equal to 0", retries=-1),
    sync("wrong memory", "source.resources.memory_limit: not an", source=source(resources={"memory_limit": "lots"})),
    sync("config twice", "source: give either config or config_id", source=source(config_id=str(uuid4()))),
    sync(
        "config_file", "source: config_file is read by the command line",
        source={"image": PLAIN, "config_file": "x"}, how={"ways": NO_FILE},
    ),
    one(
        "Check", "unknown field of a check", "confg: unknown field; did you mean config?",
        image="a/b", confg={"path": HIDDEN}, how={"ways": NO_FILE},
    ),
)  # fmt: skip
KNOWN_BEFORE = (
    sync(
        "unknown connection", "there is no connection bad-knwon; did you mean bad-known?",
        connection="bad-knwon", source=None, destination=None, how={"words": ("sync", "bad-knwon")},
    ),
    sync(
        "another connector", "bad-known has the destination airbyte/destination-plain, not airbyte/source-plain",
        "use another connection name", connection="bad-known", destination=source(),
    ),
    sync("busy", "connection bad-busy is already syncing (", connection="bad-busy", how={"type": CONNECTION_BUSY}),
    sync("used config_id", "nothing is stored under", "the job again", source={"image": PLAIN, "config_id": USED_ID}),
    one(
        "Check", "used config_id of a check", "nothing is stored under the id", "start the job again",
        image=PLAIN, config_id=USED_ID, how={"ways": NO_FILE},
    ),
)  # fmt: skip
STREAMS = (
    stream("unknown stream", "the source has no stream ordres; did you mean orders?", of="ordres"),
    stream(
        "mode that the source has not", "orders cannot be read as incremental; the source lists full_refresh",
        sync_mode="incremental",
    ),
    stream(
        "mode that the destination has not", "orders cannot be written as soft_delete; the destination lists append,",
        destination_sync_mode="soft_delete",
    ),
    stream("no cursor", "stream events: incremental needs a cursor_field", of="events"),
    stream(
        "unknown cursor", "events: cursor_field updatd_at is not in its schema; did you mean updated_at?",
        of="events", cursor_field=["updatd_at"],
    ),
    stream(
        "unknown key", "orders: primary_key nmber is not in its schema; did you mean number?",
        destination_sync_mode="append_dedup", primary_key=[["nmber"]],
    ),
    sync(
        "discovered catalog", "streams[0] has no `stream` object", "name its streams under `streams`",
        catalog={"streams": [{"name": "orders", "json_schema": {}}]},
    ),
)  # fmt: skip
CONFIGS = (
    one("Check", "wrong type", "config.count: must be an integer", **source(config={"path": "/", "count": HIDDEN})),
    one(
        "Discover", "unknown field of a config", "config.tokn: unknown field; did you mean token?",
        **source(config={"path": "/", "tokn": HIDDEN}),
    ),
    one("Check", "missing field of a config", "config.path: is missing", **source(config={"token": HIDDEN})),
    sync(
        "both configs", "source.config.count: must be an integer", "destination.config.path: must be a string",
        source=source(config={"path": "/", "count": HIDDEN}), destination=destination(config={"path": [HIDDEN]}),
        how={"type": SYNC_FAILED},
    ),
    one(
        "Check", "secret of another variable", "config.token: secret env:HOME: only variables that begin with AIRBYTE_",
        **source(config={"path": HIDDEN, "token": {"_secret": "env:HOME"}}),
    ),
    sync(
        "secret of an unknown kind", "destination.config.path: a secret reference begins with env: or file:",
        destination=destination(config={"path": {"_secret": f"vault:{HIDDEN}"}}),
    ),
    one(
        "Check", "secret that is not set", "env:AIRBYTE_SECRET_NONE: the Temporal worker's environment has no such",
        **source(config={"path": HIDDEN, "token": NO_VARIABLE}),
    ),
    sync(
        "secret in no file", "secret file:none: No such file",
        streams=[{"name": "orders"}], destination=destination(config={"path": {"_secret": "file:none"}}),
        how={"type": SYNC_FAILED, "seconds": ASKED_S},
    ),
)  # fmt: skip
CONNECTORS = (
    one("Spec", "image of no package", f"source-none-such {NO_PACKAGE}", image="airbyte/source-none-such:1", **LATE),
    one(
        "Spec", "version that is not there", "airbyte/source-faker has no version 99.0.0 on the package index",
        image="airbyte/source-faker:99.0.0", **LATE,
    ),
    one("Check", "image that needs docker", f"airbyte/source-postgres {NO_PACKAGE}", **POSTGRES, **LATE),
    sync(
        "sync that needs docker", f"source: airbyte/source-postgres {NO_PACKAGE}",
        source=POSTGRES, how={"type": SYNC_FAILED, "seconds": ASKED_S},
    ),
    one(
        "Check", "image of nobody", "/team/none:1 is not on this host", "the name may be wrong",
        image=f"{REGISTRY}/team/none:1", config={"password": HIDDEN}, launcher="docker", **LATE,
    ),
    one("Spec", "image that is no connector", "spec failed: ", image=SHELLLESS, launcher="docker", **NO_ANSWER),
    one(
        "Discover", "command that is no connector", "discover failed: ",
        command=["false"], config={"token": HIDDEN}, **NO_ANSWER,
    ),
    one("Spec", "program that is not here", "no-such-source is not a program on PATH", command=["no-such-source"]),
    one(
        "Spec", "command in docker", "command: a command cannot run in a container (launcher docker); use image",
        command=["source-synthetic"], launcher="docker",
    ),
    one(
        "Check", "command where none may run", "command: commands may not run on this stack (ALLOW_LOCAL_COMMANDS)",
        command=["source-synthetic"], config={"namespace": HIDDEN}, how={"strict": True},
    ),
    sync(
        "local_root where none may be", "local_root: paths of the host may not be chosen on this stack",
        local_root="/etc", how={"strict": True},
    ),
    one(
        "Check", "image without a shell", f"{SHELLLESS} has no shell", "apt-get install busybox-static",
        image=SHELLLESS, config={"token": HIDDEN}, launcher="docker", how={"strict": True, "seconds": ASKED_S},
    ),
)  # fmt: skip
NO_INPUT = (
    Row(
        "unknown workflow", ("no workflow type 'Snyc'; did you mean Sync?",), {}, "Snyc", "UnknownWorkflow", (BY_HAND,)
    ),
    Row("no argument", ("Sync takes one JSON object as input, got 0",), None, ways=(BY_HAND,), arguments=()),
    Row("two arguments", ("Check takes one", "got 2"), None, "Check", ways=(BY_HAND,), arguments=('{"a": 1}',) * 2),
    Row("null", ("must be an object",), None, ways=NO_FILE),
    Row("text", ("must be an object",), HIDDEN, "Discover", ways=NO_FILE),
    Row("list", ("must be an object",), [HIDDEN], ways=NO_FILE),
)
ROWS = FIELDS + KNOWN_BEFORE + STREAMS + CONFIGS + CONNECTORS + NO_INPUT
