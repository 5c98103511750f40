"""Examples may take as long as they need, the machine is shared; what blocks the event loop fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def unblocked() -> Iterator[None]:
    """No blocking call of ours while an event loop runs."""
    with blockbuster_ctx("airbyte_workers"):
        yield
