"""Read a source: what it sends, how it ends, what it does when it is told to end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from airbyte_workers.conformance.bench import Asked, Bench
from airbyte_workers.conformance.seen import Cut, ReadSeen, TermSeen
from airbyte_workers.conformance.source_notes import SourceNotes
from airbyte_workers.conformance.trial import Trial
from airbyte_workers.protocol.messages import ConfiguredCatalog
from airbyte_workers.replication.decoding import sniff_line
from airbyte_workers.replication.state_forms import StateKey

_LAST_S = 1.0
"""How long the exit code may take of one that has closed its output."""
_LEAST_PIPE = 4096
"""Bytes; a source that has more to say waits here until it is told to end."""


async def read(bench: Bench, asked: Asked, catalog: ConfiguredCatalog) -> ReadSeen:
    """Read it to its end, or until enough was seen. Raises LaunchFailed."""
    async with bench.running(asked) as trial:
        notes = SourceNotes(trial.ear, catalog, bench.settings.validation_first_records)
        async with aclosing(trial.lines(data=True)) as lines:
            async for line in lines:
                _take(trial, notes, line)
        quiet, age = trial.quiet, trial.age
        ended = await trial.end()
        if trial.cut is None:
            quiet += max(0.0, ended.seconds - age)
        return notes.seen(ended, quiet, trial.talk, trial.meter.memory(trial.passed))


def _take(trial: Trial, notes: SourceNotes, line: bytes) -> None:
    settings = trial.settings
    if not notes.line(line, trial.age):
        return
    sampled = trial.heard_data()
    trial.passed = notes.bytes
    if notes.records > settings.connector_test_records:  # one that has just so many comes to its end
        trial.break_off(Cut.ENOUGH)
    elif sampled > settings.connector_test_sample_s:
        trial.break_off(Cut.SAMPLE)


async def tell_to_end(bench: Bench, asked: Asked) -> TermSeen:
    """Start it, and say SIGTERM at its first record, while it still has something to say. Raises LaunchFailed."""
    after = "before its first record"
    async with bench.running(asked) as trial:
        trial.leg.out.enlarge(_LEAST_PIPE)
        async with aclosing(trial.lines(data=True)) as lines:
            async for line in lines:
                sniffed = sniff_line(line)
                if sniffed is not None and sniffed.type == "RECORD":
                    after = "at its first record"
                    break
            else:
                await trial.gone_within(_LAST_S)
        return await trial.told_to_end(after if trial.cut is None else "when it had long been silent")


def state_file(states: Mapping[StateKey, bytes]) -> bytes | None:
    """The last states as a source is given them: a list, or a LEGACY blob as it is; None: there are none."""
    legacy = [state for key, state in states.items() if key.type == "LEGACY"]
    if legacy:
        return legacy[-1]
    return b"[" + b",".join(states.values()) + b"]" if states else None
