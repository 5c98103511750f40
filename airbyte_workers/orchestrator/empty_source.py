"""The source of a clear: no connector, but what its messages would be, through a pipe like any other's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from airbyte_workers.jobs.endings import EndPeriods
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.input import Cleared
from airbyte_workers.orchestrator.leg import ConnectorExit
from airbyte_workers.orchestrator.pipes import own_pipe
from airbyte_workers.protocol.streams import stream_key
from airbyte_workers.replication.clear_messages import Before, messages


class EmptySource:
    """Stands where a source's `Leg` would; it is there at once and ends by itself."""

    role = Role.SOURCE

    def __init__(self, cleared: Cleared, *, whole: bool) -> None:
        before = Before(cleared.state_type, cleared.state.encode())
        self._messages = messages([stream_key(*each) for each in cleared.streams], before, whole=whole)
        self.out, self._into = own_pipe()
        self.err, nobody = own_pipe()
        nobody.close()

    async def opened(self, timeout: float) -> bool:  # noqa: ARG002  # a Leg's signature
        """It always is."""
        return True

    def exit_code_written(self) -> bool:
        """There is no process that could have one."""
        return False

    async def watch(self) -> None:
        """Say what is to be said, as slowly as the destination takes it, until the end or until stopped."""
        with contextlib.suppress(BrokenPipeError):
            for line in self._messages:
                await self._into.write(line)
        self._into.close()

    async def ended(self, periods: EndPeriods) -> ConnectorExit:  # noqa: ARG002  # a Leg's signature
        """Its output has ended, and that is all there was of it."""
        return ConnectorExit(0)

    async def stopped(self, periods: EndPeriods) -> ConnectorExit:  # noqa: ARG002  # a Leg's signature
        """Say nothing more."""
        self._into.give_up()
        return ConnectorExit(0)

    async def read_stderr(self, log: Callable[[str, str, str], None], *, longest: int) -> None:
        """It says nothing to anybody else."""

    def close(self) -> None:
        """Let go of both pipes."""
        for end in (self.out, self.err, self._into):
            end.close()
