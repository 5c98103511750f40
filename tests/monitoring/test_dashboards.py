"""Grafana's dashboards: their files are what the program makes, Grafana can load them, and each panel can be read."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards.__main__ import FOLDER, write
from deploy.dashboards.boards import files
from tests.monitoring import grafana_models, grafana_types

ROOT = Path(__file__).parents[2]
BOARDS: Mapping[str, dict[str, Any]] = {name.removesuffix(".json"): json.loads(text) for name, text in files().items()}
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}
BY_NAME = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
COLUMNS = 24
VARIABLE = re.compile(r"\$\{?([a-z]\w*)")  # Grafana's own begin with __


def changed(path: tuple[str, ...], value: object) -> Callable[[dict[str, Any]], None]:
    """Gives a field of the first panel with lines another value."""

    def change(board: dict[str, Any]) -> None:
        place: Any = next(each for each in board["panels"] if each["type"] == "timeseries")
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


WRONG: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "a field that there is none of": changed(("fieldConfig", "defaults", "units"), "s"),
    "a text for a number": changed(("fieldConfig", "defaults", "min"), "0"),
    "no word of the enumeration": changed(("options", "legend", "placement"), "below"),
    "an option of another panel": changed(("options", "graphMode"), "area"),
    "a style of lines that there is none of": changed(("fieldConfig", "defaults", "custom"), {"drawStyle": "dots"}),
    "a place that is none": changed(("gridPos", "w"), "wide"),
    "a list for a text": changed(("description",), ["one", "two"]),
}
BY_FAULT = pytest.mark.parametrize("fault", WRONG.values(), ids=WRONG)


def test_the_files_are_what_the_program_makes() -> None:
    """After a change of deploy/dashboards: `python -m deploy.dashboards`."""
    assert {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")} == files()


def test_a_dashboard_that_is_no_more_loses_its_file(tmp_path: Path) -> None:
    (tmp_path / "older.json").write_text("{}")
    write(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(files())


@BY_NAME
def test_grafanas_models_read_a_dashboard_and_lose_nothing_of_it(board: dict[str, Any]) -> None:
    assert grafana_models.problems(board) == []


@BY_FAULT
def test_grafanas_models_refuse(fault: Callable[[dict[str, Any]], None]) -> None:
    wrong = copy.deepcopy(BOARDS["temporal"])
    fault(wrong)
    assert len(grafana_models.problems(wrong)) == 1


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript")
    grafana_types.install(folder)
    return folder


@pytest.mark.npm
def test_grafanas_types_accept_all_dashboards(compiler: Path) -> None:
    assert grafana_types.complaints(compiler, BOARDS) == ""


@pytest.mark.npm
def test_grafanas_types_refuse_each_fault(compiler: Path) -> None:
    """All at once: the compiler takes its time to start."""
    wrong = {}
    for number, fault in enumerate(WRONG.values()):
        board = copy.deepcopy(BOARDS["temporal"])
        fault(board)
        wrong[f"wrong_{number}"] = board
    said = grafana_types.complaints(compiler, wrong)
    lines = (compiler / "boards.ts").read_text().splitlines()
    places = [lines[int(number) - 1] for number in re.findall(r"^boards\.ts\((\d+),", said, re.MULTILINE)]
    assert {name for name in wrong if any(f" {name}" in place for place in places)} == set(wrong), said


def test_the_types_are_those_of_the_grafana_that_compose_starts() -> None:
    wanted = json.loads((grafana_types.PROJECT / "package.json").read_text())["dependencies"]["@grafana/schema"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert f"grafana/grafana:{wanted}}}" in services["grafana"]["image"]


@BY_NAME
def test_dashboards_are_told_apart_and_cannot_be_changed_by_accident(board: dict[str, Any]) -> None:
    assert board["editable"] is False
    for name in ("uid", "title"):
        assert [each[name] for each in BOARDS.values()].count(board[name]) == 1
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)


@BY_NAME
def test_no_panel_hides_another(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        fields = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        assert not fields & taken, panel["title"]
        taken |= fields


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_a_panel_says_what_it_means_and_names_each_of_its_lines(panel: dict[str, Any]) -> None:
    assert len(panel["description"].split()) >= 2
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters)
    if panel["type"] != "stat":  # it has one number
        assert [target["expr"] for target in panel["targets"] if not target["legendFormat"]] == []
    for place in (panel, *panel["targets"]):
        assert place["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@BY_NAME
def test_variables_are_those_that_its_queries_use(board: dict[str, Any]) -> None:
    asked = json.dumps([board["panels"], [each.get("datasource") for each in board["templating"]["list"]]])
    assert set(VARIABLE.findall(asked)) == {each["name"] for each in board["templating"]["list"]}


def test_the_page_about_monitoring_says_what_each_panel_is_for() -> None:
    page = (ROOT / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
    assert [panel["title"] for panel in PANELS.values() if panel["title"] not in page] == []
