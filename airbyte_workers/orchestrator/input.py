"""What a pod's program is given in its own `input.json` (mode 0400): it holds the database's address and secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from airbyte_workers.models import Clocks, FailureOrigin, Policy, SpeedLimits, ValidationMode
from airbyte_workers.protocol.streams import StreamKey
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

    def new_configs(self, settings: Settings) -> NewConfigs:
        """Where the program notes the configs that its connectors send in place of theirs."""
        return NewConfigs(self.launched, names=self.secret_names, most_secrets=settings.max_learned_secrets)

    def read_settings(self) -> Settings:
        """The settings of the Temporal worker that launched the pod."""
        return Settings.model_validate(self.settings)


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

    The policy's fields stand beside the others. `routes`: those on which something happens, with the keys of mappers.
    `cleared`: there is no source, these streams are emptied. `clocks`: the connection's own. `ends_by`: when the job's
    total time is over.
    """

    job_id: int
    attempt: int
    connection_id: int
    connection: str
    fence: int
    database_url: str
    streams: tuple[StreamKey, ...]
    routes: tuple[Route, ...] = Field(default=(), repr=False)
    stream_status: Literal["send", "omit"] = "send"
    count_populated_fields: bool = False
    clocks: Clocks = Clocks()
    ends_by: datetime | None = None
    speed_limits: SpeedLimits = SpeedLimits()
    cleared: Cleared | None = None
    checks: Checks = Checks()
    log_prefix: str


class ConnectorInput(_Input):
    """What the sidecar of a connector pod works with; `connection`: whose job asks, where it is one of a connection."""

    operation: Literal["spec", "check", "discover"]
    origin: Literal["source", "destination"]
    connection: str = ""
    log_prefix: str
