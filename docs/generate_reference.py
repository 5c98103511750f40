"""Writes what the code says into docs/: `python docs/generate_reference.py`; with `--check` it only compares.

What the code cannot say (what a field is for) stands here, and a name that is missing here is an error: a new setting,
failure type or field cannot stay undocumented.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin

import click
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from airbyte_workers.chaos.cases import LAUNCHERS, POINTS, Case, Expected, Victim
from airbyte_workers.chaos.cases import decide as decided
from airbyte_workers.cli.main import main as command_line
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.jobs.advice import ADVICE
from airbyte_workers.jobs.retries import decide
from airbyte_workers.models import (
    AttemptOutcome,
    CheckInput,
    CheckResult,
    DiscoverInput,
    DiscoverResult,
    Failure,
    FailureOrigin,
    FailureType,
    RetryRules,
    RetryTally,
    SpecInput,
    SpecResult,
    SyncInput,
)
from airbyte_workers.settings import Settings
from docs.generator.markdown import table as _table
from docs.generator.markdown import title as _title
from docs.generator.metrics import metrics_page
from docs.generator.states import drawings, states_page
from docs.generator.tables import tables_page

FOLDER = Path(__file__).parent
PREFIX = "AIRBYTE_WORKERS_"
MIB = 1024 * 1024

COMPUTED_DEFAULTS = {
    "home": "`$XDG_DATA_HOME/airbyte-workers`, else `~/.local/share/airbyte-workers`",
    "dataplane": "the host's name",
}

FIELDS: dict[str, dict[str, str]] = {
    "SyncInput": {
        "connection": "Name of the connection. Its first sync makes it; state and lock belong to it.",
        "source": "The source. Left out together with `destination`: the stored connection is used.",
        "destination": "The destination.",
        "streams": "What to sync. Left out, and no `catalog`: every stream that the source has.",
        "catalog": "A configured catalog as Airbyte's users have it, instead of `streams`; in a file also its path.",
        "catalog_id": "Stands for a catalog that the command line or the Python client handed to the job database, "
        "being larger than AIRBYTE_WORKERS_INLINE_CATALOG_BYTES; works once.",
        "launcher": "What runs the connectors. Left out: the setting LAUNCHER. `auto`: `docker` where both are images "
        "and the engine has them or can pull them, else `process`.",
        "retries": "The connection's own limits; those left out are the settings' of the same name. A number stands "
        "for `max_retries`. [How](../how-to/retry-and-cancel.md).",
        "max_retries": "How many failed attempts of this run may be followed by another one; it is not stored with the "
        "connection. `sync --retries` sets it.",
        "local_root": "The connectors' `/local` in containers, and the folder that local programs start in. The "
        "command line sets it from LOCAL_ROOT on the embedded stack; elsewhere it needs ALLOW_LOCAL_COMMANDS.",
        "namespace_definition": "Where the destination puts streams: under the `source`'s namespaces, in the "
        "`destination`'s own, or under `customformat` in `namespace_format`.",
        "namespace_format": "The namespace; `${SOURCE_NAMESPACE}` in it stands for the source's. With `customformat`.",
        "prefix": "Stands before the names of streams in the destination.",
        "validation": "Whether records are compared with their stream's schema.",
        "clocks": "How long is waited for what.",
        "speed_limits": "How much may go through in a second.",
        "accept_unacknowledged": "A destination that acknowledges nothing may pass; the report says `unproven`.",
        "allow_malformed": "Malformed lines are a warning instead of a failure.",
        "fail_on_source_stats": "A source whose own counts differ from what it sent fails the attempt; "
        "otherwise that is a warning.",
        "count_populated_fields": "Every record is decoded to count its top-level fields that are not null; the sum is "
        "`sourceFieldsPopulated` of a stream's `additional_stats` in the report. Takes time.",
    },
    "Connector": {
        "image": "`airbyte/source-faker:7.2.1`. The launcher `docker` runs it, pulled where it is not there; "
        "the launcher `process` installs `airbyte-source-faker==7.2.1` for it.",
        "command": "Any program and its first arguments, instead of `image`: for the launcher `process` alone. The "
        "embedded stack allows it, others need ALLOW_LOCAL_COMMANDS. In a file its paths are relative to the file: the "
        "program's, and those of files beside it.",
        "config": "The connector's own config. "
        '`{"_secret": "env:AIRBYTE_SECRET_NAME"}` and `{"_secret": "file:NAME"}` stand for secrets.',
        "config_file": "Path of a JSON or YAML file with the config, relative to the sync file; the command line reads "
        "it, a workflow input refuses it.",
        "config_id": "Stands for a config that the command line or the Python client handed to the job database; works "
        "once.",
        "resources": "What the connector's container may use.",
    },
    "Resources": {
        "cpu_limit": "Cores: `2`, `0.5`, `500m`; at least 0.01, at most what the engine's host has. "
        "Left out: JOB_MAIN_CONTAINER_CPU_LIMIT.",
        "memory_limit": "Bytes, or an amount: `512Mi`, `2Gi`, `1.5G`, and Docker's `512m` and `2g` (MiB and GiB); at "
        "least 6 MiB. Left out: JOB_MAIN_CONTAINER_MEMORY_LIMIT.",
        "pids_limit": "Processes and threads; `0`: no limit. The wrapper and the container's first process take "
        "four of them. Left out: AIRBYTE_WORKERS_CONTAINER_PIDS_LIMIT.",
    },
    "RetryLimits": {
        "max_retries": "How many failed attempts may be followed by another one, whatever they were for; `0`: none.",
        "complete_failures_max_successive": "Failed attempts without progress in a row that end a job.",
        "complete_failures_max_total": "Failed attempts without progress that end a job.",
        "complete_failures_backoff_min_interval_s": "First wait after a failure without progress, s.",
        "complete_failures_backoff_max_interval_s": "Longest wait between attempts, s.",
        "complete_failures_backoff_base": "Each further wait is so many times longer.",
        "partial_failures_max_successive": "Failed attempts with progress in a row that end a job.",
        "partial_failures_max_total": "Failed attempts with progress that end a job.",
    },
    "Destination": {
        "stream_status": "`omit` sends no stream statuses, for old destinations that do not know them.",
        "supports_refreshes": "It knows generations: it may be refreshed, and is told to append where others are told "
        "to overwrite. [How](../how-to/clear-and-refresh.md).",
    },
    "StreamChoice": {
        "name": "Name of the stream.",
        "namespace": "Its namespace; needed only where two streams share the name.",
        "sync_mode": "Left out: `incremental` if the source can, else `full_refresh`.",
        "destination_sync_mode": "Left out: `append_dedup` with a primary key where the destination lists it, else "
        "`append` for incremental; for full refresh `overwrite` where listed, else `append`.",
        "cursor_field": "Path of the cursor; left out: the source's own.",
        "primary_key": "Paths of the key's fields; left out: the source's own.",
        "fields": "The top-level fields of its records that are synced; left out: all.",
        "mappers": "Changes of its records on their way, in this order.",
    },
    "Mapper": {
        "name": "`hashing`, `field-renaming`, `field-filtering`, `row-filtering` or `encryption`.",
        "config": 'What it works with. A key may be `{"_secret": "env:AIRBYTE_SECRET_NAME"}`.',
        "config_id": "Stands for a config with a key, which the command line or the client handed to the job database.",
    },
    "Validation": {
        "mode": "Left out: the setting AIRBYTE_WORKERS_VALIDATION_MODE.",
        "max_invalid_records": "More records that do not fit, of those compared, fail the sync; left out: none does.",
        "dead_letters": "Keep records that do not fit and malformed lines, with the reasons, beside the job's log. "
        "They are your data at rest.",
    },
    "Clocks": {
        "source_silence_minutes": "For any byte of the source.",
        "source_progress_minutes": "For a record or a state of the source.",
        "acknowledgement_minutes": "For an acknowledgement that the destination owes.",
        "total_minutes": "For the job with all its attempts.",
    },
    "SpeedLimits": {
        "records_per_second": "Records, all streams together.",
        "bytes_per_second": "Bytes of records: a number, or an amount such as `10Mi`.",
    },
}


OPERATION_FIELDS = {
    "launcher": "What runs the connector. Left out: the setting LAUNCHER.",
    "local_root": "As in the sync file.",
}
RESULTS: dict[type[BaseModel], dict[str, str]] = {
    SpecResult: {
        "image": "The connector's name.",
        "spec": "What it says of itself; `connectionSpecification` is the JSON schema of its configs.",
    },
    CheckResult: {
        "status": "A failed check is a completed run.",
        "message": "What the connector says.",
    },
    DiscoverResult: {
        "catalog_id": "For `catalog show`, and `Client.catalog`.",
        "streams": "How many.",
        "catalog": "The catalog; `null` when it is larger than AIRBYTE_WORKERS_INLINE_CATALOG_BYTES.",
    },
}
REFERENCES = {
    "Connector": "connector",
    "Destination": "connector",
    "StreamChoice": "stream",
    "Mapper": "mapper",
    "Validation": "object",
    "Clocks": "object",
    "SpeedLimits": "object",
    "Resources": "object",
    "RetryLimits": "object",
}
"""How the types of our own are called in the table."""


def pages() -> dict[str, str]:
    """Every generated page and picture by its place in docs/."""
    return {
        "reference/settings.md": settings_page(),
        "reference/failures.md": failures_page(),
        "reference/sync-file.md": sync_file_page(),
        "reference/workflows.md": workflows_page(),
        "reference/cli.md": cli_page(),
        "reference/metrics.md": metrics_page(),
        "reference/tables.md": tables_page(),
        "reference/chaos.md": chaos_page(),
        "explanation/state-machine.md": states_page(),
        **{f"explanation/{name}": drawn for name, drawn in drawings().items()},
    }


# --- settings ---------------------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every setting by section, as airbyte_workers/settings.py has them."""
    intro = (
        "A setting is an environment variable of the process that needs it: the command line, a Temporal worker, "
        "the embedded stack's supervisor. A pod gets the settings of the Temporal worker that launched it. "
        "A variable that does not begin with AIRBYTE_WORKERS_ is also read with that prefix, or under the name that "
        "stands beside it.\n\n"
        "The launcher `auto` takes `docker` where both connectors are images, an engine answers, and it has the images "
        "or can pull them; else `process`. Amounts of CPU and memory are those of "
        "[the sync file](sync-file.md#resources-of-either).\n\n"
        "The connection to Temporal also takes the other variables of the `temporal` command "
        "(TEMPORAL_API_KEY, TEMPORAL_TLS and its relatives)."
    )
    parts = [_title("Settings"), intro]
    for section, names in _sections():
        rows = [_setting(name, Settings.model_fields[name]) for name in names]
        parts += [f"## {section[0].upper()}{section[1:]}", _table(("variable", "default", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _sections() -> Iterator[tuple[str, list[str]]]:
    """The fields under the headings that settings.py puts over them."""
    heading, names = "", list[str]()
    for line in inspect.getsource(Settings).splitlines():
        if found := re.match(r"    # --- (.+) ---$", line):
            if names:
                yield heading, names
            heading, names = found[1], []
        elif (found := re.match(r"    (\w+): ", line)) and found[1] in Settings.model_fields:
            names.append(found[1])
    yield heading, names


def _setting(name: str, field: FieldInfo) -> tuple[str, str, str]:
    variables = _variables(name, field)
    others = [each for each in variables[1:] if each != f"{PREFIX}{variables[0]}"]
    variable = " or ".join(f"`{each}`" for each in (variables[0], *others))
    meaning = field.description or ""
    if choices := _choices(field.annotation):
        meaning += f" One of {', '.join(f'`{each}`' for each in choices)}."
    return variable, _default(name, field), meaning


def _variables(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [f"{PREFIX}{name.upper()}"]


def _choices(annotation: Any) -> Sequence[str]:
    return [each for each in get_args(annotation) if isinstance(each, str)] if get_origin(annotation) else []


def _default(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        return COMPUTED_DEFAULTS[name]
    if field.default is None:
        return "unset"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, int) and field.default >= MIB:
        return f"`{field.default}` ({field.default // MIB} MiB)"
    return f"`{field.default}`"


# --- failures ---------------------------------------------------------------------------------------------------------


def failures_page() -> str:
    """Every failure type, what it means, and whether another attempt follows."""
    intro = (
        "A failed attempt has at least one failure: an origin, a type and a message. They stand in the report, in "
        "`jobs show` and in the run's failure in Temporal; the first one decides whether the job tries again.\n\n"
        f"Origins: {', '.join(f'`{each}`' for each in FailureOrigin)}.\n\n"
        "How often a job tries again is in the [settings](settings.md#retries-upstreams-names-and-defaults)."
    )
    rows = [(f"`{each}`", *_advice(each), "yes" if _is_retried(each) else "no") for each in FailureType]
    return "\n\n".join(
        (_title("Failure types"), intro, _table(("type", "meaning", "what to do", "retried"), rows) + "\n")
    )


def _advice(kind: FailureType) -> tuple[str, str]:
    return ADVICE[kind].meaning, ADVICE[kind].action


def _is_retried(kind: FailureType) -> bool:
    tally = RetryTally(successive_complete=1, total_complete=1)
    failure = Failure(origin=FailureOrigin.UNKNOWN, type=kind, message="")
    outcome = AttemptOutcome(status="failed", failures=(failure,))
    return decide(tally, RetryRules(), outcome, now=datetime.min.replace(tzinfo=UTC)).retry


# --- the sync file ----------------------------------------------------------------------------------------------------


def sync_file_page() -> str:
    """Every field of SyncInput and of what it holds."""
    schema = SyncInput.model_json_schema()
    intro = (
        "A sync file is YAML or JSON. The same object is the input of the workflow `Sync` and, as `SyncInput`, of the "
        "[Python client](../how-to/use-the-python-client.md). Unknown fields are refused. Relative paths "
        "that stand in the file itself (`command`, `config_file`, `catalog`) are relative to the file; paths inside of "
        "`config` are the connector's business. A local program starts in LOCAL_ROOT; a container in the working "
        "directory of its image, with LOCAL_ROOT at `/local`.\n\n"
        "```yaml\n"
        "connection: people\n"
        "source: {image: airbyte/source-faker:7.2.1, config: {count: 1000}}\n"
        "destination: {command: [destination-jsonl], config: {path: people}}\n"
        "streams: [{name: users, sync_mode: incremental, destination_sync_mode: append}]\n"
        "```"
    )
    parts = [_title("The sync file"), intro]
    connector = schema["$defs"]["Connector"]
    destination = schema["$defs"]["Destination"]
    own = {name: each for name, each in destination["properties"].items() if name not in connector["properties"]}
    for heading, name, described in (
        ("The file", "SyncInput", schema),
        ("`source` and `destination`", "Connector", connector),
        ("Only `destination`", "Destination", destination | {"properties": own}),
        ("`resources` of either", "Resources", schema["$defs"]["Resources"]),
        ("One of `streams`", "StreamChoice", schema["$defs"]["StreamChoice"]),
        ("One of `mappers`", "Mapper", schema["$defs"]["Mapper"]),
        ("`validation`", "Validation", schema["$defs"]["Validation"]),
        ("`clocks`", "Clocks", schema["$defs"]["Clocks"]),
        ("`speed_limits`", "SpeedLimits", schema["$defs"]["SpeedLimits"]),
        ("`retries`", "RetryLimits", schema["$defs"]["RetryLimits"]),
    ):
        rows = list(_fields(described, FIELDS[name]))
        parts += [f"## {heading}", _table(("field", "type", "default", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


# --- workflows --------------------------------------------------------------------------------------------------------


def workflows_page() -> str:
    """Inputs and results of every workflow type."""
    intro = (
        "Every workflow takes one JSON object (`json/plain`) on the task queue `airbyte`; "
        "[Start jobs by hand](../how-to/start-by-hand.md) shows how. Unknown fields are refused. A run that cannot be "
        "carried out fails with one of these types:\n\n"
        + _table(
            ("type", "when", "details"),
            [
                (
                    "`InvalidInput`",
                    "the input cannot be used; nothing was run with it",
                    "`problems`, where a field has the wrong form",
                ),
                ("`UnknownWorkflow`", "there is no such workflow type", ""),
                ("`ConnectionBusy`", "the connection has a running sync under another run", ""),
                ("`SyncFailed`", "the sync ended without success", "the report"),
                ("`ConnectorFailed`", "no answer to spec, check or discover", "`failures`"),
            ],
        )
    )
    sync = (
        "Input: the object of [the sync file](sync-file.md). Result: the report, which `sync -o json` prints. The "
        "query `progress` says where the run is; the update `cancel` takes `{job_id, by, reason, now}`; Temporal's own "
        "cancel does the same. The workflow id `sync/<connection>` is the connection's lock: under another id the sync "
        "is started under this one, and its result returned."
    )
    scheduled = (
        "What [a schedule](../how-to/schedule-syncs.md) starts. Input: that of `Sync`. It starts `Sync` under its "
        "fixed id and ends as that does; while the connection is busy, its result is `status` (`skipped`), "
        "`connection`, `reason`, and `job_id`: the job in the way, `null` where that has no number yet."
    )
    parts = [_title("Workflows"), intro, "## Sync", sync, "## ScheduledSync", scheduled]
    for title, form, result in (
        ("Check", CheckInput, CheckResult),
        ("Discover", DiscoverInput, DiscoverResult),
        ("Spec", SpecInput, SpecResult),
    ):
        schema = form.model_json_schema()
        meanings = {name: (FIELDS["Connector"] | OPERATION_FIELDS)[name] for name in schema["properties"]}
        head = ("field", "type", "default", "meaning")
        answer = _table(head, list(_fields(result.model_json_schema(), RESULTS[result])))
        parts += [f"## {title}", "Input:", _table(head, list(_fields(schema, meanings))), "Result:", answer]
    return "\n\n".join(parts) + "\n"


def _fields(schema: Mapping[str, Any], meanings: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    if set(meanings) != set(schema["properties"]):
        raise KeyError(f"fields and their meanings differ: {set(meanings) ^ set(schema['properties'])}")
    for name, field in schema["properties"].items():
        required = name in schema.get("required", ())
        default = "required" if required else _json_default(field)
        yield f"`{name}`", _type(field), default, meanings[name]


def _json_default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if default is not None and not isinstance(default, dict) else ""


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"] if each.get("type") != "null")
    if "$ref" in field:
        return REFERENCES[field["$ref"].rpartition("/")[2]]
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return str(field["type"])


# --- the command line -------------------------------------------------------------------------------------------------


def cli_page() -> str:
    """The help of every command."""
    intro = (
        "Results go to stdout, everything else to stderr. Without TEMPORAL_ADDRESS and DATABASE_URL each command uses "
        "the embedded stack below AIRBYTE_WORKERS_HOME and starts it where none runs.\n\n"
        + _table(
            ("exit code", "meaning"),
            [
                ("0", "done; a sync succeeded"),
                ("1", "failed"),
                ("2", "bad usage or input; the connection is syncing already"),
                ("3", "cancelled"),
                ("130", "interrupted: left without waiting for the end"),
            ],
        )
    )
    parts = [_title("The command line"), intro]
    for path, text in _helps(command_line, "airbyte-workers", None):
        parts.append(f"## {path}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, parent, info_name=name, terminal_width=100, **command.context_settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None
            yield from _helps(child, child_name, context)


# --- chaos ------------------------------------------------------------------------------------------------------------


def chaos_page() -> str:
    """Every victim at every moment: how the job must end, or why the case does not apply."""
    intro = (
        "What [`airbyte-workers chaos`](../how-to/break-it-on-purpose.md) plays: whom it strikes, at which moment of a "
        "sync, and how the job must end. Moments are in the order of a sync, but for the last two. "
        "`airbyte-workers chaos --table` prints the same."
    )
    parts = [_title("Chaos cases"), intro]
    for victim in Victim:
        rows = [(f"`{point}`", *_of_launchers(victim, point)) for point in POINTS]
        parts += [f"## {victim}", _table(("moment", *LAUNCHERS, "why"), rows)]
    return "\n\n".join(parts) + "\n"


def _of_launchers(victim: Victim, point: Failpoint) -> Sequence[str]:
    """The cell of each launcher; reasons that both share are told once."""
    ends = [decided(Case(victim, point, launcher)) for launcher in LAUNCHERS]
    said = [f"{each.status}, {each.attempts}" if isinstance(each, Expected) else "-" for each in ends]
    return (*said, " ".join(dict.fromkeys(each.why for each in ends)))


def main() -> int:
    """Write the pages, or say which ones are not up to date."""
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{', '.join(stale) or 'nothing'} changed\n")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
