"""What the activities of one process work with: handed on whole, so that a new part of it has one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg

from airbyte_workers.pods.pod import Launcher
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects
from airbyte_workers.store.sealing import Seal
from airbyte_workers.telemetry.figures import Figures


@dataclass(frozen=True)
class Means:
    """The databases, the settings, and what starts pods, by its name."""

    db: asyncpg.Pool
    seal: Seal
    settings: Settings
    objects: Objects
    launchers: Mapping[str, Launcher]
    figures: Figures = field(default_factory=Figures)
