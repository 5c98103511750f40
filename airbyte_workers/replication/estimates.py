"""How much a source expects to send (airbyte-behaviour.md 5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airbyte_workers.protocol.messages import TraceEstimate
from airbyte_workers.protocol.streams import StreamKey, stream_key

_LARGEST = 2**53  # more is no estimate of anything


@dataclass(frozen=True)
class Estimate:
    """None: it was not said."""

    records: int | None = None
    bytes: int | None = None


UNKNOWN = Estimate()


class Estimates:
    """The newest estimate of each stream, or of the whole sync; a source that gives both kinds has given none."""

    def __init__(self, streams: Iterable[StreamKey]) -> None:
        self._known = frozenset(streams)
        self._streams: dict[StreamKey, Estimate] = {}
        self._sync: Estimate | None = None

    def note(self, told: TraceEstimate) -> None:
        """Take an estimate in place of the one before; of streams that are not synced there are none."""
        estimate = Estimate(_amount(told.row_estimate), _amount(told.byte_estimate))
        key = stream_key(told.name, told.namespace)
        if told.type == "SYNC":
            self._sync = estimate
        elif told.type == "STREAM" and key in self._known:
            self._streams[key] = estimate

    def of(self, stream: StreamKey) -> Estimate:
        """What is expected of one stream."""
        return UNKNOWN if self._sync is not None else self._streams.get(stream, UNKNOWN)

    @property
    def total(self) -> Estimate:
        """What is expected of the sync."""
        if self._sync is not None:
            return UNKNOWN if self._streams else self._sync
        return Estimate(
            _sum(each.records for each in self._streams.values()), _sum(each.bytes for each in self._streams.values())
        )


def _amount(told: float | None) -> int | None:
    return int(told) if told is not None and 0 <= told <= _LARGEST else None


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
