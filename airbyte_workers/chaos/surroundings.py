"""What of the table can be played on this host: pure, but for one look at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airbyte_workers.chaos.cases import Case, Victim
from airbyte_workers.chaos.engine import answers, users_engine
from airbyte_workers.chaos.folder import Folder
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import CONTAINER_LAUNCHERS


@dataclass(frozen=True)
class EngineChoice:
    """Which engine the cases have: one of our own, the user's, or none; `problem`: why not one of our own."""

    address: str | None
    is_own: bool
    problem: str | None = None


@dataclass(frozen=True)
class Host:
    """What decides: the system, whether we are root, and the engine."""

    is_linux: bool
    is_root: bool
    engine: EngineChoice

    def problem(self, case: Case) -> str | None:
        """Why a case that applies does not apply here; a part of a sentence."""
        if not self.is_linux and case.victim is Victim.HOLDER:
            return "the holder is found by /proc, which only Linux has"
        return self._problem_in_containers(case) if case.launcher in CONTAINER_LAUNCHERS else None

    def _problem_in_containers(self, case: Case) -> str | None:
        if self.engine.address is None:
            return self.engine.problem
        if self.engine.is_own:
            return None
        if case.victim is Victim.DOCKER_ENGINE:
            return f"{self.engine.problem}; the engine that is here is not ours to kill"
        if not self.is_root and (case.victim is Victim.HOLDER or case.point is Failpoint.DURING_CANCEL):
            return "processes in containers are another user's: only root stops one"
        return None


async def look(folder: Folder) -> Host:
    """This host, with an engine of our own where that is possible, else whichever answers."""
    is_linux = sys.platform == "linux"
    return Host(is_linux, os.geteuid() == 0, await _engine(folder, is_linux=is_linux))


async def _engine(folder: Folder, *, is_linux: bool) -> EngineChoice:
    if not is_linux:
        return EngineChoice(
            None, is_own=False, problem="containers that this host's processes are joined to need Linux"
        )
    problem = folder.engine.problem()
    if problem is None:
        return EngineChoice(folder.engine.address, is_own=True)
    address = users_engine()
    if address is not None and await answers(address):
        return EngineChoice(address, is_own=False, problem=problem)
    return EngineChoice(None, is_own=False, problem=f"{problem}, and no other engine answers")


def divided(cases: Sequence[Case], host: Host) -> tuple[list[Case], Mapping[str, int]]:
    """The cases that can be played here, and of the others how many cannot for which reason."""
    playable, left_out = list[Case](), dict[str, int]()
    for case in cases:
        why = host.problem(case)
        if why is None:
            playable.append(case)
        else:
            left_out[why] = left_out.get(why, 0) + 1
    return playable, left_out
