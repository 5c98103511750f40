"""Inputs that are too large for Temporal, which takes two megabytes: they go by way of the job database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from e2e_support import Place, catalog

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
LARGE = 3_000_000  # bytes


def large(place: Place, name: str) -> dict[str, Any]:
    pasted = catalog("stream_0")
    pasted["streams"][0]["stream"]["json_schema"]["description"] = "x" * LARGE
    return {"connection": name, "source": place.source(records=10), "destination": place.jsonl(), "catalog": pasted}


def test_a_large_catalog_is_handed_over_and_kept(place: Place) -> None:
    ended = place.sync(large(place, "large"))
    assert (ended.code, ended.report["records_committed"]) == (0, 10)
    again = place.run("sync", "large", "-o", "json")
    assert (again.code, [each["name"] for each in again.report["streams"]]) == (0, ["stream_0"])


def test_an_input_for_temporal_itself_is_printed_whole(place: Place) -> None:
    content = large(place, "printed")
    printed = place.run("sync", "-f", str(place.write(content)), "--print-input")
    assert json.loads(printed.out)["catalog"] == content["catalog"]
