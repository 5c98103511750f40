"""CONTROL messages: a connector that was given a new token sends its whole config anew, to be used from then on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airbyte_workers.models import FailureOrigin
from airbyte_workers.protocol.config_secrets import renewed_secret_values
from airbyte_workers.protocol.messages import Control
from airbyte_workers.replication.decoding import repaired
from airbyte_workers.replication.traces import decoded
from airbyte_workers.replication.words import JobLog, dropped_control

NEW_CONFIG = "CONNECTOR_CONFIG"


@dataclass(frozen=True)
class Launched:
    """What a connector was launched with, and what it takes to keep a config that it sends in its place.

    `typed` is the config of the job's input, with its references, `config` what the connector's file has; both as JSON.
    Without `public_key` (in hex digits) there is no connection to keep it for. `based_on` is the fingerprint that
    `store/connector_configs.py` tells of.
    """

    typed: str = field(default="{}", repr=False)
    config: str = field(default="{}", repr=False)
    based_on: str = field(default="", repr=False)
    public_key: str = ""


@dataclass(frozen=True)
class NewConfig:
    """A config as its connector sent it, JSON, and what that connector was launched with."""

    origin: FailureOrigin
    config: bytes = field(repr=False)
    launched: Launched


class NewConfigs:
    """The newest config that each connector sent, until somebody takes it to be kept."""

    def __init__(
        self,
        launched: Mapping[FailureOrigin, Launched] | None = None,
        *,
        names: Collection[str] = (),
        most_secrets: int = 1_000,
    ) -> None:
        """`names`: properties that hold secrets; of all in new configs the newest `most_secrets` are masked."""
        self._launched = launched or {}
        self._names = names
        self._most_secrets = most_secrets
        self._newest: dict[str, str] = {}
        self._waiting: dict[str, NewConfig] = {}
        self.arrived: Callable[[], None] = lambda: None
        """Called when there is something to take."""

    def read(self, log: JobLog, origin: FailureOrigin, line: bytes) -> None:
        """What a CONTROL line says. Its secrets are masked in the log before another word is said.

        One without a config is passed over without a word.
        """
        try:
            sent = _Sent.of(line)
        except (ValueError, RecursionError):
            dropped_control(log, origin, line)
            return
        if sent is None:
            return
        launched = self._launched.get(origin, Launched())
        typed, before = json.loads(launched.typed), json.loads(launched.config)
        log.redact.learn(renewed_secret_values(typed, before, sent.values, self._names), self._most_secrets)
        if sent.digest != self._newest.get(origin, _digest(before)):
            self._newest[origin] = sent.digest
            self._waiting[origin] = NewConfig(origin, sent.config, launched)
            self.arrived()

    def take(self) -> tuple[NewConfig, ...]:
        """What came since the last call: of each connector the newest."""
        taken, self._waiting = tuple(self._waiting.values()), {}
        return taken


class _ControlLine(msgspec.Struct):
    control: Control


@dataclass(frozen=True)
class _Sent:
    """A config as it stood in its message, and as values."""

    config: bytes
    values: dict[str, Any]
    digest: str

    @classmethod
    def of(cls, line: bytes) -> _Sent | None:
        """None for a line without a config. Raises ValueError or RecursionError for one that no file could hold."""
        if b'"connectorConfig"' not in line:
            return None
        control = decoded(line, _ControlLine).control
        if control.type != NEW_CONFIG or control.connectorConfig is None:
            return None
        config = bytes(control.connectorConfig.config)
        try:
            return cls.read(config)
        except UnicodeEncodeError:  # half a surrogate pair
            return cls.read(repaired(config))

    @classmethod
    def read(cls, config: bytes) -> _Sent:
        values = json.loads(config)
        if not isinstance(values, dict):
            raise ValueError("no object")  # noqa: TRY004  # one kind of error for whatever a connector sends
        return cls(config, values, _digest(values))


def _digest(config: Any) -> str:
    """The same for the same values, whatever their order. Raises ValueError or RecursionError."""
    told = json.dumps(config, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()
