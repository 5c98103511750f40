"""`airbyte-workers local`: the stack for as long as a person wants it."""

from __future__ import annotations

from airbyte_workers.runtime.stack.connection import connected_stack
from airbyte_workers.runtime.stack.errors import AlreadyRunning, StackError
from airbyte_workers.runtime.stack.processes import identify
from airbyte_workers.runtime.stack.state import Mode
from airbyte_workers.runtime.stack.stopping import stop_signals
from airbyte_workers.runtime.stack.supervisor import OnReady, Serving, supervise
from airbyte_workers.settings import Settings

ROUND_S = 0.3


async def serve_foreground(settings: Settings, serving: Serving, *, on_ready: OnReady) -> None:
    """Run the stack until SIGINT or SIGTERM; where one runs in the background already, keep that one running."""
    try:
        await supervise(settings, serving, mode=Mode.FOREGROUND, on_ready=on_ready)
    except AlreadyRunning:
        await _attend(settings, on_ready)


async def _attend(settings: Settings, on_ready: OnReady) -> None:
    with stop_signals() as stop:
        async with connected_stack(settings) as stack:
            stop.started()
            owner = identify(stack.pid)
            on_ready(stack)
            while not await stop.within(ROUND_S):
                if not (owner and owner.alive):
                    raise StackError(f"the stack's supervisor (process {stack.pid}) ended; start again to have it back")
