"""Programs that were installed beside this Python."""

from __future__ import annotations

import sys
from pathlib import Path


def program(name: str) -> str:
    """Its path."""
    return str(Path(sys.executable).with_name(name))
