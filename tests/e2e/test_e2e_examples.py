"""The program below docs/examples, run as it stands there; those that pages show are run by tests/docs_commands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from e2e_support import Place, misbehaving

pytestmark = [pytest.mark.embedded, pytest.mark.connectors, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
OWN_WORKFLOW = ROOT / "docs" / "examples" / "own_workflow.py"
PEOPLE = {"image": "airbyte/source-faker:7.2.1", "config": {"count": 20, "seed": 1, "always_updated": False}}


def run_program(place: Place, *words: str, **variables: str) -> tuple[int, str, str]:
    with place.started(*words, program=sys.executable, **variables) as program:
        ended = program.ended()
    return ended.code, ended.out, ended.err


def test_a_workflow_of_one_s_own_syncs_and_goes_on(place: Place) -> None:
    made = {"connection": "people", "source": PEOPLE, "destination": place.jsonl()}
    assert place.sync(made, "--launcher", "process").code == 0
    code, out, err = run_program(place, str(OWN_WORKFLOW), TEMPORAL_ADDRESS=str(place.stack()["temporal_address"]))
    assert code == 0, err
    assert re.fullmatch(r"\d+ new records of people\n", out)


def test_a_workflow_of_one_s_own_is_told_why_its_sync_failed(place: Place, tmp_path: Path) -> None:
    made = {"connection": "broken", "source": misbehaving("unknown-stream"), "destination": place.jsonl()}
    assert place.sync(made, "--retries", "0").code == 1
    program = tmp_path / "own_workflow.py"
    asked = OWN_WORKFLOW.read_text().replace('"people"', '"broken"')
    program.write_text(asked.replace('{"connection": connection}', '{"connection": connection, "retries": 0}'))
    code, out, _ = run_program(place, str(program), TEMPORAL_ADDRESS=str(place.stack()["temporal_address"]))
    assert (code, out.startswith("the sync failed: ")) == (1, True)
