"""What the benchmark publishes: the figures of its document, in tables, charts and pages that cannot drift from it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import charts, publish
from benchmarks.publish import BEGIN, END, MarkMissingError, markdown, memory_chart, readme_table, throughput_chart

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def cell(*, streams: int = 1, options: str = "", docker: bool = False, mb_s: float = 677.0) -> dict[str, Any]:
    paths = {
        "cat": {"mb_s": 1512.4, "records_s": 2_500_000},
        "bare": {"mb_s": 1333.0, "records_s": 2_200_000},
        "process": {"mb_s": mb_s, "records_s": 1_100_000, "cpu_s_per_gb": 1.84, "peak_mib": 78.2},
    }
    ratios = {"process/cat": 0.447, "process/bare": 0.51}
    if docker:
        paths["docker"] = {"mb_s": 641.0, "records_s": 1_050_000, "cpu_s_per_gb": 1.91, "peak_mib": 81.0}
        paths["docker_run"] = {"mb_s": 207.0, "records_s": 340_000}
        ratios |= {"docker/process": 0.947, "docker/docker_run": 3.1}
    data = "500 B" if streams == 1 else f"500 B, {streams} streams"
    return {
        "data": data,
        "record_bytes": 500,
        "streams": streams,
        "records": 2_000_000,
        "options": options,
        "paths": paths,
        "ratios": ratios,
        "runs": [1, 2, 3],
    }


def peer(name: str, mb_s: float, ratio: float) -> dict[str, Any]:
    costs = {"mb_s": mb_s, "records_s": 62_000, "cpu_s_per_gb": 26.04, "peak_mib": 298.0}
    return {"name": name, "version": "0.71.3", "how": f"{name} | drain", **costs, "ratio": ratio}


HEAD = {"at": "2026-11-26T20:00:00+00:00", "machine": "2 cores, Linux x86_64, Python 3.11.7", "rounds": 5}
EMPTY: dict[str, Any] = {**HEAD, "took_s": 900.0, "moved": [], "peers": [], "starts": [], "latency": [], "growth": []}
WHOLE: dict[str, Any] = {
    **EMPTY,
    "moved": [cell(streams=50, mb_s=1.0), cell(options="with mappers", mb_s=2.0), cell(docker=True)],
    "peers": [
        peer("PyAirbyte", 36.0, 14.94),
        peer("PyAirbyte, DuckDB cache", 3.0, 220.0),
        peer("airbyte_serverless", 76.0, 8.8),
        peer("Meltano", 22.0, 30.7),
    ],
    "starts": [{"what": "process pod: to the first record", "s": 0.421}],
    "latency": [{"what": "check, process pod", "ours_s": 0.35, "bare_s": 0.02}],
    "at_once": {"syncs": 10, "mb_s": 400.0, "peak_mib": 780.0},
    "growth": [
        {"records": 10_000, "peak_mib": 70.0, "cpu_s_per_gb": 2.04},
        {"records": 100_000_000, "peak_mib": 79.0, "cpu_s_per_gb": 1.5},
    ],
}
NO_CONTAINERS = {**WHOLE, "moved": [cell()]}
NO_PEERS = {**WHOLE, "peers": []}
ONLY_GROWTH = {**EMPTY, "growth": WHOLE["growth"]}


def labels(svg: str) -> list[str | None]:
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def pages(root: Path) -> tuple[Path, Path, Path]:
    """A tree with the pages, and marks in them."""
    folder = root / "docs" / "explanation"
    folder.mkdir(parents=True)
    found = root / "README.md", folder / "speed.md", folder / "comparison.md"
    for page in found:
        page.write_text(f"above\n\n{BEGIN}\nold\n{END}\n\nbelow\n")
    return found


def tree(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "row",
    [
        "| 500 B | 0.45 | 0.51 | 0.95 | 3.10 |",
        "| 500 B, with mappers | 0.45 | 0.51 | - | - |",
        r"| 500 B | cat \| cat | 2,500,000 | 1,512 | - | - |",
        "| 500 B, 50 streams | airbyte-workers, process pods | 1,100,000 | 1 | 1.8 | 78 MiB |",
        "| 500 B | airbyte-workers, Docker pods | 1,050,000 | 641 | 1.9 | 81 MiB |",
        r"| PyAirbyte 0.71.3 | 14.9 x as fast | 36 | 26.0 | 298 MiB | PyAirbyte \| drain |",
        r"| PyAirbyte 0.71.3, DuckDB cache | 220.0 x as fast | 3 | 26.0 | 298 MiB | PyAirbyte, DuckDB cache \| drain |",
        "| process pod: to the first record | 0.42 s |",
        "| check, process pod | 0.35 s | 0.02 s | +0.33 s |",
        "| 10 | 400 | 780 MiB |",
        "| 10,000 | 2.0 | 70 MiB |",
        "| 100,000,000 | 1.5 | 79 MiB |",
    ],
)
def test_the_tables_say_what_was_measured(row: str) -> None:
    assert row in markdown(WHOLE).splitlines()


def test_ratios_come_first_then_rates_peers_starts_answers_many_and_long_syncs() -> None:
    headings = [line[4:].partition(",")[0] for line in markdown(WHOLE).splitlines() if line.startswith("### ")]
    wanted = ["Ratios of rates", "Rates and costs", "Peers", "Starts", "Answers", "Syncs at once", "Ever longer syncs"]
    assert headings == wanted


def test_the_readme_has_ours_beside_what_one_would_take_instead_in_nine_lines() -> None:
    assert readme_table(WHOLE).splitlines() == [
        "| 500-byte records, 2 cores | MB/s | CPU s per GB | peak memory | ours is |",
        "| --- | --- | --- | --- | --- |",
        "| **airbyte-workers, process pods** | 677 | 1.8 | 78 MiB | - |",
        "| **airbyte-workers, Docker pods** | 641 | 1.9 | 81 MiB | - |",
        r"| cat \| cat | 1,512 | - | - | 0.45 x as fast |",
        r"| docker run \| docker run -i | 207 | - | - | 3.10 x as fast |",
        "| PyAirbyte 0.71.3 | 36 | 26.0 | 298 MiB | 14.9 x as fast |",
        "| airbyte_serverless 0.71.3 | 76 | 26.0 | 298 MiB | 8.80 x as fast |",
        "| Meltano 0.71.3 | 22 | 26.0 | 298 MiB | 30.7 x as fast |",
    ]


@pytest.mark.parametrize("document", [WHOLE, NO_CONTAINERS, NO_PEERS, ONLY_GROWTH, EMPTY])
def test_every_row_has_as_many_cells_as_its_head(document: dict[str, Any]) -> None:
    for table in (*markdown(document).split("\n\n"), readme_table(document)):
        rows = [line.replace(r"\|", "") for line in table.splitlines() if line.startswith("| ")]
        assert len({row.count("|") for row in rows}) <= 1


def test_without_an_engine_nothing_is_said_of_containers() -> None:
    said = markdown(NO_CONTAINERS) + readme_table(NO_CONTAINERS) + throughput_chart(NO_CONTAINERS)
    assert "docker" not in said.lower()
    assert "| 500 B | 0.45 | 0.51 |" in said


def test_a_peer_that_is_missing_leaves_its_row_out() -> None:
    without = {**WHOLE, "peers": [each for each in WHOLE["peers"] if each["name"] != "Meltano"]}
    for said in (markdown(without), readme_table(without), throughput_chart(without)):
        assert "Meltano" not in said
        assert "airbyte_serverless" in said
    assert "### Peers" not in markdown(NO_PEERS)


def test_a_peer_whose_costs_are_unknown_has_dashes() -> None:
    unknown = {
        name: value for name, value in peer("Meltano", 22, 30.7).items() if name not in ("cpu_s_per_gb", "ratio")
    }
    assert "| Meltano 0.71.3 | 22 | - | 298 MiB | - |" in readme_table({**WHOLE, "peers": [unknown]})


def test_a_part_that_was_not_measured_has_no_table_and_no_chart() -> None:
    assert (
        markdown(EMPTY)
        == "2026-11-26, 2 cores, Linux x86_64, Python 3.11.7; medians of 5 alternated rounds, 900 s in all."
    )
    assert "not measured" in labels(throughput_chart(EMPTY))
    assert "not measured" in labels(memory_chart(EMPTY))


def test_bars_stand_in_the_order_of_the_paths_then_the_peers_each_as_long_as_its_rate() -> None:
    svg = throughput_chart(WHOLE)
    named = [label for label in labels(svg)[2:] if label and not label.replace(",", "").isdigit()]
    peers = ["PyAirbyte 0.71.3", "PyAirbyte 0.71.3, DuckDB cache", "airbyte_serverless 0.71.3", "Meltano 0.71.3"]
    paths = [label for path, label in publish.PATHS.items() if path != "docker_run_quiet"]  # which was not measured
    assert named == [*paths, *peers]
    bars = list(ElementTree.fromstring(svg).iter(f"{SVG}rect"))[1:]
    lengths = [float(bar.attrib["width"]) for bar in bars]
    assert lengths[2] / lengths[0] == pytest.approx(677 / 1512.4, rel=0.01)
    ours = [bar.attrib["fill"] for bar in bars]
    assert ours[2] == ours[3]
    assert ours[2] not in {*ours[:2], *ours[4:]}


def test_the_memory_chart_has_a_point_for_every_count_on_a_scale_of_powers() -> None:
    growth = [{"records": 10**power, "peak_mib": 70.0 + power} for power in range(4, 9)]
    drawn = ElementTree.fromstring(memory_chart({**WHOLE, "growth": growth}))
    points = [float(circle.attrib["cx"]) for circle in drawn.iter(f"{SVG}circle")]
    steps = [after - before for before, after in pairwise(points)]
    assert steps == pytest.approx([steps[0]] * 4, abs=0.2)
    assert {"10,000", "100,000,000", "74", "78"} <= {text.text for text in drawn.iter(f"{SVG}text")}


@pytest.mark.parametrize("records", [0, 1, 10_000, 123_456])
def test_one_point_alone_is_drawn_within_the_chart(records: int) -> None:
    drawn = ElementTree.fromstring(charts.memory_curve(charts.Heading("one"), [(records, 1234.5)]))
    (circle,) = drawn.iter(f"{SVG}circle")
    assert 0 < float(circle.attrib["cx"]) < float(drawn.attrib["width"])
    assert 0 < float(circle.attrib["cy"]) < float(drawn.attrib["height"])


def test_labels_are_text_whatever_they_contain() -> None:
    wild = "</text><script>\"a\" & 'b'"
    heading = charts.Heading(wild, wild)
    for svg in (charts.rate_bars(heading, [charts.Bar(wild, 1)]), charts.memory_curve(heading, [(10, 1.0)])):
        assert ElementTree.fromstring(svg).attrib["aria-label"] == wild
        assert {each.tag for each in ElementTree.fromstring(svg).iter()} & {f"{SVG}script"} == set()
        assert labels(svg)[:2] == [wild, wild]
    assert wild in labels(charts.rate_bars(charts.Heading("", ""), [charts.Bar(wild, 1)]))


@pytest.mark.parametrize("document", [WHOLE, NO_CONTAINERS, NO_PEERS, ONLY_GROWTH, EMPTY])
def test_publishing_again_changes_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    readme, speed, comparison = pages(tmp_path)
    publish.publish(document, tmp_path)
    once = tree(tmp_path)
    publish.publish(document, tmp_path)
    assert tree(tmp_path) == once
    assert readme.read_text() == f"above\n\n{BEGIN}\n{readme_table(document)}\n{END}\n\nbelow\n"
    assert speed.read_text() == f"above\n\n{BEGIN}\n{markdown(document)}\n{END}\n\nbelow\n"
    assert comparison.read_text() == readme.read_text()
    assert len(once) == 6


def test_the_figures_are_kept_without_those_of_single_runs(tmp_path: Path) -> None:
    pages(tmp_path)
    publish.publish(WHOLE, tmp_path)
    kept = json.loads((tmp_path / "docs" / "explanation" / "speed.json").read_text())
    assert "runs" not in kept["moved"][0]
    assert kept["peers"] == WHOLE["peers"]
    assert markdown(kept) == markdown(WHOLE)


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/speed.md", "docs/explanation/comparison.md"])
@pytest.mark.parametrize(("left", "missing"), [(END, BEGIN), (BEGIN, END), (f"{END}\n{BEGIN}", END)])
def test_a_page_without_a_mark_is_told_and_nothing_is_written(
    page: str, left: str, missing: str, tmp_path: Path
) -> None:
    pages(tmp_path)
    (tmp_path / page).write_text(f"above\n{left}\nbelow\n")
    before = tree(tmp_path)
    with pytest.raises(MarkMissingError, match=f"{page} has no line {missing}"):
        publish.publish(WHOLE, tmp_path)
    assert tree(tmp_path) == before


def test_the_pages_of_this_repository_say_what_its_figures_say() -> None:
    """After a change of the figures or of the tables: `python -m benchmarks.publish`."""
    figures = ROOT / "docs" / "explanation" / publish.FIGURES
    if not figures.exists():
        pytest.skip("no figures have been published yet")
    document = json.loads(figures.read_text(encoding="utf-8"))
    short = readme_table(document)
    pairs = {ROOT / "README.md": short, figures.with_name("comparison.md"): short}
    pairs[figures.with_name("speed.md")] = markdown(document)
    for page, text in pairs.items():
        between = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
        assert between == f"\n{text}\n", f"{page} is not what speed.json says"
    for name, svg in ((publish.THROUGHPUT, throughput_chart(document)), (publish.MEMORY, memory_chart(document))):
        assert figures.with_name(name).read_text(encoding="utf-8") == svg
