"""Expressions that several panels ask Prometheus, each written once.

`$__rate_interval` is Grafana's: at least four looks of Prometheus long. Counters of all worker processes are added up;
gauges of the job database are the same in each, so that their maximum is the figure.
"""

from __future__ import annotations

WORKERS_JOB = "airbyte-workers"
SERVER_JOB = "temporal"
OURS = f'job="{WORKERS_JOB}"'
HERE = f'{OURS}, instance=~"$instance"'
OF_KIND = f'{OURS}, kind=~"$kind"'
LAST_HOUR = "1h"
HERE_OF_KIND = f'{HERE}, kind=~"$kind"'


def of_kind(metric: str, more: str = "") -> str:
    return f"{metric}{{{OF_KIND}{', ' + more if more else ''}}}"


def rate(by: str, series: str) -> str:
    """How often a second, by the labels `by`."""
    return f"sum by ({by}) (rate({series}[$__rate_interval]))"


def events(by: str, series: str, window: str = "$__rate_interval") -> str:
    """How many in each stretch of time, by the labels `by`.

    What a process shows for the first time counts as it stands: increase() knows only of what comes after.
    """
    return f"sum by ({by}) (({series} unless {series} offset {window}) or increase({series}[{window}]))"


def quantile(share: float, by: str, buckets: str) -> str:
    """The time that this share of all was faster than, by the labels `by`."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({buckets}[$__rate_interval])))"


def shown_by_all(by: str, series: str) -> str:
    """A gauge of the job database."""
    return f"max by ({by}) ({series})"
