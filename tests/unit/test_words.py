"""What connectors say for people, as it stands in the job's log: LOG messages, and lines that are no messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airbyte_lines import Attempt, line, log

from airbyte_workers.orchestrator.joblog import LogLimits, LogWriter
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.replication.words import log_message
from airbyte_workers.settings import Settings
from airbyte_workers.store.log_lines import read_line
from airbyte_workers.store.objects import Objects

MALFORMED = "Malformed non-Airbyte record: "


def said_by_both(text: bytes) -> list[tuple[str, str]]:
    """Level and text of what stands in the log when either connector says this; nothing of it goes on."""
    attempt = Attempt()
    assert attempt.source(text + b"\n") == []
    attempt.destination(text + b"\n")
    (_, *source), (_, *destination) = attempt.log.lines
    assert source == destination
    return [(source[0], source[1])]


def test_g3_a_line_that_is_no_json_is_told() -> None:
    assert said_by_both(b"invalid line") == [("INFO", f"{MALFORMED}invalid line")]


def test_g4_a_log_message_is_told_at_its_own_level() -> None:
    assert said_by_both(log("warning", "WARN").strip()) == [("WARN", "warning")]


def test_g5_a_message_of_a_type_that_nobody_knows_is_told() -> None:
    assert said_by_both(b'{ "type": "abc"}') == [("INFO", MALFORMED + '{ "type": "abc"}')]


def test_g6_so_is_one_whose_type_is_spelt_otherwise() -> None:
    assert said_by_both(b'{"type": "spec", "data": {}}') == [("INFO", MALFORMED + '{"type": "spec", "data": {}}')]


@pytest.mark.parametrize("text", [b'{ "fish": "tuna"}', b'{"type": null}'])
def test_g7_one_without_a_type_is_told_to_whoever_looks_closely(text: bytes) -> None:
    assert said_by_both(text) == [("DEBUG", MALFORMED + text.decode())]


def test_g8_of_a_record_that_is_cut_off_its_content_is_not_told() -> None:
    """Upstream has it at DEBUG; ours keeps customers' data out of logs at every level."""
    cut = b'{"type":"RECORD", "record": {"stream": "transactions", "data": {"amount": "100.00"'
    said = [("WARN", f"dropped a malformed line of {len(cut) + 1} bytes that looks like a record or a state")]
    assert said_by_both(cut) == said


@pytest.mark.parametrize("blank", [b"", b"  \t", b"\r"])
def test_a_blank_line_says_nothing(blank: bytes) -> None:
    attempt = Attempt()
    attempt.source(blank + b"\n")
    attempt.destination(blank + b"\n")
    assert attempt.log.lines == []


# --- as it is stored ---


class Told:
    """A job's log in a folder."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self._root = root
        limits = LogLimits.of(Settings(**settings))
        self.log = LogWriter(Objects(root.as_uri(), timeout=5), "logs/7/0", Redactor(["hunter2"]), limits)

    async def lines(self) -> list[tuple[str, str]]:
        self.log.settle()
        await self.log.flush()
        stored = b"".join(path.read_bytes() for path in sorted(self._root.rglob("*.jsonl")))
        return [(each.level, each.text) for each in map(read_line, stored.splitlines())]


@pytest.mark.parametrize(
    ("level", "kept"), [("warning", "WARNING"), ("error", "ERROR"), ("LOUD", "INFO"), ("", "INFO")]
)
async def test_a_level_that_nobody_knows_is_info(tmp_path: Path, level: str, kept: str) -> None:
    told = Told(tmp_path)
    log_message(told, "source", log("hello", level))
    assert await told.lines() == [(kept, "hello")]


async def test_a_log_message_without_a_level_is_told(tmp_path: Path) -> None:
    told = Told(tmp_path)
    log_message(told, "source", line({"type": "LOG", "log": {"message": "hello"}}))
    assert await told.lines() == [("INFO", "hello")]


@pytest.mark.parametrize("message", [5, ["a"], {"a": "b"}, None])
async def test_a_message_that_is_no_text_is_told_as_it_came(tmp_path: Path, message: object) -> None:
    told = Told(tmp_path)
    said = line({"type": "LOG", "log": {"level": "ERROR", "message": message}})
    log_message(told, "source", said)
    assert await told.lines() == [("INFO", MALFORMED + said.decode().strip())]


async def test_of_a_huge_log_message_the_beginning_is_kept_and_no_secret_at_the_cut(tmp_path: Path) -> None:
    told = Told(tmp_path, max_log_line_bytes=1000)
    log_message(told, "source", log("x" * 990 + "hunter2" + "y" * 20_000_000))
    ((_, text),) = await told.lines()
    assert text == f"{'x' * 990}{MASK}"[:994] + " [cut]"


async def test_a_stack_trace_that_comes_again_and_again_is_one_message(tmp_path: Path) -> None:
    told = Told(tmp_path)
    for _ in range(1000):
        log_message(told, "destination", log("no luck", "ERROR", stack_trace="at a\nat b"))
    assert (await told.lines())[:2] == [
        ("ERROR", "no luck\nat a\nat b"),
        ("ERROR", "repeated 999 times: no luck"),
    ]
