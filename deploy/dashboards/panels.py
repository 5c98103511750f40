"""Panels as values: a title, what it means and what to do, a unit, and what is asked of Prometheus."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard, units

DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDE, NARROW = 12, 4  # of 24 columns
HIGH, LOW = 8, 4
BAR_OPACITY = 60  # percent

COUNT, SECONDS, SHARE = units.Short, units.Seconds, units.PercentUnit
A_SECOND, BYTES_A_SECOND, REQUESTS_A_SECOND = units.OpsPerSecond, units.BytesPerSecondSI, units.RequestsPerSecond

P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel)


@dataclass(frozen=True)
class Query:
    """`legend`: the name of each line, with labels as `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class _Shown:
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]

    def _on(self, panel: P, built: Callable[[Query], prometheus.Dataquery]) -> P:
        panel.title(self.title).description(self.description).unit(self.unit).min(0).datasource(DATASOURCE)
        for letter, query in zip(string.ascii_uppercase, self.queries, strict=False):
            panel.with_target(built(query).ref_id(letter).datasource(DATASOURCE))
        return panel


@dataclass(frozen=True)
class Lines(_Shown):
    """Figures over time."""

    def built(self) -> timeseries.Panel:
        legend = (
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
        )
        tooltip = common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
        return self._on(timeseries.Panel().span(WIDE).height(HIGH).legend(legend).tooltip(tooltip), _over_time)


@dataclass(frozen=True)
class Bars(Lines):
    """Events: each stretch of time a bar, one kind on the other."""

    def built(self) -> timeseries.Panel:
        stacked = common.StackingConfig().mode(options.StackingMode.NORMAL)
        panel = super().built().decimals(0).draw_style(options.GraphDrawStyle.BARS)
        return panel.fill_opacity(BAR_OPACITY).stacking(stacked)


@dataclass(frozen=True)
class Now(_Shown):
    """One number: how it is at the end of the time that is looked at."""

    def built(self) -> stat.Panel:
        newest = common.ReduceDataOptions().calcs(["lastNotNull"])
        panel = stat.Panel().span(NARROW).height(LOW).reduce_options(newest)
        return self._on(panel.graph_mode(options.BigValueGraphMode.AREA), _over_time)


@dataclass(frozen=True)
class Ranking(_Shown):
    """What there was most of, in the whole time that is looked at."""

    def built(self) -> bargauge.Panel:
        newest = common.ReduceDataOptions().calcs(["lastNotNull"])
        panel = bargauge.Panel().span(WIDE).height(HIGH).reduce_options(newest)
        return self._on(panel.decimals(0).orientation(options.VizOrientation.HORIZONTAL), _at_its_end)


Panel = Lines | Now | Ranking


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def _over_time(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).range().legend_format(query.legend)


def _at_its_end(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).instant().legend_format(query.legend)
