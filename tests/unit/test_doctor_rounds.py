"""All looks go on at once, each within its limit; one that fails or hangs is a finding among the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from airbyte_workers.cli.doctor import lines
from airbyte_workers.doctor.checks import CHECKS, Check
from airbyte_workers.doctor.examination import examined, mended
from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import apart
from airbyte_workers.settings import Settings

SECRET = "do-not-show"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", launcher="process", doctor_timeout_s=0.5)


async def _well(_: Means) -> Sequence[Finding]:
    return [ok("well")]


async def _crashes(_: Means) -> Sequence[Finding]:
    raise KeyError(SECRET)


async def _has_nothing_to_see(_: Means) -> Sequence[Finding]:
    raise Skip("there is none")


async def test_a_look_that_fails_is_a_finding_and_tells_no_values(settings: Settings) -> None:
    checks = [Check("a", "", _crashes), Check("b", "", _well), Check("c", "", _has_nothing_to_see)]
    first, *others = await examined(settings, checks)
    assert (first.check, first.verdict) == ("a", "fault")
    assert "it could not be looked at: KeyError (test_doctor_rounds.py, line " in first.seen
    assert SECRET not in repr(first)
    assert [(each.check, each.verdict, each.seen) for each in others] == [
        ("b", "ok", "well"),
        ("c", "skipped", "there is none"),
    ]


async def test_a_look_that_blocks_for_ever_keeps_nobody(settings: Settings, tmp_path: Path) -> None:
    """As a folder of a server that is away does: opening a FIFO that nobody writes is the same to its thread."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def hangs(_: Means) -> Sequence[Finding]:
        await apart(fifo.read_bytes)
        return [ok("read")]

    found = await examined(settings, [Check("a", "a FIFO", hangs), Check("b", "", _well)])
    assert [(each.verdict, each.seen) for each in found] == [
        ("fault", "no answer within 0.5 s: a FIFO"),
        ("ok", "well"),
    ]
    os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # the thread ends


async def test_every_look_ends_where_no_server_is(settings: Settings, tmp_path: Path) -> None:
    """On this very host, without blocking the loop and without making anything."""
    found = await examined(settings.model_copy(update={"doctor_timeout_s": 30}))
    assert list(dict.fromkeys(each.check for each in found)) == [check.name for check in CHECKS]
    assert [each for each in found if "could not be looked at" in each.seen] == []
    assert {each.check for each in found if each.seen.startswith("no embedded stack runs")} >= {
        "temporal",
        "postgresql",
    }
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # in async code


async def test_what_is_mended_is_looked_at_again(settings: Settings) -> None:
    broken = True

    async def look(_: Means) -> Sequence[Finding]:
        return [fault("broken", "mend it", fixable=True), warning("old", "")] if broken else [ok("whole"), ok("old")]

    async def mend(_: Means) -> str:
        nonlocal broken
        broken = False
        return "glued"

    async def refuse(_: Means) -> str:
        raise Skip("in use")

    async def stays(_: Means) -> Sequence[Finding]:
        return [fault("torn", "", fixable=True)]

    checks = [Check("a", "", look, mend), Check("b", "", stays, refuse), Check("c", "", _well, mend)]
    found = await mended(settings, await examined(settings, checks), checks)
    assert [(each.check, each.seen, each.done) for each in found] == [
        ("a", "whole", "glued"),
        ("a", "old", ""),
        ("b", "torn", "nothing: in use"),
        ("c", "well", ""),
    ]


# --- as people see it -------------------------------------------------------------------------------------------------

FOUND = [
    Finding(
        fault("", "").verdict, "something is wrong\nwith /a/path", "mend it: airbyte-workers worker", check="first"
    ),
    Finding(ok("").verdict, "well", check="the-second", done="glued"),
]


def test_a_pipe_gets_one_line_for_each_finding() -> None:
    assert [_plain(line) for line in lines(FOUND, None)] == [
        "fault    first       something is wrong with /a/path",
        "                     -> mend it: airbyte-workers worker",
        "ok       the-second  well",
        "                     mended: glued",
        "1 fault, 1 ok",
    ]


@pytest.mark.parametrize("width", [24, 40, 59, 60, 72])
def test_a_terminal_gets_lines_that_fit(width: int) -> None:
    shown = [_plain(line) for line in lines(FOUND, width)]
    assert max(map(cell_len, shown)) <= width
    assert " ".join(" ".join(shown).split()).startswith("fault first something is wrong with /a/path -> mend it:")


def _plain(line: str) -> str:
    import click

    return click.unstyle(line)
