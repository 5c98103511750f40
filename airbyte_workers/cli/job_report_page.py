"""A job's page as one file of HTML: it loads nothing, runs nothing, and can be sent to anybody.

What connectors said is escaped by the template engine, all of it and always; what no page can show is replaced.
"""

from __future__ import annotations

from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airbyte_workers.cli import job_report_charts as charts
from airbyte_workers.cli import job_report_data as limits
from airbyte_workers.cli.job_report_model import JobReport
from airbyte_workers.cli.output import amount
from airbyte_workers.quantities import duration

_TEMPLATE = "job_report.html"
_UNSEEN = "\N{REPLACEMENT CHARACTER}"


def html(report: JobReport) -> str:
    """The page. Times are those of whoever makes it, with their zone."""
    engine = Environment(
        loader=PackageLoader("airbyte_workers", "cli/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"amount": amount, "duration": duration, "clock": _clock, "zone": _zone, "count": "{:,}".format}
    page = engine.get_template(_TEMPLATE).render(report=report, charts=charts, limits=limits)
    return f"{page.strip()}\n"


def _seen(value: object) -> object:
    """Signs that are not seen (controls, turns of the direction of writing, halves of pairs) could mislead a reader."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(sign if sign.isprintable() or sign in "\n\t" else _UNSEEN for sign in value)


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _zone(at: datetime) -> str:
    return f"UTC{at.astimezone().isoformat()[-6:]}"
