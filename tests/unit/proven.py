"""The evidence of a sync that is green."""

from __future__ import annotations

from typing import Any

PROVEN: dict[str, Any] = {
    "source_exit_code": 0,
    "destination_exit_code": 0,
    "end_of_input": True,
    "completion": "reported",
    "states_emitted": 2,
    "states_committed": 2,
    "acknowledgements": 2,
    "records_emitted": 5,
    "records_forwarded": 5,
}
