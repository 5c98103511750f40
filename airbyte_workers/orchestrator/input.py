"""What a pod's program is given in its own `input.json` (mode 0400): it holds the database's address and secrets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from airbyte_workers.models import Policy
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.settings import Settings


class _Input(BaseModel):
    """`secrets` are the job's secret values, `secret_names` the properties that hold some: neither's are ever told."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    pod: str
    settings: dict[str, Any]
    secrets: tuple[str, ...] = Field(default=(), repr=False)
    secret_names: tuple[str, ...] = ()

    def read_settings(self) -> Settings:
        """The settings of the Temporal worker that launched the pod."""
        return Settings.model_validate(self.settings)


class Cleared(BaseModel):
    """What a clear empties, and the connection's state before it: `state` where that is one for all streams."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    streams: tuple[StreamKey, ...]
    state_type: str | None = None
    state: str = ""


class ReplicationInput(_Input, Policy):
    """What a replication pod's orchestrator works with; `streams` are (name, namespace) as configured.

    The policy's fields stand beside the others. `cleared`: there is no source, these streams are emptied.
    """

    job_id: int
    attempt: int
    connection_id: int
    connection: str
    fence: int
    database_url: str
    streams: tuple[StreamKey, ...]
    stream_status: Literal["send", "omit"] = "send"
    cleared: Cleared | None = None
    log_prefix: str


class ConnectorInput(_Input):
    """What the sidecar of a connector pod works with."""

    operation: Literal["spec", "check", "discover"]
    origin: Literal["source", "destination"]
    log_prefix: str
