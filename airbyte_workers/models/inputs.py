"""What people type: the inputs of jobs, as they cross Temporal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from airbyte_workers.models.options import Clocks, Mapper, SpeedLimits, Validation
from airbyte_workers.models.values import Typed, Value
from airbyte_workers.names import LauncherChoice
from airbyte_workers.quantities import InAll, InARow, Interval, Retries, cpus, memory_bytes

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


def _amount(read: Callable[[str], object]) -> AfterValidator:
    """Refuse an amount that cannot be read, and keep it as it was written."""

    def check(amount: object) -> object:
        if amount is not None:
            read(str(amount))
        return amount

    return AfterValidator(check)


class Resources(Typed):
    """What a connector's container may use; what is left out comes from the settings. Processes have no limits."""

    cpu_limit: Annotated[str | float | None, _amount(cpus)] = None
    memory_limit: Annotated[str | int | None, _amount(memory_bytes)] = None
    pids_limit: Annotated[int, Field(ge=0)] | None = None


class Runnable(Typed):
    """A connector's program: an image, or a command where the host allows it."""

    image: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)] | None = None
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _check_program(self) -> Self:
        if (self.image is None) == (self.command is None):
            raise ValueError("give either image or command")
        return self

    @property
    def name(self) -> str:
        """The name by which people know the connector."""
        return self.image or " ".join(self.command or ())

    @property
    def public_name(self) -> str:
        """What anybody may know of it: the image, or a command's program alone, whose arguments can be anything."""
        return self.image or (self.command or ("",))[0].rpartition("/")[2]


class Connector(Runnable):
    """A connector and its config.

    `config_id` stands for a config that a client handed to the job database, so that Temporal never carries it.
    """

    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    config_id: UUID | None = None
    config_file: str | None = None

    @model_validator(mode="after")
    def _check_config(self) -> Self:
        if self.config_file is not None:
            raise ValueError("config_file is read by the command line; a workflow input takes config")
        if self.config_id is not None and self.config:
            raise ValueError("give either config or config_id")
        return self


class Destination(Connector):
    """A destination; `stream_status: omit` is for old ones that do not understand stream statuses."""

    stream_status: Literal["send", "omit"] = "send"
    supports_refreshes: bool = False


class StreamChoice(Typed):
    """A stream to sync; what is left out comes from the discovered catalog.

    `fields`: the top-level fields of its records that are synced; None: all. `mappers` change records in this order.
    """

    name: str
    namespace: str | None = None
    sync_mode: Literal["full_refresh", "incremental"] | None = None
    destination_sync_mode: (
        Literal["append", "overwrite", "append_dedup", "overwrite_dedup", "update", "soft_delete"] | None
    ) = None
    cursor_field: tuple[str, ...] | None = None
    primary_key: tuple[tuple[str, ...], ...] | None = None
    fields: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    mappers: tuple[Mapper, ...] = ()


class RetryLimits(Typed):
    """A connection's own limits, not the stack's: upstream's settings without SYNC_JOB_RETRIES_, in small letters.

    `max_retries` limits the retries of a job whatever they were for; a number in place of the object stands for it.
    """

    max_retries: Retries | None = None
    complete_failures_max_successive: InARow | None = None
    complete_failures_max_total: InAll | None = None
    complete_failures_backoff_min_interval_s: Interval | None = None
    complete_failures_backoff_max_interval_s: Interval | None = None
    complete_failures_backoff_base: Annotated[float, Field(ge=1, le=1000)] | None = None
    partial_failures_max_successive: InARow | None = None
    partial_failures_max_total: InAll | None = None


NamespaceDefinition = Annotated[
    Literal["source", "destination", "customformat"],
    BeforeValidator(lambda typed: "customformat" if typed == "custom_format" else typed),
]


def _retries(typed: object) -> object:
    if isinstance(typed, int) and not isinstance(typed, bool):
        return {"max_retries": typed}
    if typed is None or isinstance(typed, dict | RetryLimits):
        return typed
    raise ValueError("must be a number of retries, or an object of limits")


class Policy(Value):
    """What a connection's owner accepts; the defaults accept nothing unproven."""

    accept_unacknowledged: bool = False
    allow_malformed: bool = False
    fail_on_source_stats: bool = False


class SyncInput(Typed):
    """One sync: a connection by name, or both connectors and what to sync.

    `catalog` is a configured catalog as Airbyte's users have it; without `streams` and `catalog` every stream
    the source has is synced (decisions.md, "Connections and safety"). `catalog_id` stands for a catalog that a client
    handed to the job database, being too large for Temporal. `retries` are the connection's limits; `max_retries` is
    the number of retries of this run alone. `namespace_definition`, `namespace_format` and `prefix` say under which
    names the destination gets the streams, as upstream's (airbyte-behaviour.md 5.3).
    """

    connection: ConnectionName
    source: Connector | None = None
    destination: Destination | None = None
    streams: Annotated[tuple[StreamChoice, ...], Field(min_length=1)] | None = None
    catalog: dict[str, Any] | None = None
    catalog_id: UUID | None = None
    launcher: LauncherChoice | None = None
    retries: Annotated[
        RetryLimits | None, BeforeValidator(_retries, json_schema_input_type=int | RetryLimits | None)
    ] = None
    max_retries: Retries | None = None
    local_root: str | None = None
    namespace_definition: NamespaceDefinition = "source"
    namespace_format: str | None = None
    prefix: str = ""
    validation: Validation = Validation()
    clocks: Clocks = Clocks()
    speed_limits: SpeedLimits = SpeedLimits()
    accept_unacknowledged: bool = False
    allow_malformed: bool = False
    fail_on_source_stats: bool = False
    count_populated_fields: bool = False

    @model_validator(mode="after")
    def _complete(self) -> SyncInput:
        if (self.source is None) != (self.destination is None):
            raise ValueError("give both source and destination, or neither to use the stored connection")
        if [self.streams, self.catalog, self.catalog_id].count(None) < 2:
            raise ValueError("give either streams or catalog")
        if (self.namespace_definition == "customformat") != (self.namespace_format is not None):
            raise ValueError("namespace_format and namespace_definition: customformat belong together")
        return self

    @property
    def policy(self) -> Policy:
        """What the owner accepts, of what was typed."""
        return Policy.model_validate({name: getattr(self, name) for name in Policy.model_fields})


class StreamName(Typed):
    """A stream of a connection; `namespace` where several have the name. The name alone, as a text, stands for it."""

    name: str
    namespace: str | None = None


def _named(typed: object) -> object:
    return {"name": typed} if isinstance(typed, str) else typed


NamedStream = Annotated[StreamName, BeforeValidator(_named, json_schema_input_type=str | StreamName)]


StreamOrder = Literal["clear", "merge", "truncate"]


class StreamRequest(Value):
    """What a clear or refresh does with which streams of its connection; None: with every one."""

    order: StreamOrder
    streams: tuple[StreamName, ...] | None = None


class ClearInput(Typed):
    """Forget a stored connection's state and have the destination remove what it holds; without `streams`: of all."""

    connection: ConnectionName
    streams: Annotated[tuple[NamedStream, ...], Field(min_length=1)] | None = None
    launcher: LauncherChoice | None = None
    max_retries: Retries | None = None
    local_root: str | None = None

    @property
    def sync(self) -> SyncInput:
        """The connection by name, with what concerns this run alone."""
        chosen = self.model_dump(include={"connection", "launcher", "max_retries", "local_root"})
        return SyncInput.model_validate(chosen)

    @property
    def order(self) -> StreamRequest:
        """What is to be done with which streams."""
        return StreamRequest(order="clear", streams=self.streams)


class RefreshInput(ClearInput):
    """Read streams of a stored connection again from their beginning and sync the others as ever.

    `merge` keeps what the destination has, `truncate` has it replaced by what is read once that is complete.
    """

    mode: Literal["merge", "truncate"] = "merge"

    @property
    def order(self) -> StreamRequest:
        """What is to be done with which streams."""
        return StreamRequest(order=self.mode, streams=self.streams)


class SpecInput(Runnable):
    """Ask a connector what it can be configured with."""

    launcher: LauncherChoice | None = None
    local_root: str | None = None

    @property
    def connector(self) -> Connector:
        """The connector alone."""
        return Connector(image=self.image, command=self.command, resources=self.resources)


class _Question(Connector):
    """What a connector is asked with a config."""

    launcher: LauncherChoice | None = None
    local_root: str | None = None

    @property
    def connector(self) -> Connector:
        """The connector alone."""
        return Connector.model_validate(self.model_dump(exclude={"launcher", "local_root"}))


class CheckInput(_Question):
    """Ask a connector whether it can work with a config."""


class DiscoverInput(_Question):
    """Ask a connector what a config gives access to."""


class CancelRequest(Typed):
    """Who cancels which job and why; `now` ends the pod at once instead of in order."""

    job_id: int
    by: str = ""
    reason: str = ""
    now: bool = False
