"""The page of figures that Temporal workers show."""

from __future__ import annotations

from airbyte_workers.telemetry.figures import DEFINITIONS, Definition
from docs.generator.markdown import table, title

INTRO = (
    "What a Temporal worker process shows at METRICS_ADDRESS, beside Temporal's own figures "
    "(`temporal_*`). [How to watch them](../how-to/monitor.md). Names are those of Prometheus. Where Airbyte has a "
    "figure for the same thing, its name stands in the last column. No label has more than a few values: what belongs "
    "to one connection or job is in the database, in logs and in traces."
)
FORMS = {
    "counter": (
        "Counters",
        "They begin anew with each process; those by failure and by exit code with their first event, all others "
        "with 0. Records, bytes and states are counted while they flow, from what pods say of themselves; what a watch "
        "that was cut off has not seen is missing. Add up all processes: each event is counted by one of them.",
    ),
    "histogram": ("Durations", "Histograms of seconds: `_bucket`, `_sum` and `_count` stand behind the name."),
    "gauge": (
        "How it is now",
        "Sampled by every process with the role `workflows`. But for `dataplane_pods` and `dataplane_pod_slots`, which "
        "are of the process's own host, all show the same: take the largest, not the sum.",
    ),
}


def metrics_page() -> str:
    """Every figure by its form."""
    parts = [title("Metrics"), INTRO]
    for form, (heading, said) in FORMS.items():
        rows = [_row(each) for each in DEFINITIONS if each.form == form]
        parts += [f"## {heading}", said, table(("name", "labels", "meaning", "Airbyte's name"), rows)]
    return "\n\n".join(parts) + "\n"


def _row(figure: Definition) -> tuple[str, str, str, str]:
    labels = ", ".join(f"`{each}`" for each in figure.labels)
    return f"`{figure.shown}`", labels, figure.meaning, f"`{figure.upstream}`" if figure.upstream else ""
