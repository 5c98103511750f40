"""What the pages share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def connectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The connector environments: each is made once."""
    return tmp_path_factory.mktemp("connectors")
