"""The documentation's pictures: each shows what is said about it, word for word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
SIZE_LIMIT = 200_000
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]*pictures/([^)\s/]+))\)")
JSON = re.compile(r"```json\n(.*?)```", re.DOTALL)
SAID = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Shown:
    """A picture as a page of the documentation shows it."""

    page: Path
    text: str
    target: str

    @property
    def file(self) -> Path:
        return (self.page.parent / self.target).resolve()

    @property
    def words(self) -> list[str]:
        """What its description says can be read on it."""
        return SAID.findall(self.text)


def shown_pictures() -> Iterator[Shown]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for text, target, _ in PICTURE.findall(page.read_text(encoding="utf-8")):
            yield Shown(page, text, target)


def promised(name: str) -> list[str]:
    """Every word that some page says can be read on the picture of this name."""
    return [word for shown in shown_pictures() if shown.file.name == name for word in shown.words]


def pasted(beginning: str) -> dict[str, Any]:
    """The JSON input on the page about starting by hand that begins with this field."""
    page = (ROOT / "docs" / "how-to" / "start-by-hand.md").read_text(encoding="utf-8")
    (found,) = (each for each in map(json.loads, JSON.findall(page)) if next(iter(each)) == beginning)
    return dict(found)
