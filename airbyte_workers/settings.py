"""Every setting, its environment variable, default and meaning; docs/reference/settings.md is generated from here."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from airbyte_workers.names import JobKind, LauncherChoice
from airbyte_workers.quantities import InAll, InARow, Interval, cpus, memory_bytes

MIB = 1024 * 1024
_LONGEST_SECRET = 64 * 1024
_LAST_PORT = 65535


def _data_home() -> Path:
    root = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(root) / "airbyte-workers"


def _env(name: str) -> Any:
    """The variable's own name, and the same with our prefix."""
    return AliasChoices(name, f"AIRBYTE_WORKERS_{name}")


def _checked(read: Callable[[str], object]) -> BeforeValidator:
    """Refuse an amount that cannot be read, and keep it as it was written."""

    def check(text: object) -> object:
        if text is not None:
            read(str(text))
        return None if text is None else str(text)

    return BeforeValidator(check)


def _web_address(text: str | None) -> str | None:
    """The address of a server, without credentials and parameters."""
    if text is None:
        return None
    if not re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/[\w./-]*)?", text, re.ASCII):
        raise ValueError("must be http://host:port or https://host:port")
    return text.rstrip("/")


def _listening_address(text: str | None) -> str | None:
    """Where a server of ours listens: an IP address and a port."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]") if host.startswith("[") else host)
    except ValueError:
        raise ValueError("must be address:port, such as 127.0.0.1:9000 or 0.0.0.0:9000") from None
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 1 <= int(port) <= _LAST_PORT:
        raise ValueError(f"its port must be a number from 1 to {_LAST_PORT}")
    return text


def _secret_of_key(text: str | None, known: ValidationInfo) -> str | None:
    """AWS_SECRET_ACCESS_KEY_FILE, which compose always sets, counts only with a key: a machine's role has none."""
    file = known.data.get("aws_secret_access_key_file")
    if text is not None or file is None or known.data.get("aws_access_key_id") is None:
        return text
    return _first_line(file, "AWS_SECRET_ACCESS_KEY_FILE")


def _with_password(url: str | None, known: ValidationInfo) -> str | None:
    """DATABASE_PASSWORD_FILE counts where the address has no password; what is no address is for others to refuse."""
    file = known.data.get("database_password_file")
    if url is None or file is None:
        return url
    try:
        parts = urlsplit(url)
        given = bool(parts.password) or "password" in parse_qs(parts.query)
    except ValueError:
        return url
    password = None if given else _first_line(file, "DATABASE_PASSWORD_FILE")
    if password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.removesuffix(':')}:{quote(password, safe='')}@{host}").geturl()


def _headers_of_file(text: str | None, known: ValidationInfo) -> str | None:
    """OTEL_EXPORTER_OTLP_HEADERS, else what stands in the file."""
    file = known.data.get("otlp_headers_file")
    if text is None and file is not None:
        text = _first_line(file, "OTEL_EXPORTER_OTLP_HEADERS_FILE")
    _headers(text or "")
    return text


def _headers(text: str) -> dict[str, str]:
    """As OpenTelemetry's specification writes them: name=value,name=value, values as in a URL."""
    headers = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, sign, value = pair.partition("=")
        if not sign or not re.fullmatch(r"[\w.!#$%&'*+^`|~-]+", name.strip(), re.ASCII):
            raise ValueError("must be name=value, separated by commas")
        headers[name.strip().lower()] = said = unquote(value.strip())
        if not said.isascii() or not said.isprintable():
            raise ValueError("values must be printable ASCII characters")
    return headers


def _first_line(file: Path, variable: str) -> str | None:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST_SECRET + 1)
        line = content.decode().splitlines()[0] if content else ""
    except OSError as error:
        raise ValueError(f"{variable}: cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {file} is not text") from None
    if len(content) > _LONGEST_SECRET:
        raise ValueError(f"{variable}: {file} has more than {_LONGEST_SECRET} bytes")
    return line or None


_Cpus = Annotated[str | None, _checked(cpus)]
_Memory = Annotated[str | None, _checked(memory_bytes)]
_Days = Annotated[float, Field(ge=0, le=36_500)]
_Hours = Annotated[float, Field(gt=0, le=36_500 * 24)]
_Minutes = Annotated[float, Field(gt=0, le=30 * 24 * 60)]
_Spread = Annotated[float, Field(ge=0, le=30 * 24 * 60)]
_Limit = Annotated[float, Field(ge=0, le=525_600)]


class Settings(BaseSettings):
    """The settings of one process, read once from its environment."""

    model_config = SettingsConfigDict(
        env_prefix="AIRBYTE_WORKERS_",
        env_ignore_empty=True,  # compose files say `${NAME:-}` for what is not set
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    # --- where things are ---
    home: Annotated[Path, Field(description="Folder of the embedded stack, pods and connector environments.")] = Field(
        default_factory=_data_home
    )
    database_password_file: Annotated[
        Path | None,
        Field(
            validation_alias=_env("DATABASE_PASSWORD_FILE"),
            description="File with the password for DATABASE_URL, in its first line, where the address has none.",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        AfterValidator(_with_password),
        Field(
            validation_alias=_env("DATABASE_URL"),
            repr=False,
            description="PostgreSQL address. Unset: the embedded one.",
        ),
    ] = None
    temporal_address: Annotated[
        str | None,
        Field(
            validation_alias=_env("TEMPORAL_ADDRESS"),
            description="Temporal front end. Unset: the embedded one.",
        ),
    ] = None
    temporal_namespace: Annotated[
        str, Field(validation_alias=_env("TEMPORAL_NAMESPACE"), description="Temporal namespace.")
    ] = "default"
    worker_deployment_name: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_-]{1,100}$",
            validation_alias=_env("WORKER_DEPLOYMENT_NAME"),
            description="Temporal workers of this Worker Deployment have versions: a running job stays with the one "
            "that began it. Unset: they have none; the embedded stack never has.",
        ),
    ] = None
    worker_build_id: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9._+-]{1,100}$",
            validation_alias=_env("WORKER_BUILD_ID"),
            description="The version of a Temporal worker, with WORKER_DEPLOYMENT_NAME alone. "
            "Unset: that of the package airbyte-workers.",
        ),
    ] = None
    storage_url: Annotated[
        str | None,
        Field(
            validation_alias=_env("STORAGE_URL"),
            description="Object storage of logs and of markers, the files by which pods report: file:///folder,"
            " s3://bucket/prefix, gs://bucket/prefix, az://container/prefix. Unset: the folder storage below"
            " AIRBYTE_WORKERS_HOME.",
        ),
    ] = None
    local_root: Annotated[
        Path,
        Field(
            validation_alias=_env("LOCAL_ROOT"),
            description="A connector's /local: a bind mount with docker, the working directory with process.",
        ),
    ] = Path("airbyte_local")
    secrets_dir: Annotated[
        Path,
        Field(
            validation_alias=_env("SECRETS_DIR"),
            description="Folder below which `file:` secret references may point.",
        ),
    ] = Path("/run/secrets")
    secrets_key_file: Annotated[
        Path | None,
        Field(
            validation_alias=_env("SECRETS_KEY_FILE"),
            description="32-byte key (hex) that encrypts stored configs. Unset: secrets.key in AIRBYTE_WORKERS_HOME, "
            "made on first use.",
        ),
    ] = None
    dataplane: Annotated[str, Field(description="Name of this host; pods are counted and watched per dataplane.")] = (
        Field(default_factory=socket.gethostname)
    )

    workspace: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            description="What all jobs of these Temporal workers can be found by in Temporal: AirbyteWorkspace.",
        ),
    ] = "default"
    search_attributes_check_s: Annotated[
        PositiveFloat,
        Field(
            description="How often a Temporal worker looks whether the search attributes are still registered, and "
            "registers those that are not, s."
        ),
    ] = 30

    # --- access to object storage ---
    aws_access_key_id: Annotated[
        str | None,
        Field(
            validation_alias=_env("AWS_ACCESS_KEY_ID"),
            repr=False,
            description="The key with which an s3: STORAGE_URL is used. Unset: the role of the machine.",
        ),
    ] = None
    aws_secret_access_key_file: Annotated[
        Path | None,
        Field(
            validation_alias=_env("AWS_SECRET_ACCESS_KEY_FILE"),
            description="File with AWS_SECRET_ACCESS_KEY, in its first line, where that is not set and "
            "AWS_ACCESS_KEY_ID is.",
        ),
    ] = None
    aws_secret_access_key: Annotated[
        str | None,
        AfterValidator(_secret_of_key),
        Field(
            validation_alias=_env("AWS_SECRET_ACCESS_KEY"),
            validate_default=True,
            repr=False,
            description="What belongs to that key.",
        ),
    ] = None
    aws_session_token: Annotated[
        str | None,
        Field(
            validation_alias=_env("AWS_SESSION_TOKEN"),
            repr=False,
            description="The same of a key for a limited time. It must outlive the pods that get it.",
        ),
    ] = None
    aws_default_region: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices("AWS_DEFAULT_REGION", "AWS_REGION", "AIRBYTE_WORKERS_AWS_DEFAULT_REGION"),
            description="The bucket's region. Unset: us-east-1.",
        ),
    ] = None
    minio_endpoint: Annotated[
        str | None,
        AfterValidator(_web_address),
        Field(
            validation_alias=AliasChoices(
                "MINIO_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AIRBYTE_WORKERS_MINIO_ENDPOINT"
            ),
            description="Where a server is that speaks S3: http://host:port or https://host. Unset: Amazon's.",
        ),
    ] = None
    s3_path_style_access: Annotated[
        bool,
        Field(
            validation_alias=_env("S3_PATH_STYLE_ACCESS"),
            description="Whether the bucket's name stands in the path (http://host/bucket), else in the host's name.",
        ),
    ] = True
    google_application_credentials: Annotated[
        str | None,
        Field(
            validation_alias=_env("GOOGLE_APPLICATION_CREDENTIALS"),
            repr=False,
            description="The key of a service account for a gs: STORAGE_URL: a file, or its JSON. "
            "Unset: the role of the machine.",
        ),
    ] = None
    azure_storage_connection_string: Annotated[
        str | None,
        Field(
            validation_alias=_env("AZURE_STORAGE_CONNECTION_STRING"),
            repr=False,
            description="Account and key, or signature, for an az: STORAGE_URL, as Azure's portal shows them.",
        ),
    ] = None

    # --- what is allowed ---
    launcher: Annotated[
        LauncherChoice,
        Field(validation_alias=_env("LAUNCHER"), description="What runs pods."),
    ] = "auto"
    allow_local_commands: Annotated[
        bool,
        Field(
            validation_alias=_env("ALLOW_LOCAL_COMMANDS"),
            description="Whether `command:` connectors may run. True only in the embedded stack.",
        ),
    ] = False
    max_spec_workers: Annotated[
        PositiveInt,
        Field(validation_alias=_env("MAX_SPEC_WORKERS"), description="Live spec pods per dataplane."),
    ] = 5
    max_check_workers: Annotated[
        PositiveInt,
        Field(validation_alias=_env("MAX_CHECK_WORKERS"), description="Live check pods per dataplane."),
    ] = 5
    max_discover_workers: Annotated[
        PositiveInt,
        Field(
            validation_alias=AliasChoices(
                "MAX_DISCOVERY_WORKERS", "MAX_DISCOVER_WORKERS", "AIRBYTE_WORKERS_MAX_DISCOVERY_WORKERS"
            ),
            description="Live discover pods per dataplane.",
        ),
    ] = 5
    max_sync_workers: Annotated[
        PositiveInt,
        Field(validation_alias=_env("MAX_SYNC_WORKERS"), description="Live replication pods per dataplane."),
    ] = 5
    max_watches: Annotated[PositiveInt, Field(description="Pods one Temporal worker process watches at once.")] = 200

    failpoints: Annotated[
        Path | None,
        Field(description="For tests of faults alone: a folder in which somebody asks programs to stop at a moment."),
    ] = None

    # --- containers ---
    stack: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$",
            description="Tells the containers of several stacks on one Docker engine apart. "
            "Unset: taken from the path of AIRBYTE_WORKERS_HOME.",
        ),
    ] = None
    docker_network: Annotated[
        str,
        Field(
            validation_alias=_env("DOCKER_NETWORK"),
            description="Network of connectors' containers: bridge, host, none, or a network of the engine's.",
        ),
    ] = "bridge"
    orchestrator_image: Annotated[
        str | None,
        Field(
            validation_alias=_env("ORCHESTRATOR_IMAGE"),
            description="Image of the orchestrator's container, see the Dockerfile. Unset: it is a process of the "
            "Temporal worker's host, which must then be Linux and the engine's own host.",
        ),
    ] = None
    orchestrator_network: Annotated[
        str,
        Field(description="Network of the orchestrator's container; it must reach PostgreSQL and object storage."),
    ] = "host"
    orchestrator_storage_volume: Annotated[
        str | None,
        Field(
            description="Named volume that holds a `file:` STORAGE_URL for the orchestrator's container. "
            "Unset: the folder itself is mounted.",
        ),
    ] = None
    image_pull_policy: Annotated[
        Literal["IfNotPresent", "Always", "Never"],
        Field(
            validation_alias=AliasChoices(
                "JOB_KUBE_MAIN_CONTAINER_IMAGE_PULL_POLICY", "AIRBYTE_WORKERS_IMAGE_PULL_POLICY"
            ),
            description="When images are pulled before a launch.",
        ),
    ] = "IfNotPresent"
    image_pull_timeout_s: Annotated[PositiveFloat, Field(description="Longest pull of an image, s.")] = 600
    registry_timeout_s: Annotated[
        PositiveFloat,
        Field(description="How long the launcher `auto` waits for a registry that should know an image, s."),
    ] = 10
    docker_timeout_s: Annotated[
        PositiveFloat, Field(description="Longest single call to the Docker engine, but for pulls, s.")
    ] = 60
    image_pulls: Annotated[
        PositiveInt, Field(description="Pulls and questions to registries at once, per process.")
    ] = 4
    docker_calls: Annotated[PositiveInt, Field(description="Calls to the Docker engine at once, per process.")] = 32
    container_pids_limit: Annotated[
        NonNegativeInt, Field(description="Processes and threads of a connector's container; 0: no limit.")
    ] = 4096
    job_main_container_cpu_limit: Annotated[
        _Cpus,
        Field(
            validation_alias=_env("JOB_MAIN_CONTAINER_CPU_LIMIT"),
            description="Cores of a source's or destination's container, such as 0.5 or 500m. Unset: no limit.",
        ),
    ] = None
    job_main_container_memory_limit: Annotated[
        _Memory,
        Field(
            validation_alias=_env("JOB_MAIN_CONTAINER_MEMORY_LIMIT"),
            description="Memory of a source's or destination's container, such as 512Mi or 2Gi. Unset: no limit.",
        ),
    ] = None
    replication_orchestrator_cpu_limit: Annotated[
        _Cpus,
        Field(
            validation_alias=_env("REPLICATION_ORCHESTRATOR_CPU_LIMIT"),
            description="Cores of the orchestrator's container. Unset: no limit.",
        ),
    ] = None
    replication_orchestrator_memory_limit: Annotated[
        _Memory,
        Field(
            validation_alias=_env("REPLICATION_ORCHESTRATOR_MEMORY_LIMIT"),
            description="Memory of the orchestrator's container. Unset: no limit.",
        ),
    ] = None

    # --- time limits ---
    sync_job_max_timeout_days: Annotated[
        PositiveFloat,
        Field(validation_alias=_env("SYNC_JOB_MAX_TIMEOUT_DAYS"), description="Longest attempt of a sync, days."),
    ] = 3
    spec_timeout_minutes: Annotated[
        PositiveFloat,
        Field(validation_alias=_env("ACTIVITY_SPEC_TIMEOUT_MINUTES"), description="Longest spec, minutes."),
    ] = 10
    check_timeout_minutes: Annotated[
        PositiveFloat,
        Field(validation_alias=_env("ACTIVITY_CHECK_TIMEOUT_MINUTES"), description="Longest check, minutes."),
    ] = 10
    discover_timeout_minutes: Annotated[
        PositiveFloat,
        Field(
            validation_alias=_env("ACTIVITY_DISCOVERY_TIMEOUT_MINUTES"),
            description="Longest discover, minutes.",
        ),
    ] = 30
    discover_refresh_window_minutes: Annotated[
        float,
        Field(
            validation_alias=_env("DISCOVER_REFRESH_WINDOW_MINUTES"),
            description="How long a discovered catalog of a tagged image is used again, minutes; 0: never.",
        ),
    ] = 1440
    launch_timeout_minutes: Annotated[
        PositiveFloat,
        Field(description="Longest launch of a pod once it has a place: pull or install, then start; minutes."),
    ] = 15
    launch_tries: Annotated[
        PositiveInt, Field(description="Tries to install and start a pod before that counts as a failed attempt.")
    ] = 10
    connector_start_timeout_s: Annotated[
        PositiveFloat, Field(description="How long a connector may take to open its end of the data path, s.")
    ] = 300
    warm_programs: Annotated[
        bool,
        Field(
            description="Start orchestrators and sidecars on this host as forks of a process that has loaded them: it "
            "runs from the first pod on, beside each Temporal worker process."
        ),
    ] = True
    orchestrator_start_timeout_s: Annotated[
        PositiveFloat, Field(description="How long the orchestrator may take until it is ready, s.")
    ] = 60
    shutdown_grace_period_s: Annotated[
        PositiveFloat,
        Field(
            validation_alias=_env("SHUTDOWN_GRACE_PERIOD_S"),
            description="Time to exit by itself after the end of input (destination) or of stdout (source), s.",
        ),
    ] = 60
    shutdown_term_period_s: Annotated[
        PositiveFloat,
        Field(
            validation_alias=_env("SHUTDOWN_TERM_PERIOD_S"),
            description="Time between SIGTERM and SIGKILL, s.",
        ),
    ] = 10
    exit_code_timeout_s: Annotated[
        PositiveFloat,
        Field(description="How long an exit code may be missing after the output ended: then `exit unknown`, s."),
    ] = 10
    removal_timeout_s: Annotated[PositiveFloat, Field(description="How long the removal of a pod may take, s.")] = 30
    removal_tries: Annotated[
        PositiveInt, Field(description="Tries to remove a pod that has ended, with pauses of 1, 8, 27 ... s.")
    ] = 4
    lease_seconds: Annotated[
        PositiveFloat,
        Field(
            validation_alias=_env("LEASE_SECONDS"),
            description="A pod that could not renew its lease for so long ends itself, s.",
        ),
    ] = 1800
    lease_margin_seconds: Annotated[
        PositiveFloat,
        Field(
            validation_alias=_env("LEASE_MARGIN_SECONDS"),
            description="A pod that hangs is ended once its lease has been over for so long; one on a host out of "
            "reach counts as gone after that and as long as an end in order takes, s.",
        ),
    ] = 45
    dataplane_sign_s: Annotated[
        PositiveFloat,
        Field(
            description="How often each Temporal worker process says that its host is served, s; a host that said "
            "nothing for three times as long is out of reach."
        ),
    ] = 5
    heartbeat_timeout_s: Annotated[
        PositiveFloat, Field(description="Heartbeat timeout of launching and watching activities, s.")
    ] = 30
    heartbeat_throttle_s: Annotated[
        PositiveFloat, Field(description="Least time between two heartbeats to Temporal, s.")
    ] = 1
    bookkeeping_timeout_s: Annotated[
        PositiveFloat, Field(description="Longest single try of a bookkeeping activity, s.")
    ] = 30
    worker_shutdown_timeout_s: Annotated[
        PositiveFloat,
        Field(description="How long a stopping Temporal worker waits for its activities to hand over, s."),
    ] = 10
    second_signal_s: Annotated[
        float,
        Field(
            ge=0,
            description="How long after Ctrl-C (SIGINT) `worker` and `local` wait for a second one, which stops pods"
            " as well; only while pods run, s.",
        ),
    ] = 5
    marker_poll_interval_ms: Annotated[
        PositiveInt,
        Field(
            validation_alias=_env("MARKER_POLL_INTERVAL_MS"),
            description="How often markers are read, ms; more often while a pod is young.",
        ),
    ] = 500
    progress_interval_s: Annotated[
        PositiveFloat, Field(description="How often the orchestrator publishes progress, s.")
    ] = 1
    storage_timeout_s: Annotated[PositiveFloat, Field(description="Longest single request to object storage, s.")] = 30
    database_timeout_s: Annotated[PositiveFloat, Field(description="Longest single statement on PostgreSQL, s.")] = 30
    stack_start_timeout_s: Annotated[
        PositiveFloat, Field(description="How long the embedded stack may take to start, s.")
    ] = 120
    stack_stop_timeout_s: Annotated[
        PositiveFloat, Field(description="How long the embedded stack may take to stop, s.")
    ] = 60
    install_timeout_s: Annotated[
        PositiveFloat, Field(description="Longest installation of a connector's Python environment, s.")
    ] = 600

    handed_config_days: Annotated[
        PositiveFloat,
        Field(description="How long a config that a client handed over waits for its workflow to be taken up, days."),
    ] = 7

    # --- clocks: how long an attempt waits for what; a connection may have its own ---
    source_silence_minutes: Annotated[
        _Limit,
        Field(
            description="A source of which no byte came for so long, while nothing kept it from sending, fails the "
            "attempt, minutes; 0: never."
        ),
    ] = 30
    source_progress_minutes: Annotated[
        _Limit,
        Field(
            description="The same where bytes come, but neither a record nor a state (upstream's source heartbeat), "
            "minutes; 0: never."
        ),
    ] = 180
    acknowledgement_minutes: Annotated[
        _Limit,
        Field(
            description="A destination that owes an acknowledgement and gives none for so long, or takes nothing, "
            "fails the attempt (upstream's destination timeout), minutes; 0: never."
        ),
    ] = 120
    total_minutes: Annotated[
        _Limit,
        Field(description="Longest that a job may take with all its attempts and waits, minutes; 0: no limit."),
    ] = 0

    # --- validation ---
    validation_mode: Annotated[
        Literal["off", "sampled", "full"],
        Field(description="Which records are compared with their stream's schema; a connection may say otherwise."),
    ] = "sampled"
    validation_first_records: Annotated[
        NonNegativeInt, Field(description="`sampled` compares the first so many records of every stream.")
    ] = 1000
    validation_one_of: Annotated[
        PositiveInt,
        Field(description="`sampled` also compares one of so many of all records, at a place that changes."),
    ] = 1000
    validation_max_errors: Annotated[
        PositiveInt,
        Field(
            description="A stream with so many records that do not fit is not compared any more (upstream's limit), "
            "unless the connection has max_invalid_records."
        ),
    ] = 10
    max_dead_letter_bytes: Annotated[
        PositiveInt,
        Field(description="Dead letters kept per attempt, bytes; those that do not fit in are left out and counted."),
    ] = 10 * MIB
    max_dead_letter_line_bytes: Annotated[
        PositiveInt, Field(description="Longest record or line in a dead letter, bytes; longer ones are cut.")
    ] = 64 * 1024

    # --- reconciler ---
    reconcile_interval_s: Annotated[
        PositiveFloat,
        Field(description="How often live jobs are compared with their runs in Temporal, and pods with both, s."),
    ] = 30
    reconcile_pod_wait_s: Annotated[
        Interval,
        Field(
            description="A job whose run is over ends only after its pod, which ends in order; but it waits no longer "
            "than this, s."
        ),
    ] = 20
    reconcile_silence_minutes: Annotated[
        Interval,
        Field(
            description="A job whose run may be in another Temporal, which cannot be asked, is given up when nothing "
            "was heard of it for so long, minutes."
        ),
    ] = 10

    # --- retries (upstream's names and defaults) ---
    sync_job_retries_complete_failures_max_successive: Annotated[
        InARow,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_COMPLETE_FAILURES_MAX_SUCCESSIVE"),
            description="Failed attempts without progress in a row that end a job.",
        ),
    ] = 5
    sync_job_retries_complete_failures_max_total: Annotated[
        InAll,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_COMPLETE_FAILURES_MAX_TOTAL"),
            description="Failed attempts without progress that end a job.",
        ),
    ] = 10
    sync_job_retries_partial_failures_max_successive: Annotated[
        InARow,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_PARTIAL_FAILURES_MAX_SUCCESSIVE"),
            description="Failed attempts with progress in a row that end a job.",
        ),
    ] = 1000
    sync_job_retries_partial_failures_max_total: Annotated[
        InAll,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_PARTIAL_FAILURES_MAX_TOTAL"),
            description="Failed attempts with progress that end a job.",
        ),
    ] = 20
    sync_job_retries_complete_failures_backoff_min_interval_s: Annotated[
        Interval,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_COMPLETE_FAILURES_BACKOFF_MIN_INTERVAL_S"),
            description="First wait after a failure without progress, s.",
        ),
    ] = 10
    sync_job_retries_complete_failures_backoff_max_interval_s: Annotated[
        Interval,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_COMPLETE_FAILURES_BACKOFF_MAX_INTERVAL_S"),
            description="Longest wait between attempts, s.",
        ),
    ] = 1800
    sync_job_retries_complete_failures_backoff_base: Annotated[
        PositiveFloat,
        Field(
            validation_alias=_env("SYNC_JOB_RETRIES_COMPLETE_FAILURES_BACKOFF_BASE"),
            description="Each further wait is so many times longer.",
        ),
    ] = 3
    rate_limit_max_wait_s: Annotated[
        Interval,
        Field(description="Longest wait for the quota that a source said it must wait for (RATE_LIMITED), s."),
    ] = 86_400

    # --- schedules ---
    schedule_catch_up_s: Annotated[
        Interval,
        Field(ge=10, description="Runs that Temporal could not start in time are made up for so long, s; least 10."),
    ] = 3_600
    schedule_overdue_s: Annotated[
        PositiveFloat, Field(description="A run that has not begun so long after its time is called overdue, s.")
    ] = 60
    schedule_trigger_wait_s: Annotated[
        PositiveFloat, Field(description="How long `schedule trigger` waits for its run to have a job, s.")
    ] = 15
    schedule_no_jitter_cutoff_minutes: Annotated[
        _Spread,
        Field(
            validation_alias=_env("SCHEDULE_NO_JITTER_CUTOFF_MINUTES"),
            description="Runs that follow one another in no more than so many minutes are not spread.",
        ),
    ] = 5
    schedule_high_threshold_minutes: Annotated[
        _Spread,
        Field(
            validation_alias=_env("SCHEDULE_HIGH_THRESHOLD_MINUTES"),
            description="In no more than so many: spread by the next setting's minutes.",
        ),
    ] = 90
    schedule_high_jitter_amount_minutes: Annotated[
        _Spread,
        Field(validation_alias=_env("SCHEDULE_HIGH_JITTER_AMOUNT_MINUTES"), description="How far then, minutes."),
    ] = 2
    schedule_medium_threshold_minutes: Annotated[
        _Spread,
        Field(
            validation_alias=_env("SCHEDULE_MEDIUM_THRESHOLD_MINUTES"),
            description="Else, in no more than so many minutes: spread by the next setting's.",
        ),
    ] = 150
    schedule_medium_jitter_amount_minutes: Annotated[
        _Spread,
        Field(validation_alias=_env("SCHEDULE_MEDIUM_JITTER_AMOUNT_MINUTES"), description="How far then, minutes."),
    ] = 5
    schedule_low_threshold_minutes: Annotated[
        _Spread,
        Field(
            validation_alias=_env("SCHEDULE_LOW_THRESHOLD_MINUTES"),
            description="Else, in no more than so many minutes: spread by the next setting's.",
        ),
    ] = 390
    schedule_low_jitter_amount_minutes: Annotated[
        _Spread,
        Field(validation_alias=_env("SCHEDULE_LOW_JITTER_AMOUNT_MINUTES"), description="How far then, minutes."),
    ] = 15
    schedule_very_low_jitter_amount_minutes: Annotated[
        _Spread,
        Field(
            validation_alias=_env("SCHEDULE_VERY_LOW_JITTER_AMOUNT_MINUTES"),
            description="How far runs are spread that follow one another more slowly, minutes.",
        ),
    ] = 25

    # --- gc: how long things are kept ---
    db_prune_cron_enabled: Annotated[
        bool,
        Field(
            validation_alias=_env("DB_PRUNE_CRON_ENABLED"),
            description="Whether Temporal workers run `gc` by themselves.",
        ),
    ] = True
    gc_interval_hours: Annotated[_Hours, Field(description="Time from one such run to the next, hours.")] = 24
    gc_start_delay_s: Annotated[
        Interval,
        Field(description="A Temporal worker that has just started leaves gc alone for so long, s."),
    ] = 120
    gc_poll_minutes: Annotated[
        _Minutes, Field(description="How often a Temporal worker looks whether gc is due, minutes.")
    ] = 10
    gc_retry_minutes: Annotated[
        _Minutes, Field(description="Time from a gc that failed or was broken off to the next, minutes.")
    ] = 60
    job_days: Annotated[
        _Days,
        Field(description="How long syncs, clears and refreshes that have ended are kept, with their logs, days."),
    ] = 183
    operation_job_days: Annotated[
        _Days,
        Field(description="How long spec, check and discover jobs that have ended are kept, with their logs, days."),
    ] = 30
    jobs_per_connection: Annotated[
        PositiveInt, Field(description="So many jobs of each connection are kept however old they are, the last ones.")
    ] = 10
    ended_job_minutes: Annotated[
        _Minutes,
        Field(description="No job is removed sooner after its end: whoever waits for it may still read it, minutes."),
    ] = 60
    total_log_bytes: Annotated[
        PositiveInt | None,
        Field(description="Logs of all jobs together, bytes; over it gc removes the oldest. Unset: no limit."),
    ] = None
    discovered_catalog_days: Annotated[
        _Days,
        Field(description="How long discovered catalogs are kept, but the newest of each source and config, days."),
    ] = 30
    state_log_days: Annotated[
        _Days,
        Field(description="How far back the states of a connection can be looked at and rewound to, days."),
    ] = 30
    leftover_days: Annotated[
        _Days,
        Field(description="How long what seems to belong to nobody (logs, markers, pods' folders) is left, days."),
    ] = 1
    connector_environment_days: Annotated[
        _Days,
        Field(
            description="Python environments of connectors that nothing used for so long are removed, days; 0: never. "
            "The next use installs them anew."
        ),
    ] = 0
    gc_batch: Annotated[PositiveInt, Field(description="Jobs, or other rows, that gc removes at once.")] = 500
    gc_storage_requests: Annotated[PositiveInt, Field(description="Requests of gc to object storage at once.")] = 8

    # --- doctor ---
    doctor_timeout_s: Annotated[
        PositiveFloat, Field(description="How long `doctor` waits for each of the things that it looks at, s.")
    ] = 10
    doctor_mend_timeout_s: Annotated[
        PositiveFloat, Field(description="How long `doctor --fix` may work on each of the things that it mends, s.")
    ] = 120
    doctor_disk_warning_bytes: Annotated[
        PositiveInt, Field(description="`doctor` warns of a disk with less free space, bytes.")
    ] = 5 * 1024 * MIB
    doctor_disk_fault_bytes: Annotated[
        PositiveInt, Field(description="It calls less free space than this a fault, bytes.")
    ] = 1024 * MIB
    doctor_clock_skew_s: Annotated[
        PositiveFloat,
        Field(description="`doctor` calls it a fault if the clocks of servers differ from this host's by more, s."),
    ] = 5

    # --- sizes ---
    max_message_bytes: Annotated[
        PositiveInt,
        Field(validation_alias=_env("MAX_MESSAGE_BYTES"), description="Longest message of a connector, bytes."),
    ] = 128 * MIB
    block_bytes: Annotated[PositiveInt, Field(description="Bytes read from a source at once.")] = 128 * 1024
    pipe_bytes: Annotated[PositiveInt, Field(description="Size asked for the two data pipes, bytes.")] = 256 * 1024
    staged_states_bytes: Annotated[
        PositiveInt,
        Field(description="Memory for states that wait for their acknowledgement; over it older ones are merged."),
    ] = 16 * MIB
    journal_bytes: Annotated[
        PositiveInt,
        Field(
            description="Largest journal of what is acknowledged while PostgreSQL is away; more waits in memory alone."
        ),
    ] = 256 * MIB
    max_additional_stats: Annotated[
        PositiveInt,
        Field(description="Names for statistics of connectors' own that are kept per stream; others are left out."),
    ] = 20
    max_learned_secrets: Annotated[
        PositiveInt,
        Field(description="Secrets of configs that connectors sent anew which an attempt masks; the newest are kept."),
    ] = 1000
    max_log_bytes: Annotated[
        PositiveInt, Field(description="Log kept per attempt, bytes; the rest is dropped and counted.")
    ] = 50 * MIB
    max_log_line_bytes: Annotated[
        PositiveInt, Field(description="Longest line in a job's log, bytes; longer ones are cut.")
    ] = 16 * 1024
    log_chunk_bytes: Annotated[
        PositiveInt,
        Field(description="Size of one object of a job's log, bytes; the newest is written again until it is full."),
    ] = MIB
    log_unwritten_bytes: Annotated[
        PositiveInt,
        Field(
            description="Log held in memory while object storage does not answer, bytes; over it the oldest lines are "
            "dropped and counted."
        ),
    ] = 8 * MIB
    log_repeats_burst: Annotated[
        PositiveInt,
        Field(
            description="Lines of one kind (they differ in numbers, ids and quoted words only) that a connector's log "
            "takes at once; further ones are only counted."
        ),
    ] = 500
    log_repeats_per_minute: Annotated[
        PositiveFloat,
        Field(description="So many more lines of each kind are taken a minute; no kind that is rarer loses a line."),
    ] = 60
    log_repeats_kinds: Annotated[
        PositiveInt, Field(description="Kinds of lines that are remembered for that; of the others nothing is held.")
    ] = 1000
    log_repeats_told_s: Annotated[
        PositiveFloat, Field(description="How often it is told at most how many lines of a kind were only counted, s.")
    ] = 10
    max_spec_bytes: Annotated[
        PositiveInt, Field(description="Largest spec of a connector, bytes; it crosses Temporal whole.")
    ] = MIB
    inline_catalog_bytes: Annotated[
        PositiveInt,
        Field(description="Largest catalog that crosses Temporal as it is, bytes; larger ones by their id."),
    ] = 256 * 1024
    throughput_points: Annotated[
        int,
        Field(
            ge=10,
            le=240,
            description="How often it is kept how far an attempt was, for the chart of `jobs report`: when there are so"
            " many, every second one goes and the step doubles.",
        ),
    ] = 120
    report_max_streams: Annotated[
        PositiveInt,
        Field(description="Streams listed in a report that crosses Temporal; the rest is counted."),
    ] = 500
    database_pool_size: Annotated[
        int, Field(ge=2, description="PostgreSQL connections of one Temporal worker process.")
    ] = 10

    # --- connector test ---
    connector_test_timeout_s: Annotated[
        PositiveFloat,
        Field(
            description="How long `connector test` waits for a connector: for an answer, for its next record, for "
            "taking its input, s."
        ),
    ] = 60
    connector_test_records: Annotated[
        PositiveInt,
        Field(ge=100, description="Records that it reads of a source at most, or gives a destination at once."),
    ] = 10_000
    connector_test_sample_s: Annotated[
        PositiveFloat,
        Field(description="How long it reads a source at most, or lets a destination work after its end of input, s."),
    ] = 60
    connector_test_echo_s: Annotated[
        PositiveFloat,
        Field(description="How long it waits for a destination's acknowledgements before it ends the input, s."),
    ] = 5
    connector_test_record_bytes: Annotated[
        PositiveInt, Field(description="Size of the largest record that it gives a destination, bytes.")
    ] = 16 * MIB
    connector_test_limit_s: Annotated[
        PositiveFloat, Field(description="Longest that all of it may take, installing and pulling aside, s.")
    ] = 900

    # --- what is said ---
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        BeforeValidator(lambda level: {"WARN": "WARNING"}.get(str(level).upper(), str(level).upper())),
        Field(validation_alias=_env("LOG_LEVEL"), description="Least level logged."),
    ] = "INFO"
    log_format: Annotated[Literal["json", "pretty"], Field(description="Shape of our own log lines.")] = "pretty"
    pod_log_bytes: Annotated[
        PositiveInt,
        Field(
            description="What the log of the Temporal worker that watches a pod repeats of the log of the pod's own"
            " program, bytes; the newest."
        ),
    ] = 64 * 1024
    metrics_address: Annotated[
        str | None,
        AfterValidator(_listening_address),
        Field(
            validation_alias=_env("METRICS_ADDRESS"),
            description="Where a Temporal worker process shows its figures and those of its Temporal client to "
            "Prometheus, at /metrics: address:port, such as 127.0.0.1:9000; anybody who reaches it may read them. If "
            "it is in use the process says so and works without. Unset: nowhere.",
        ),
    ] = None
    metrics_sampling_s: Annotated[
        PositiveFloat,
        Field(description="How often figures and traces of jobs are brought up to date, where somebody wants them, s."),
    ] = 5
    observe_young_s: Annotated[
        PositiveFloat,
        Field(
            description="What happened to a job longer ago is not counted or traced any more: nobody did when it was "
            "new, s."
        ),
    ] = 900
    unusually_long_factor: Annotated[
        PositiveFloat,
        Field(
            description="A sync counts as unusually long when it takes so many times as long as the longest of the "
            "last ones."
        ),
    ] = 2
    unusually_long_min_s: Annotated[
        PositiveFloat, Field(description="A sync that runs for less is not unusually long, s.")
    ] = 900
    unusually_long_beside: Annotated[
        PositiveInt,
        Field(description="So many of a connection's last syncs that succeeded are compared with for that."),
    ] = 10
    otlp_endpoint: Annotated[
        str | None,
        AfterValidator(_web_address),
        Field(
            validation_alias=_env("OTEL_EXPORTER_OTLP_ENDPOINT"),
            description="An OpenTelemetry collector that takes OTLP over HTTP, such as http://localhost:4318: Temporal "
            "workers send it the traces of jobs and, where METRICS_ADDRESS is unset, their figures. Unset: nothing is "
            "sent.",
        ),
    ] = None
    otlp_headers_file: Annotated[
        Path | None,
        Field(
            validation_alias=_env("OTEL_EXPORTER_OTLP_HEADERS_FILE"),
            description="A file with OTEL_EXPORTER_OTLP_HEADERS in its first line.",
        ),
    ] = None
    otlp_headers: Annotated[
        str | None,
        AfterValidator(_headers_of_file),
        Field(
            validation_alias=_env("OTEL_EXPORTER_OTLP_HEADERS"),
            validate_default=True,
            repr=False,
            description="Headers for the collector: name=value, separated by commas, values as in a URL. A key belongs "
            "in OTEL_EXPORTER_OTLP_HEADERS_FILE.",
        ),
    ] = None
    otlp_timeout_s: Annotated[
        PositiveFloat, Field(description="How long sending spans to the collector may take, s; at a worker's end, too.")
    ] = 5
    otlp_metrics_interval_s: Annotated[
        PositiveFloat, Field(description="How often figures are sent to the collector, s.")
    ] = 15
    otel_service_name: Annotated[
        str,
        Field(
            validation_alias=_env("OTEL_SERVICE_NAME"),
            description="As whom Temporal workers send to the collector.",
        ),
    ] = "airbyte-workers"

    @property
    def is_embedded(self) -> bool:
        """Whether nobody said where a stack is."""
        return self.temporal_address is None and self.database_url is None

    @property
    def is_observed(self) -> bool:
        """Whether anybody wants figures or traces."""
        return self.metrics_address is not None or self.otlp_endpoint is not None

    @property
    def otlp_headers_by_name(self) -> dict[str, str]:
        """As they are sent."""
        return _headers(self.otlp_headers or "")

    @property
    def storage(self) -> str:
        """The object storage's address, with the default filled in."""
        return self.storage_url or (self.home.resolve() / "storage").as_uri()

    @property
    def dataplane_sign_holds_s(self) -> float:
        """How long a sign of life counts: one that comes late takes no host away."""
        return 3 * self.dataplane_sign_s

    def pods_at_once(self, kind: JobKind) -> int:
        """How many pods of this kind one dataplane runs; the others wait in the queue."""
        asked = {
            JobKind.SPEC: self.max_spec_workers,
            JobKind.CHECK: self.max_check_workers,
            JobKind.DISCOVER: self.max_discover_workers,
        }
        return asked.get(kind, self.max_sync_workers)

    @property
    def pods_dir(self) -> Path:
        """The folder of this host's pods."""
        return self.home / "pods"

    @property
    def stack_name(self) -> str:
        """What tells this stack's containers from another's on the same engine."""
        return self.stack or hashlib.sha256(str(self.home.absolute()).encode()).hexdigest()[:8]

    @property
    def key_file(self) -> Path:
        """The file of the key that encrypts stored configs."""
        return self.secrets_key_file or self.home / "secrets.key"
