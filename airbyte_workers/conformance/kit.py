"""The kit: one connector, everything that is tried with it, and the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airbyte_workers.conformance import destination_kit, source_kit
from airbyte_workers.conformance.bench import Bench, bench
from airbyte_workers.conformance.common_findings import Common
from airbyte_workers.conformance.questions import Questions
from airbyte_workers.conformance.tried import Tried
from airbyte_workers.conformance.verdicts import Level, Verdict, in_order, verdict
from airbyte_workers.models import Connector
from airbyte_workers.names import LauncherChoice
from airbyte_workers.pods.choice import Choice
from airbyte_workers.quantities import duration
from airbyte_workers.settings import Settings
from airbyte_workers.store import secrets

Kind = Literal["source", "destination"]
Tell = Callable[[str], None]
_DESTINATION_SIGNS = ("supported_destination_sync_modes", "supportsNormalization", "supportsDBT")


class KindUnknown(Exception):
    """Neither its name nor its spec tells whether it is a source or a destination."""


@dataclass(frozen=True)
class Subject:
    """What is tested: with this config, as what it is said to be, run by whom."""

    connector: Connector
    kind: Kind | None = None
    launcher: LauncherChoice = "auto"


@dataclass(frozen=True)
class Report:
    """All verdicts on one connector."""

    connector: str
    kind: Kind
    choice: Choice
    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def worst(self) -> Level:
        """The worst of them."""
        levels = {each.level for each in self.verdicts}
        return next(each for each in (Level.FAIL, Level.WARNING, Level.PASS, Level.SKIPPED) if each in levels)

    def count(self, level: Level) -> int:
        return sum(each.level is level for each in self.verdicts)


async def examine(settings: Settings, subject: Subject, tell: Tell, chosen: Callable[[Choice], None]) -> Report:
    """Try everything. Raises LaunchFailed, LauncherAway, RemovalFailed, SecretError, KindUnknown."""
    config = await asyncio.to_thread(secrets.resolve, subject.connector.config, settings.secrets_dir)
    async with bench(settings, subject.connector, subject.launcher) as place:
        chosen(place.choice)
        await place.prepare()
        began = time.monotonic()
        kit = _Kit(place, subject, config, tell)
        await kit.run()
        seconds = round(time.monotonic() - began, 1)
        return Report(subject.connector.public_name, kit.kind, place.choice, in_order(kit.tried.verdicts), seconds)


class _Kit:
    def __init__(self, place: Bench, subject: Subject, config: Mapping[str, Any], tell: Tell) -> None:
        self._bench = place
        self._asked_kind = subject.kind or _by_name(subject.connector)
        self._config = config
        self.kind: Kind = self._asked_kind or "source"
        self.tried = Tried(tell)

    async def run(self) -> None:
        limit = self._bench.settings.connector_test_limit_s
        try:
            async with asyncio.timeout(limit):
                await self._run()
        except TimeoutError:
            self.tried.add(verdict(Common.LIMIT_REACHED, f"stopped after {duration(limit)}, at: {self.tried.step}"))

    async def _run(self) -> None:
        questions = Questions(self._bench, self._config, self.tried)
        spec = await questions.spec(self.kind)
        self.kind = self._asked_kind or _by_spec(spec)
        proceed = await questions.config(self.kind, spec)
        kit = source_kit if self.kind == "source" else destination_kit
        if proceed:
            await kit.run(self._bench, questions, self.tried)
        else:
            self.tried.skip(kit.LINES, "its check did not pass: give a --config that it can work with")
        self.tried.talked()


def _by_name(connector: Connector) -> Kind | None:
    """By the last part of an image's name, or of a program's."""
    name = connector.public_name.rpartition("/")[2].lower()
    kinds: tuple[Kind, ...] = ("source", "destination")
    found = [kind for kind in kinds if kind in name]
    return found[0] if len(found) == 1 else None


def _by_spec(spec: Mapping[str, Any] | None) -> Kind:
    if spec is None:
        raise KindUnknown(
            "neither its name nor a spec tells whether it is a source or a destination: say --source or --destination"
        )
    return "destination" if any(spec.get(sign) for sign in _DESTINATION_SIGNS) else "source"
