"""Whether the embedded stack goes on for long enough to start scheduled syncs."""

from __future__ import annotations

from airbyte_workers.runtime.stack.home import open_home
from airbyte_workers.runtime.stack.state import Mode, read_state
from airbyte_workers.settings import Settings

KEEP_RUNNING = (
    "schedules: the embedded stack starts them only while it runs, and stops when nobody uses it; keep it running with:"
    " airbyte-workers local"
)


def stops_by_itself(settings: Settings) -> bool:
    """Whether schedules live in an embedded stack that nobody holds in the foreground."""
    if not settings.is_embedded:
        return False
    state = read_state(open_home(settings.home))
    return state is None or state.mode is not Mode.FOREGROUND
