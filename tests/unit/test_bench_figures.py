"""The benchmark's records are what they say, and its figures are those of the runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from airbyte_workers.replication.decoding import lines_of, sniff_line
from benchmarks.grid import MAIN, SIZES, STREAMS, Cell, cells
from benchmarks.limits import Run, bare_relay, plain_pipe
from benchmarks.pods import OPTIONS, PodRun
from benchmarks.records import Records


@pytest.mark.parametrize("size", [100, 500, 5_000, 1_000_000])
@pytest.mark.parametrize("streams", [1, 3])
def test_a_file_has_the_records_it_was_asked_for_and_a_state_behind_the_last(
    tmp_path: Path, size: int, streams: int
) -> None:
    records = Records(size, 7, streams)
    lines = list(lines_of(records.airbyte_file(tmp_path).read_bytes()))
    sniffed = [sniff_line(line) for line in lines]
    data = [each.record for each in sniffed if each is not None and each.record is not None]
    assert len(data) == 7
    assert all(size * 0.95 <= len(each.data) <= size * 1.05 for each in data)
    assert {each.stream for each in data} == set(records.stream_names)
    assert sniffed[-1] is not None
    assert sniffed[-1].type == "STATE"


def test_singer_gets_the_same_records(tmp_path: Path) -> None:
    records = Records(500, 30_000)
    airbyte = map(json.loads, records.airbyte_file(tmp_path).read_bytes().splitlines())
    singer = [json.loads(line) for line in records.singer_file(tmp_path).read_bytes().splitlines()]
    ours = [each["record"]["data"] for each in airbyte if each["type"] == "RECORD"]
    assert ours == [each["record"] for each in singer if each["type"] == "RECORD"]
    assert Counter(each["type"] for each in singer) == {"SCHEMA": 1, "RECORD": 30_000, "STATE": 3}


def test_both_limits_move_the_whole_file(tmp_path: Path) -> None:
    file = Records(500, 5_000).airbyte_file(tmp_path)
    for limit in (plain_pipe, bare_relay):
        run = limit(file, 5_000)
        assert (run.size, run.records) == (file.stat().st_size, 5_000)
        assert run.seconds > 0


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_rates() -> None:
    cell = Cell(Records(500, 10))
    for ours, limit in ((1, 2), (10, 100), (30, 31)):
        cell.add("process", PodRun(1, 10, ours * 10**6, cpu_s=2, peak_bytes=ours * 2**20))
        cell.add("cat", Run(1, 10, limit * 10**6))
    figures = cell.figures()
    assert figures["ratios"] == {"process/cat": 0.5}
    assert figures["paths"]["process"] == {
        "mb_s": 10.0,
        "records_s": 10,
        "cpu_s_per_gb": 200.0,
        "peak_mib": 30.0,
    }
    assert figures["paths"]["cat"] == {"mb_s": 31.0, "records_s": 10}


def test_the_grid_has_every_size_with_every_number_of_streams_and_every_option_once() -> None:
    grid = list(cells(1))
    seen = Counter((cell.records.record_bytes, cell.records.streams, cell.options) for cell in grid)
    assert set(seen.values()) == {1}
    assert len(seen) == len(SIZES) * len(STREAMS) * len(OPTIONS)
    assert grid[0].records == MAIN
