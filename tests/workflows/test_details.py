"""The details panel: what is going on, in one piece of Markdown that nothing a connector says can break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.models import Failure, FailureOrigin, FailureType, RunPhase
from airbyte_workers.names import JobKind
from workflows.details import details_of


def failure(message: str) -> Failure:
    return Failure(origin=FailureOrigin.SOURCE, type=FailureType.OUT_OF_MEMORY, message=message)


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (RunPhase(subject="demo"), "**Sync of demo**\n\nopening"),
        (RunPhase(subject="demo", job_id=7, phase="asking"), "**Sync of demo**, job 7\n\nasking"),
        (
            RunPhase(subject="demo", job_id=7, launcher="docker (as asked for)", phase="running", attempt=2),
            "**Sync of demo**, job 7\n\nattempt 2: running\n\nlauncher: docker (as asked for)",
        ),
        (
            RunPhase(subject="demo", job_id=7, launcher="process (no Docker)", choice=("a", "b")),
            "**Sync of demo**, job 7\n\nopening\n\nlauncher: process (no Docker)\n\nstreams:\n\n- a\n- b",
        ),
        (
            RunPhase(subject="demo", phase="failed", detail="no more tries", failures=(failure("no memory"),)),
            "**Sync of demo**\n\nfailed: no more tries\n\nsource, out_of_memory:\n\n```\nno memory\n```",
        ),
        (
            RunPhase(kind=JobKind.CHECK, subject="airbyte/source-x:1", job_id=8, phase="starting"),
            "**Check of airbyte/source-x:1**, job 8\n\nstarting",
        ),
        (
            RunPhase(subject="demo", choice=tuple(map(str, range(1_022)))),
            "**Sync of demo**\n\nopening\n\nstreams:\n\n"
            + "\n".join(f"- {each}" for each in range(20))
            + "\n\nand 1,002 more",
        ),
    ],
)
def test_the_panel_says_what_is_known(phase: RunPhase, text: str) -> None:
    assert details_of(phase) == text


@given(st.lists(st.sampled_from(["`", "\n", "x", "# "]), max_size=20).map("".join))
def test_what_a_connector_said_stays_in_its_block(message: str) -> None:
    text = details_of(RunPhase(subject="demo", failures=(failure(message),)))
    fence = text.splitlines()[-1]
    assert set(fence) == {"`"}
    assert text.endswith(f"{fence}\n{message}\n{fence}")
    assert fence not in message
