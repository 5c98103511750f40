"""Nothing is left of a test's stack afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack_support import Lab, kill_all


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    home = tmp_path / "home"
    yield Lab(home)
    kill_all(home)
