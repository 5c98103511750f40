"""All that two relays have noted of one attempt, and where they do not agree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from airbyte_workers.replication.ledger import MAX_FAILURES_KEPT
from tests.fuzz.plain_states import Key
from tests.fuzz.real_relay import WELL, RealRelay
from tests.fuzz.reference_echoes import Committed
from tests.fuzz.reference_relay import ReferenceRelay


@dataclass(frozen=True)
class Difference:
    """What the relay did, and what it should have done."""

    what: str
    real: Any
    reference: Any

    def __str__(self) -> str:
        return f"{self.what}\n  relay:     {self.real!r}\n  reference: {self.reference!r}"


class Disagreement(Exception):
    """The two relays do not agree."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


def of_real(relay: RealRelay) -> dict[str, Any]:
    """All that the relay has noted."""
    ledger = relay.ledger
    evidence, counters = ledger.evidence(WELL), ledger.counters
    return {
        "streams": {
            key: (stream.records, stream.bytes, stream.started, stream.complete, stream.incomplete, stream.held_back)
            for key, stream in ledger.streams.items()
        },
        "committed": {
            key: (each.committed.records, each.committed.bytes, each.committed.rejected)
            for key, each in ledger.streams.items()
        },
        "told of streams": {
            (each.name, each.namespace): (
                (each.records_emitted, each.records_committed, each.records_filtered, each.records_rejected),
                (each.bytes_emitted, each.bytes_committed, each.bytes_filtered),
                (each.records_estimated, each.bytes_estimated),
            )
            for each in ledger.counts(succeeded=False, ended=True)
        },
        "estimate": (ledger.estimates.total.records, ledger.estimates.total.bytes),
        "filtered": counters.records_filtered,
        "nulled": counters.values_nulled,
        "malformed": counters.malformed,
        "states held back": counters.states_held_back,
        "states emitted": evidence.states_emitted,
        "empty states": counters.empty_states_sent,
        "states committed": counters.states_committed,
        "acknowledgements": counters.acknowledgements,
        "bare acknowledgements": counters.bare_acknowledgements,
        "unmatched": evidence.unmatched_acknowledgements,
        "keys unacknowledged": evidence.keys_unacknowledged,
        "source mismatches": counters.source_stats_mismatches,
        "destination mismatches": counters.destination_stats_mismatches,
        "records": (evidence.records_emitted, counters.records_forwarded),
        "rejected of several": counters.records_rejected_undivided,
        "error traces": counters.error_traces,
        "failures": [
            (str(each.origin), str(each.type), None if each.stream is None else (each.stream, each.namespace or None))
            for each in ledger.failures
        ],
        "stored states": {key: None if blob is None else json.loads(blob) for key, blob in relay.stored.items()},
        "log of the source": [level for leg, level in relay.log.lines if leg == "source"],
        "log of the destination": [level for leg, level in relay.log.lines if leg == "destination"],
    }


def of_reference(relay: ReferenceRelay) -> dict[str, Any]:
    """The same of the reference."""
    echoes, streams = relay.echoes, relay.streams
    total, filtered = (
        sum(each) for each in zip(*((one.total.records, one.total.filtered) for one in streams.values()), strict=True)
    )
    durable = {key: echoes.committed.get(key, Committed()) for key in streams}
    return {
        "streams": {
            key: (each.total.records, each.total.bytes, each.started, each.complete, each.incomplete, each.held_back)
            for key, each in streams.items()
        },
        "committed": {key: (each.count.records, each.count.bytes, each.rejected) for key, each in durable.items()},
        "told of streams": {key: told_of(relay, key) for key in streams},
        "estimate": relay.estimates.total,
        "filtered": filtered,
        "nulled": relay.nulled,
        "malformed": relay.malformed,
        "states held back": relay.held_back,
        "states emitted": echoes.emitted,
        "empty states": relay.empty_states,
        "states committed": echoes.states_committed,
        "acknowledgements": echoes.acknowledgements,
        "bare acknowledgements": echoes.bare,
        "unmatched": echoes.unmatched,
        "keys unacknowledged": echoes.unacknowledged(),
        "source mismatches": relay.source_stats_mismatches,
        "destination mismatches": echoes.mismatches,
        "records": (total, total - filtered),
        "rejected of several": echoes.rejected_undivided,
        "error traces": len(relay.failures),
        "failures": relay.failures[:MAX_FAILURES_KEPT],
        "stored states": echoes.stored,
        "log of the source": [level for leg, level in relay.logged if leg == "source"],
        "log of the destination": [level for leg, level in relay.logged if leg == "destination"],
    }


def told_of(relay: ReferenceRelay, key: Key) -> tuple[Any, ...]:
    """What the reference tells people of a stream: its records, its bytes, what is expected."""
    total, durable = relay.streams[key].total, relay.echoes.committed.get(key, Committed())
    count, rejected = durable.count, durable.rejected
    return (
        (total.records, count.records - count.filtered - rejected, total.filtered, rejected),
        (total.bytes, count.bytes - count.filtered_bytes, total.filtered_bytes),
        relay.estimates.of(key),
    )


def narrowed(real: Any, reference: Any) -> tuple[Any, Any]:
    """The first place in which the two differ, of what is long."""
    if isinstance(real, bytes) and isinstance(reference, bytes):
        return narrowed(real.split(b"\n"), reference.split(b"\n"))
    if isinstance(real, list) and isinstance(reference, list):
        place = next((n for n, (a, b) in enumerate(zip(real, reference, strict=False)) if a != b), None)
        place = min(len(real), len(reference)) if place is None else place
        return (place, real[place : place + 2]), (place, reference[place : place + 2])
    if isinstance(real, dict) and isinstance(reference, dict):
        odd = [key for key in {**real, **reference} if real.get(key) != reference.get(key)]
        return {key: real.get(key) for key in odd}, {key: reference.get(key) for key in odd}
    return real, reference
