"""What dashboards and alert rules ask Prometheus, taken apart: metrics, labels that select, labels that are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "deploy" / "compose" / "grafana" / "dashboards"
RULES = ROOT / "deploy" / "compose" / "alerts" / "airbyte-workers.yml"
CHOSEN = {
    "$__rate_interval_ms": "60000",
    "$__rate_interval": "1m",
    "$__range_s": "3600",
    "$__range": "1h",
    "$instance": ".*",
    "$kind": ".*",
}
"""What Grafana puts in the place of its variables when all is chosen; a name that begins another one comes after it."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_GROUPING = re.compile(r"\b(by|on)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*(?!\w)(?!\s*\()")
_WORDS = {"and", "or", "unless", "on", "by", "sum", "max"}


@dataclass(frozen=True)
class Expression:
    """`where`: the panel or rule that asks it."""

    where: str
    text: str

    @property
    def plain(self) -> str:
        """As Grafana asks it."""
        text = self.text
        for name, value in CHOSEN.items():
            text = text.replace(name, value)
        return text

    @property
    def metrics(self) -> dict[str, set[str]]:
        """The labels by which each is selected; none for those that are taken whole."""
        text = _RANGE.sub("", _STRING.sub('""', self.plain))
        found: dict[str, set[str]] = {}
        for name, matchers in _SELECTOR.findall(text):
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", matchers))
        rest = _GROUPING.sub("", _SELECTOR.sub("", text))
        for name in set(_NAME.findall(rest)) - _WORDS:
            found.setdefault(name, set())
        return found

    @property
    def kept(self) -> set[str]:
        """The labels that its result may have."""
        return {label.strip() for _, labels in _GROUPING.findall(self.plain) for label in labels.split(",")} - {""}


def boards() -> Mapping[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(BOARDS.glob("*.json"))}


def of_boards() -> Iterator[Expression]:
    for name, board in boards().items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield Expression(f"{name}: {panel['title']} {target['refId']}", target["expr"])


def of_rules() -> Iterator[Expression]:
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield Expression(rule.get("alert") or rule["record"], rule["expr"])
