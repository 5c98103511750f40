"""What a pod's program is given in its own `input.json` (mode 0400): it holds the database's address and secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.models import Clocks, FailureOrigin, Policy, SpeedLimits, ValidationMode
from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.replication.control import Launched, NewConfigs
from airbyte_workers.replication.routes import Route
from airbyte_workers.replication.validation import CheckRules
from airbyte_workers.settings import Settings


class _Input(BaseModel):
    """`secrets` are the job's secret values, `secret_names` the properties that hold some: neither's are ever told."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    pod: str
    settings: dict[str, Any]
    secrets: tuple[str, ...] = Field(default=(), repr=False)
    secret_names: tuple[str, ...] = ()
    launched: dict[FailureOrigin, Launched] = Field(default_factory=dict, repr=False)

    def new_configs(self) -> NewConfigs:
        """Where the program notes the configs that its connectors send in place of theirs."""
        most = self.read_settings().max_learned_secrets
        return NewConfigs(self.launched, names=self.secret_names, most_secrets=most)

    def read_settings(self) -> Settings:
        """The settings of the Temporal worker that launched the pod."""
        return Settings.model_validate(self.settings)


class StreamRoute(BaseModel):
    """A stream that does not go on as it came: see `replication/routes.py: Route`. Configs of mappers are whole."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    source: StreamKey
    destination: StreamKey
    fields: tuple[str, ...] | None = None
    mappers: tuple[tuple[str, dict[str, Any]], ...] = Field(default=(), repr=False)

    @classmethod
    def of(cls, route: Route) -> StreamRoute:
        """The route as it is written down."""
        return cls(
            source=route.source,
            destination=route.destination,
            fields=None if route.fields is None else tuple(sorted(route.fields)),
            mappers=tuple((each.name, dict(each.config)) for each in route.mappers),
        )

    @property
    def route(self) -> Route:
        """The route as it is taken."""
        return Route(
            stream_key(*self.source),
            stream_key(*self.destination),
            fields=None if self.fields is None else frozenset(self.fields),
            mappers=tuple(MapperSpec(name, config) for name, config in self.mappers),
        )


class Cleared(BaseModel):
    """What a clear empties, and the connection's state before it: `state` where that is one for all streams."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    streams: tuple[StreamKey, ...]
    state_type: str | None = None
    state: str = ""


class Checks(BaseModel):
    """Which records are held against a schema: `schemas` as JSON, by stream; none where nothing is checked."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    mode: ValidationMode = "off"
    max_invalid_records: int | None = None
    dead_letters: bool = False
    schemas: tuple[tuple[StreamKey, str], ...] = ()

    def bodies(self) -> dict[StreamKey, bytes]:
        """The schemas by stream."""
        return {key: schema.encode() for key, schema in self.schemas}

    def rules(self, settings: Settings) -> CheckRules:
        """When a record is looked at, and when it is enough."""
        sampled = self.mode == "sampled"
        return CheckRules(
            first_records=settings.validation_first_records if sampled else 0,
            one_of=settings.validation_one_of if sampled else 1,
            max_errors=settings.validation_max_errors,
            max_invalid=self.max_invalid_records,
        )


class ReplicationInput(_Input, Policy):
    """What a replication pod's orchestrator works with; `streams` are (name, namespace) as configured.

    The policy's fields stand beside the others. `cleared`: there is no source, these streams are emptied.
    `clocks`: the connection's own. `ends_by`: when the job's total time is over.
    """

    job_id: int
    attempt: int
    connection_id: int
    connection: str
    fence: int
    database_url: str
    streams: tuple[StreamKey, ...]
    routes: tuple[StreamRoute, ...] = ()
    stream_status: Literal["send", "omit"] = "send"
    count_populated_fields: bool = False
    clocks: Clocks = Clocks()
    ends_by: datetime | None = None
    speed_limits: SpeedLimits = SpeedLimits()
    cleared: Cleared | None = None
    checks: Checks = Checks()
    log_prefix: str


class ConnectorInput(_Input):
    """What the sidecar of a connector pod works with."""

    operation: Literal["spec", "check", "discover"]
    origin: Literal["source", "destination"]
    log_prefix: str
