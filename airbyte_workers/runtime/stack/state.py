"""stack.json: what the supervisor tells everybody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from airbyte_workers.runtime.stack.home import Home, read_json, write_private
from airbyte_workers.runtime.stack.ports import Ports
from airbyte_workers.runtime.stack.processes import Identity
from airbyte_workers.settings import Settings

NAMESPACE = "default"


class Phase(StrEnum):
    """Where a supervisor is in its life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class Mode(StrEnum):
    """Who decides when the stack ends: nobody needing it any more, or the person at the terminal."""

    BACKGROUND = "background"
    FOREGROUND = "foreground"


class StackState(msgspec.Struct, frozen=True):
    """One supervisor and its servers. Holds the database password: the file is for its owner only."""

    owner: Identity
    mode: Mode
    phase: Phase
    ports: Ports | None = None
    temporal_address: str = ""
    ui_address: str = ""
    database_url: str = ""
    postgres_version: int = 0
    servers: dict[str, int] = {}
    kept_by: str | None = None
    """Why the stack goes on although no client uses it."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """What a client needs to know of a running stack."""

    temporal_address: str
    ui_address: str
    database_url: str = field(repr=False)
    home: Path
    pid: int

    @classmethod
    def of(cls, home: Home, state: StackState) -> Stack:
        """The stack behind this state."""
        return cls(state.temporal_address, state.ui_address, state.database_url, home.path, state.owner.pid)

    def applied_to(self, settings: Settings) -> Settings:
        """The same settings, pointing at this stack whatever the environment says."""
        return settings.model_copy(
            update={
                "home": self.home,
                "database_url": self.database_url,
                "temporal_address": self.temporal_address,
                "temporal_namespace": NAMESPACE,
                "allow_local_commands": True,
                "worker_deployment_name": None,  # it stops with its workers: there is nothing to upgrade beside
                "worker_build_id": None,
            }
        )


def read_state(home: Home) -> StackState | None:
    """What the last supervisor said; none when there was none or the file is damaged."""
    return read_json(home.state_file, StackState)


def write_state(home: Home, state: StackState) -> None:
    """Tell everybody else."""
    write_private(home.state_file, msgspec.json.encode(state))
