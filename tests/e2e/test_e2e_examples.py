"""The programs that the documentation shows, run as they stand there."""

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


def programs(page: str) -> list[str]:
    """The Python programs that a page shows whole: those that run something by themselves."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if "asyncio.run(" in block]


def run_program(place: Place, *words: str, **variables: str) -> tuple[int, str, str]:
    with place.started(*words, program=sys.executable, **variables) as program:
        ended = program.ended()
    return ended.code, ended.out, ended.err


def test_the_readme_s_client_syncs(place: Place) -> None:
    (program,) = programs("README.md")
    assert len([line for line in program.splitlines() if line]) <= 10
    code, out, err = run_program(place, "-c", program)
    assert code == 0, err
    files = list((place.work / "airbyte_local" / "people").glob("*.jsonl"))
    lines = sum(len(file.read_bytes().splitlines()) for file in files)
    assert (lines > 1000, out.split()) == (True, ["succeeded", str(lines)])


def test_the_how_to_s_client_checks_and_syncs_by_name(place: Place) -> None:
    made = {"connection": "people", "source": PEOPLE, "destination": place.jsonl()}
    assert place.sync(made, "--launcher", "process").code == 0
    (program,) = programs("docs/how-to/use-the-python-client.md")
    code, out, err = run_program(place, "-c", program)
    assert code == 0, err
    checked, synced = out.splitlines()
    assert checked.startswith("succeeded")
    assert re.fullmatch(r"succeeded \d+", synced)


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
