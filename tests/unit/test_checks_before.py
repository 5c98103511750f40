"""Which connectors are checked before an attempt (C12, C15, C16; decisions.md, "Connections and safety")."""

from __future__ import annotations

import pytest

from airbyte_workers.jobs.checks import checks_before
from airbyte_workers.names import JobKind, Role

BOTH = (Role.SOURCE, Role.DESTINATION)


@pytest.mark.parametrize(
    ("kind", "attempt", "previous_succeeded", "checked"),
    [
        (JobKind.SYNC, 0, True, ()),  # C16
        (JobKind.SYNC, 0, False, BOTH),
        (JobKind.SYNC, 1, True, BOTH),
        (JobKind.SYNC, 1, False, BOTH),
        (JobKind.REFRESH, 0, False, BOTH),
        (JobKind.REFRESH, 0, True, ()),
        (JobKind.CLEAR, 0, False, (Role.DESTINATION,)),  # C15
        (JobKind.CLEAR, 0, True, ()),
        (JobKind.CLEAR, 3, True, (Role.DESTINATION,)),
    ],
)
def test_connectors_are_checked_unless_the_last_sync_succeeded(
    kind: JobKind, attempt: int, previous_succeeded: bool, checked: tuple[Role, ...]
) -> None:
    assert checks_before(kind, attempt, previous_succeeded=previous_succeeded) == checked
