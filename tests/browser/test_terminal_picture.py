"""The README's sync on a real terminal, drawn as one sees it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.browser.conftest import Take
from tests.browser.pictures import ROOT
from tests.browser.temporal_page import TemporalPage
from tests.e2e.e2e_support import FAKER, Place

pytestmark = [pytest.mark.embedded, pytest.mark.browser, pytest.mark.connectors, pytest.mark.timeout(180)]
COMMAND = "airbyte-workers sync -f people.yaml"
SYNC_FILE = re.compile(r"```yaml\n# people.yaml\n(connection: people\n.*?)```", re.DOTALL)
CONTROL = re.compile(r"\x1b\[(\?25[lh]|2K|1A)|\r|\n|[^\x1b\r\n]+")
PAGE = """<body style="margin: 0; background: #16181d; height: 100vh">
<pre style="margin: 0; padding: 28px 32px; color: #d8dce4;
font: 16px/1.5 'DejaVu Sans Mono', monospace"><span style="color: #7ec699">$</span> <b>{command}</b>
{screen}</pre></body>"""


def screen(said: str) -> list[str]:
    """The lines that stand on a terminal after this, which writes and erases whole lines."""
    lines, at = [""], 0
    for found in CONTROL.finditer(said):
        match found[0]:
            case "\x1b[2K":
                lines[at] = ""
            case "\x1b[1A":
                at -= 1
            case "\n":
                at += 1
                lines += [""] * (at + 1 - len(lines))
            case "\r" | "\x1b[?25l" | "\x1b[?25h":
                pass
            case text:
                lines[at] = text
    return lines


def test_a_sync_on_a_terminal_says_what_it_does_and_what_came_of_it(
    stack: Place, temporal_page: TemporalPage, take: Take
) -> None:
    described = SYNC_FILE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert described is not None, "README.md describes no sync of people any more"
    Path(stack.work / "people.yaml").write_text(described[1], encoding="utf-8")
    assert stack.run("spec", FAKER).code == 0  # installed before: the picture is of a sync
    with stack.on_terminal(*COMMAND.split()[1:], columns=120) as sync:
        assert sync.ended(120).code == 0, sync.out
    shown = "\n".join(screen(sync.out)).replace(str(stack.work), "~")
    assert "\x1b" not in shown
    temporal_page.page.set_content(PAGE.format(command=COMMAND, screen=html.escape(shown)))
    box = temporal_page.page.locator("pre").bounding_box()
    assert box is not None
    take("terminal.png", height=round(box["height"]))
