"""Expressions that several panels ask Prometheus, each written once.

Counters of all worker processes are added up; gauges of the job database are the same in each, so that their maximum is
the figure.
"""

from __future__ import annotations

from dataclasses import dataclass

WORKERS_JOB = "airbyte-workers"
SERVER_JOB = "temporal"
OURS = f'job="{WORKERS_JOB}"'
HERE = f'{OURS}, instance=~"$instance"'
OF_KIND = f'{OURS}, kind=~"$kind"'
HERE_OF_KIND = f'{HERE}, kind=~"$kind"'
BEGAN = f"process_began_secs{{{OURS}}}"


@dataclass(frozen=True)
class Window:
    """A stretch of time, as ranges want it and as arithmetic does."""

    span: str
    seconds: str


STEP = Window("$__rate_interval", "$__rate_interval_ms / 1000")
"""Grafana's: at least four looks of Prometheus long."""
LAST_HOUR = Window("1h", "3600")
LOOKED_AT = Window("$__range", "$__range_s")
"""All that the page shows."""


def of_kind(metric: str, more: str = "") -> str:
    return f"{metric}{{{OF_KIND}{', ' + more if more else ''}}}"


def rate(by: str, series: str) -> str:
    """How often a second, by the labels `by`."""
    return f"sum by ({by}) (rate({series}[$__rate_interval]))"


def events(by: str, series: str, window: Window = STEP) -> str:
    """How many in each stretch of time, by the labels `by`; of counters that begin with 0."""
    return f"sum by ({by}) (increase({series}[{window.span}]))"


def first_events(by: str, series: str, window: Window = STEP) -> str:
    """The same of counters that begin with their first event, which increase() does not see.

    All that a counter has is new where its process is, or where that could be asked before and did not show it. A
    moment at which nothing could be asked says nothing of either.
    """
    began = f"{series} and on (instance) {BEGAN} > time() - {window.seconds}"
    appeared = f"{series} unless {series} offset {window.span} and on (instance) {BEGAN} offset {window.span}"
    new, more = f"(({began}) or ({appeared}))", f"increase({series}[{window.span}])"
    return f"sum by ({by}) ({new} > {more} or {more} or {new})"


def quantile(share: float, by: str, buckets: str) -> str:
    """The time that this share of all was faster than, by the labels `by`."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({buckets}[$__rate_interval])))"


def shown_by_all(by: str, series: str) -> str:
    """A gauge of the job database."""
    return f"max by ({by}) ({series})"
