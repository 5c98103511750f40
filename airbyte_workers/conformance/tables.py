"""All findings, for the documentation and for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_workers.conformance.common_findings import Common
from airbyte_workers.conformance.destination_findings import Destination
from airbyte_workers.conformance.source_findings import Source
from airbyte_workers.conformance.verdicts import Finding, Line, Meaning

FINDINGS: Sequence[Finding] = (*Common, *Source, *Destination)
DURABILITY = (
    "whether data is durable before its state comes back cannot be seen from outside: look into the destination's code,"
    " or kill it in mid-write and count what is there"
)
"""Why that line is always skipped; it stands in the table so that nobody takes an acknowledgement for a proof."""


def meanings() -> Sequence[Meaning]:
    """Every meaning there is, in the order of the lines."""
    places = list(Line)
    return sorted((each.meaning for each in FINDINGS), key=lambda each: places.index(each.line))
