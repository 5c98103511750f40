"""Cases one after the other on one stage; a stage that a case has left broken is put aside, and another one made."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg

from airbyte_workers.chaos.cases import Case, Expected, decide
from airbyte_workers.chaos.folder import Folder
from airbyte_workers.chaos.runs import Outcome, Run, failed
from airbyte_workers.chaos.stage import Stage, staged
from airbyte_workers.chaos.surroundings import EngineChoice
from airbyte_workers.runs import ClientError
from airbyte_workers.runtime.database import DatabaseUnusable
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.temporal import TemporalUnreachable

_UNPLAYABLE = (ClientError, DatabaseUnusable, StackError, TemporalUnreachable, OSError, asyncpg.PostgresError)


@dataclass(frozen=True)
class Series:
    """What is to be played and where; `tell` hears of each outcome, `say` of what else happens."""

    folder: Folder
    engine: EngineChoice | None
    away_s: float
    tell: Callable[[Outcome], None]
    say: Callable[[str], None]

    async def play(self, cases: Sequence[Case]) -> list[Outcome]:
        """Every outcome. Raises StackError, ImageBuildFailed where there can be no stage."""
        left, outcomes = deque(cases), list[Outcome]()
        while left:
            self.say("starting Temporal, PostgreSQL, a Temporal worker" + (" and an engine" if self.engine else ""))
            async with staged(self.folder, self.engine) as stage:
                broken = None
                while left and broken is None:
                    outcomes.append(await self._played(stage, left.popleft()))
                    broken = await self._broken(stage, outcomes[-1])
            if broken is not None:
                kept = self.folder.keep_home(f"{len(outcomes)}-{outcomes[-1].victim}-at-{outcomes[-1].point}")
                self.say(f"{broken}; logs, rows and markers are kept in {kept}")
        return outcomes

    async def _played(self, stage: Stage, case: Case) -> Outcome:
        expected = decide(case)
        assert isinstance(expected, Expected), "only cases that apply are played"
        try:
            run = Run(stage, case, expected, self.away_s)
            outcome = await run.play()
        except _UNPLAYABLE as error:
            outcome = failed(case, error)
        else:
            if not outcome.violations:
                shutil.rmtree(run.sync.folder, ignore_errors=True)
        self.tell(outcome)
        return outcome

    async def _broken(self, stage: Stage, outcome: Outcome) -> str | None:
        """Why the stage is not used again: what a violation left must not be another case's."""
        return "the case was violated" if outcome.violations else await stage.problem()
