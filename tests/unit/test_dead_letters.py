"""Dead letters in a real folder: whole lines of JSON, without secrets, capped, and written when storage is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_workers.models import DeadLetterCounts
from airbyte_workers.orchestrator.dead_letters import DeadLetterLimits, DeadLetterWriter
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.store import dead_letters
from airbyte_workers.store.log_objects import attempt_folder
from airbyte_workers.store.log_reading import LogReader
from airbyte_workers.store.objects import Objects

FOLDER = attempt_folder(7, 0)
SECRET = "hunter2&hunter3"
USERS = ("users", None)


class Kept:
    """A folder as object storage that can be away for a while, and a writer."""

    def __init__(self, root: Path, **limits: int) -> None:
        self.root = root / "storage"
        self.objects = Objects(self.root.as_uri(), timeout=5)
        sizes = {"all_bytes": 1 << 20, "one_characters": 1000, "object_bytes": 1 << 16} | limits
        self.letters = DeadLetterWriter(self.objects, FOLDER, Redactor([SECRET]), DeadLetterLimits(**sizes))

    async def lines(self) -> list[dict[str, Any]]:
        stored = [part async for part in dead_letters.read(self.objects, 7, 0)]
        return [json.loads(line) for line in b"".join(stored).splitlines()]

    def sizes(self) -> list[int]:
        return [path.stat().st_size for path in sorted((self.root / FOLDER / "dead-letters").glob("*"))]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


async def test_a_record_is_kept_as_it_stood_with_its_stream_and_the_reasons(kept: Kept) -> None:
    kept.letters.invalid(("users", "ns"), ["a: lacks b", "c: breaks maximum 3"], b'{"a": 1.10, "\xc5\xbc":[]}')
    await kept.letters.flush()
    (stored,) = [part async for part in dead_letters.read(kept.objects, 7, 0)]
    assert b'"record":{"a": 1.10, "\xc5\xbc":[]}' in stored
    (line,) = await kept.lines()
    reasons = ["a: lacks b", "c: breaks maximum 3"]
    assert line == {"stream": "users", "namespace": "ns", "reasons": reasons, "record": {"a": 1.1, "ż": []}}


async def test_a_line_that_was_lost_is_kept_as_a_text(kept: Kept) -> None:
    kept.letters.malformed(b'{"type":"RECORD","record":{"a":"\xff\r\n')
    await kept.letters.flush()
    assert await kept.lines() == [{"reason": "malformed", "line": '{"type":"RECORD","record":{"a":"\ufffd'}]


async def test_a_secret_is_masked_wherever_it_stands(kept: Kept) -> None:
    kept.letters.invalid((SECRET, SECRET), [f"{SECRET}: is odd"], json.dumps({"note": SECRET, SECRET: 1}).encode())
    kept.letters.malformed(f'{{"type":"RECORD","record":{{"{SECRET}'.encode())
    await kept.letters.flush()
    record, lost = await kept.lines()
    assert record == {"stream": MASK, "namespace": MASK, "reasons": [f"{MASK}: is odd"],
                      "record": {"note": MASK, MASK: 1}}  # fmt: skip
    assert lost["line"].endswith(MASK)


async def test_a_long_record_is_cut_and_kept_as_a_text(kept: Kept) -> None:
    kept.letters.invalid(USERS, [], json.dumps({"a": "x" * 2000}).encode())
    kept.letters.malformed(b"y" * 2000)
    await kept.letters.flush()
    record, lost = await kept.lines()
    assert "record" not in record
    assert [len(text) for text in (record["record_text"], lost["line"])] == [1000, 1000]
    assert record["record_text"].endswith("x [cut]")
    assert lost["line"].endswith("y [cut]")


async def test_half_a_surrogate_pair_makes_no_line_unreadable(kept: Kept) -> None:
    kept.letters.invalid(USERS, [], b'{"a":"\\ud800"}')
    kept.letters.malformed(b'{"a":"\\ud800"}')
    await kept.letters.flush()
    assert len(await kept.lines()) == 2


async def test_objects_have_a_size_and_what_comes_is_appended(tmp_path: Path) -> None:
    kept = Kept(tmp_path, object_bytes=500)
    for number in range(40):
        kept.letters.invalid(USERS, [], json.dumps({"n": number}).encode())
        if number % 7 == 0:
            await kept.letters.flush()
    await kept.letters.flush()
    assert [line["record"]["n"] for line in await kept.lines()] == list(range(40))
    assert len(kept.sizes()) > 3
    assert max(kept.sizes()) <= 500


async def test_over_the_cap_they_are_left_out_and_counted(tmp_path: Path) -> None:
    kept = Kept(tmp_path, all_bytes=1000, object_bytes=300)
    for number in range(100):
        kept.letters.invalid(USERS, [], json.dumps({"n": number}).encode())
    await kept.letters.flush()
    stored = await kept.lines()
    assert kept.letters.counts == DeadLetterCounts(kept=len(stored), left_out=100 - len(stored))
    assert [line["record"]["n"] for line in stored] == list(range(len(stored)))
    assert 900 < sum(kept.sizes()) <= 1000


async def test_storage_that_is_away_costs_none_of_them(tmp_path: Path) -> None:
    kept = Kept(tmp_path, object_bytes=200)
    kept.root.mkdir(exist_ok=True)
    (kept.root / "logs").write_text("a file where a folder should be")
    for number in range(20):
        kept.letters.invalid(USERS, [], json.dumps({"n": number}).encode())
    await kept.letters.flush()
    (kept.root / "logs").unlink()
    kept.letters.invalid(USERS, [], b'{"n":20}')
    await kept.letters.flush()
    assert [line["record"]["n"] for line in await kept.lines()] == list(range(21))


async def test_they_are_no_part_of_the_log(kept: Kept) -> None:
    kept.letters.malformed(b"lost")
    await kept.letters.flush()
    await kept.objects.put(f"{FOLDER}/000000.jsonl", b"a line\n")
    reader = LogReader(kept.objects, "logs/7")
    assert [line async for lines in reader.new() for line in lines] == [b"a line"]
    assert await LogReader(kept.objects, "logs/7").last(9) == [b"a line"]


async def test_where_none_came_nothing_is_written(kept: Kept) -> None:
    await kept.letters.flush()
    assert await kept.objects.keys("logs") == []
    assert await kept.lines() == []
