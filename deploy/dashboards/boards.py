"""A dashboard is rows of panels; this makes Grafana's JSON of it, with builders that are typed by Grafana's schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from deploy.dashboards import dataplanes, syncs, temporal
from deploy.dashboards.panels import DATASOURCE, Row
from deploy.dashboards.queries import WORKERS_JOB

SCHEMA_VERSION = 39  # of Grafana 11; later ones read it, too
ALL = ".*"
TAG = "airbyte-workers"


@dataclass(frozen=True)
class Board:
    """`kinds`: what its variable `kind` offers; without any it has none."""

    file: str
    title: str
    description: str
    rows: tuple[Row, ...]
    kinds: tuple[str, ...] = ()
    by_instance: bool = True


BOARDS = (
    Board("syncs.json", "Syncs", syncs.ABOUT, syncs.ROWS, syncs.KINDS, by_instance=False),
    Board(
        "dataplanes.json", "Dataplanes: places, launches, backlog", dataplanes.ABOUT, dataplanes.ROWS, dataplanes.KINDS
    ),
    Board("temporal.json", "Temporal: workers and server", temporal.ABOUT, temporal.ROWS),
)


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    return {board.file: json.dumps(_built(board), cls=JSONEncoder, indent=1) + "\n" for board in BOARDS}


def _built(board: Board) -> models.Dashboard:
    made = (
        builders.Dashboard(board.title)
        .uid(f"airbyte-workers-{board.file.removesuffix('.json')}")
        .description(board.description)
        .tags([TAG])
        .readonly()
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(builders.DashboardLink("the other dashboards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG]))
    )
    for variable in _variables(board):
        made.with_variable(variable)
    for row in board.rows:
        made.with_row(builders.Row(row.title))
        for panel in row.panels:
            made.with_panel(panel.built())
    return _finished(made.build())


def _finished(board: models.Dashboard) -> models.Dashboard:
    """Each panel and row has a number of its own, by which links find it; what the builders add for nothing is gone."""
    for number, panel in enumerate(board.panels or (), start=1):
        panel.id_val = number
    for variable in board.templating.list_val or ():
        variable.auto = variable.auto_min = variable.auto_count = None  # of intervals, which none of them is
    board.annotations.list_val = []
    board.schema_version = SCHEMA_VERSION
    return board


def _variables(
    board: Board,
) -> Iterator[builders.DatasourceVariable | builders.QueryVariable | builders.CustomVariable]:
    yield builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    if board.by_instance:
        yield (
            builders.QueryVariable("instance")
            .label("Temporal worker")
            .datasource(DATASOURCE)
            .query(f'label_values(up{{job="{WORKERS_JOB}"}}, instance)')
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(ALL)
            .current(models.VariableOption(text="All", value="$__all"))
        )
    if board.kinds:
        yield (
            builders.CustomVariable("kind")
            .label("kind of job")
            .values(",".join(board.kinds))
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(ALL)
            .current(models.VariableOption(text="All", value="$__all"))
        )
