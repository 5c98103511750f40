"""`airbyte-workers demo`, as somebody runs it who has just installed us."""

from __future__ import annotations

import pytest
from e2e_support import Place, processes_of

pytestmark = [pytest.mark.embedded, pytest.mark.connectors, pytest.mark.timeout(240)]


def test_demo_twice(alone: Place) -> None:
    for _ in range(2):
        ended = alone.run("demo", "--count", "200", seconds=200)
        assert ended.code == 0, ended.err
        for stream in ("users", "products", "purchases"):
            file = alone.work / "demo_output" / f"{stream}.jsonl"
            lines = file.read_bytes().count(b"\n")
            (row,) = (line.split() for line in ended.out.splitlines() if line.split()[-1:] == [file.name])
            assert row == [stream, f"{lines:,}", f"{lines:,}", file.name]
            assert lines > 0
        assert f"every committed record is in its file in {alone.work / 'demo_output'}" in ended.out
        assert processes_of(alone.home) == []
