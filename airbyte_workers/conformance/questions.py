"""The questions that every connector is asked: its spec, a check with the config, a check with a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from activities.pod_specs import CONFIG
from airbyte_workers.conformance import judging_all
from airbyte_workers.conformance.asking import ask
from airbyte_workers.conformance.bench import Asked, Bench
from airbyte_workers.conformance.common_findings import Common
from airbyte_workers.conformance.seen import AnswerSeen
from airbyte_workers.conformance.tried import Tried
from airbyte_workers.conformance.verdicts import Line, skipped
from airbyte_workers.conformance.wrong_configs import wrong_config
from airbyte_workers.protocol.config_secrets import secret_values
from airbyte_workers.protocol.configs import UnusableSpec, config_problems, secret_names
from airbyte_workers.redaction import Redactor

_HOPELESS = frozenset({Common.CHECK_CONFIG_UNFIT.name, Common.CHECK_FAILED.name})


class Questions:
    """Asks one connector with one config, of which every secret is resolved."""

    def __init__(self, bench: Bench, config: Mapping[str, Any], tried: Tried) -> None:
        self._bench = bench
        self._config = config
        self._tried = tried
        self._leg = "source"
        self.modes: Sequence[str] = ()
        """How it can write, as its spec lists it."""

    def asked(self, command: str, **files: bytes) -> Asked:
        """The command with the config, and with these files beside it (`catalog`, `state`)."""
        named = {f"{name}.json": content for name, content in files.items()}
        return Asked(command, {CONFIG: msgspec.json.encode(self._config), **named}, self._leg)

    async def answer(self, asked: Asked) -> AnswerSeen:
        """What it answers; what it says beside is remembered."""
        seen = await ask(self._bench, asked)
        self._tried.heard(seen.talk)
        return seen

    async def spec(self, leg: str) -> Mapping[str, Any] | None:
        """Its spec. Secrets that it names are hidden from then on."""
        self._tried.begin("spec")
        seen = await self.answer(Asked("spec", {}, leg))
        self._tried.add(judging_all.spec(seen))
        specification = seen.answer["connectionSpecification"] if seen.answer is not None else {}
        names = secret_names(specification)
        values = secret_values(self._bench.connector.config, self._config, names)
        self._bench.redact = Redactor(values, names=names)
        modes = seen.answer.get("supported_destination_sync_modes") if seen.answer is not None else None
        self.modes = [str(mode) for mode in modes] if isinstance(modes, list) else []
        return seen.answer

    async def config(self, leg: str, spec: Mapping[str, Any] | None) -> bool:
        """Check the config, and a wrong one; whether it is worth going on with it."""
        self._leg = leg
        if spec is None:
            self._tried.skip([Line.CONFIG_SCHEMA, Line.WRONG_CONFIG], "it told no spec")
            return await self._check(())
        specification = spec["connectionSpecification"]
        self._tried.add(judging_all.config_schema(specification))
        try:
            problems = config_problems(specification, self._config)
        except UnusableSpec:
            problems = ()
        worthwhile = await self._check(problems)
        await self._wrong(specification)
        return worthwhile

    async def _check(self, problems: Sequence[str]) -> bool:
        self._tried.begin("check")
        verdict = judging_all.check(await self.answer(self.asked("check")), problems)
        self._tried.add(verdict)
        return verdict.finding not in _HOPELESS

    async def _wrong(self, specification: Mapping[str, Any]) -> None:
        wrong = wrong_config(specification, self._config)
        if wrong is None:
            self._tried.add(skipped(Line.WRONG_CONFIG, "its spec forbids nothing that could be tried"))
            return
        self._tried.begin("check with a wrong config")
        asked = Asked("check", {CONFIG: msgspec.json.encode(wrong.config)}, self._leg)
        self._tried.add(judging_all.wrong_config(await ask(self._bench, asked), wrong.what))
