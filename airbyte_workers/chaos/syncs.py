"""The one sync of a case: the demo connectors, quick or slow as the moment needs it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_workers.chaos.cases import Case, Victim, is_before
from airbyte_workers.chaos.images import DESTINATION, SOURCE, image_of
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import SyncInput
from airbyte_workers.names import CONTAINER_LAUNCHERS

STREAM = "stream_0"
OUTPUT = "out"
BACKOFF_S = 3
"""Between the failed first attempt and the second one, in cases that strike in between."""
_CRASHED = "crashed"
_ANSWERED = frozenset({Failpoint.ECHO_READ, Failpoint.DURING_COMMIT, Failpoint.COMMITTED})
_BULKY: Mapping[str, Any] = {"records": 2000, "record_bytes": 1000, "state_every": 100}
"""More than all pipes hold: as long as the orchestrator stands still, the source cannot get to its end."""
_PACED: Mapping[str, Any] = {**_BULKY, "delay_ms": 50}
"""For moments that the destination brings about: it answers a pause, and the source is not far ahead."""
_SLOW: Mapping[str, Any] = {"records": 1500, "record_bytes": 100, "state_every": 50, "delay_ms": 150}
"""4.5 s: for moments at which nobody of the pod stands still, or after which it must not have ended too soon."""
_SLOW_PER_S = 50 / 0.15
_BEFORE_AND_AFTER_S = 10.0
LONG_AWAY_S = 3.0
"""From here on a sync is so slow that it outlasts the time in which its victim is away."""
_BESIDE = frozenset({Victim.TEMPORAL_WORKER, Victim.TEMPORAL_SERVER, Victim.POSTGRESQL, Victim.OBJECT_STORAGE})
_LATE: Mapping[str, Any] = {"records": 2000, "record_bytes": 100, "state_every": 500}
_LINGERING: Mapping[str, Any] = {"delay_ms": 400}
"""Before each state that it sends back: a destination that has to do after its end of input."""


@dataclass(frozen=True)
class Sync:
    """What a case syncs, and where the records go."""

    case: Case
    folder: Path
    away_s: float = 0

    @property
    def goes_on_meanwhile(self) -> bool:
        """Whether records must arrive while the victim is away: it is long enough away, and moves none of them."""
        moves = is_before(Failpoint.SOURCE_STARTED, self.case.point) and is_before(
            self.case.point, Failpoint.SOURCE_EXITED
        )
        return self.away_s >= LONG_AWAY_S and moves and self.case.victim in _BESIDE

    def bytes_written(self) -> int:
        """What the destination has so far."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def records(self) -> int:
        """How many there are when it is complete: their ids count from 0."""
        return int(self._source["records"])

    @property
    def file(self) -> Path:
        """Where the destination writes."""
        return self.folder / OUTPUT / f"{STREAM}.jsonl"

    @property
    def input(self) -> SyncInput:
        """What is typed."""
        return SyncInput.model_validate(
            {
                "connection": self.case.name,
                "source": {**self._program(SOURCE), "config": self._source},
                "destination": {**self._program(DESTINATION), "config": self._destination},
                "catalog": _CATALOG,
                "launcher": self.case.launcher,
                "local_root": str(self.folder),
                "retries": {"complete_failures_backoff_min_interval_s": self._backoff_s},
            }
        )

    def _program(self, module: str) -> dict[str, Any]:
        if self.case.launcher in CONTAINER_LAUNCHERS:
            return {"image": image_of(module).tag}
        return {"command": [sys.executable, "-m", module]}

    @property
    def _source(self) -> Mapping[str, Any]:
        if self.case.point is Failpoint.DURING_BACKOFF:
            return {**_LATE, "crash_after": 100, "crash_once_file": f"{self._local}/{_CRASHED}"}
        if _lingers(self.case):
            return _LATE
        if self.goes_on_meanwhile:
            return {**_SLOW, "records": int(_SLOW_PER_S * (self.away_s + _BEFORE_AND_AFTER_S))}
        if _is_slow(self.case):
            return _SLOW
        return _PACED if self.case.point in _ANSWERED else _BULKY

    @property
    def _destination(self) -> Mapping[str, Any]:
        return {"path": f"{self._local}/{OUTPUT}", **(_LINGERING if _lingers(self.case) else {})}

    @property
    def _local(self) -> str:
        """The case's folder as the connectors see it."""
        return "/local" if self.case.launcher in CONTAINER_LAUNCHERS else str(self.folder)

    @property
    def _backoff_s(self) -> float:
        return BACKOFF_S if self.case.point is Failpoint.DURING_BACKOFF else 0.1


def _is_slow(case: Case) -> bool:
    if case.point in (Failpoint.SOURCE_STARTED, Failpoint.DURING_CANCEL):
        return True
    return case.victim is Victim.DOCKER_ENGINE and is_before(case.point, Failpoint.SOURCE_EXITED)


def _lingers(case: Case) -> bool:
    return case.victim is Victim.DESTINATION and case.point is Failpoint.END_OF_INPUT


_CATALOG = {
    "streams": [
        {
            "stream": {
                "name": STREAM,
                "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
                "supported_sync_modes": ["full_refresh", "incremental"],
                "source_defined_cursor": True,
                "default_cursor_field": ["id"],
            },
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
            "cursor_field": ["id"],
            "primary_key": [["id"]],
        }
    ]
}
