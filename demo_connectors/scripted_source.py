"""A source whose every read goes as a script says: `python -m demo_connectors.scripted_source COMMAND ...`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo_connectors import scripted_notes, source_synthetic
from demo_connectors.configuration import COUNT, COUNT_OR_NAMES, TEXT, option, required
from demo_connectors.connector import Connector, Job, hang, run
from demo_connectors.messages import Output, StreamKey, error, now_ms, record, state, stream_state, stream_status, trace
from demo_connectors.scripted_notes import CHECKS, CHECKS_HELP, CRASH_EXIT_CODE, Notes, Turn, script_of
from demo_connectors.source_synthetic import SyntheticConfig, positions

READS = script_of("CPSW")
READS_HELP = (
    "What each read does: fails without a record (C), fails after a part of them and a state (P), "
    "sends the rest and succeeds (S), or sends a part and a state and waits for its SIGTERM (W)"
)


@dataclass(frozen=True, kw_only=True)
class ScriptedSourceConfig:
    notes: str = required(TEXT, "The file in which every command is noted")
    reads: str = option(READS, READS_HELP, "S")
    checks: str = option(CHECKS, CHECKS_HELP, "S")
    streams: int | Sequence[str] = option(COUNT_OR_NAMES, "How many streams (stream_0, ...), or their names", 1)
    records: int = option(COUNT, "Records of each stream", 100)
    part: int = option(COUNT, "Records of each stream that a part has", 10)
    state_every: int = option(COUNT, "Records between two states; 0 for one state at the end of a read", 0)
    quota_reset_in_ms: int | None = option(COUNT, "Wait for a quota that is reset after so long, then fail", None)

    @property
    def noted(self) -> Notes:
        return Notes(Path(self.notes), "source")


def check(config: ScriptedSourceConfig) -> None:
    scripted_notes.check(config.noted, config.checks)


def discover(config: ScriptedSourceConfig) -> bytes:
    return source_synthetic.discover(SyntheticConfig(streams=config.streams))


def read(job: Job[ScriptedSourceConfig]) -> int:
    config, notes = job.config, job.config.noted
    reset_ms = None if config.quota_reset_in_ms is None else now_ms() + config.quota_reset_in_ms
    turn = notes.begin("read", config.reads, state=job.state, quota_reset_ms=reset_ms)
    found = positions(job.state)
    starts = {stream.key: found.get(stream.key, 0) for stream in job.streams}
    if turn.letter != "C":
        for key, start in starts.items():
            _send(job, key, start, whole=turn.letter == "S")
    if turn.letter in "CP":
        _fail(job.output, turn, next(iter(starts)), reset_ms)
    job.output.flush()
    notes.write("read sent", number=turn.number)
    if turn.letter == "W":
        hang()
    return 0 if turn.letter == "S" else CRASH_EXIT_CODE


def _send(job: Job[ScriptedSourceConfig], key: StreamKey, start: int, *, whole: bool) -> None:
    config, output = job.config, job.output
    last = config.records if whole else min(config.records, start + config.part)
    for status in ("STARTED", "RUNNING"):
        output.send(stream_status(key, status))
    for index in range(start, last):
        output.send(record(key, {"id": index}))
        if config.state_every and (index + 1) % config.state_every == 0 and index + 1 < last:
            output.send(state(stream_state(key, {"next": index + 1})))
    output.send(state(stream_state(key, {"next": max(start, last)})))
    if whole:
        output.send(stream_status(key, "COMPLETE"))


def _fail(output: Output, turn: Turn, key: StreamKey, reset_ms: int | None) -> None:
    """Say why, as good sources do; one that waits for its quota says so first."""
    if reset_ms is not None:
        reason = {"type": "RATE_LIMITED", "rate_limited": {"quota_reset": reset_ms}}
        waits = {"stream_descriptor": key.descriptor, "status": "RUNNING", "reasons": [reason]}
        output.send(trace("STREAM_STATUS", waits))
    output.send(error(f"as scripted: read {turn.number} is a {turn.letter}"))


SOURCE = Connector(
    name="source-scripted",
    title="Scripted source",
    config=ScriptedSourceConfig,
    check=check,
    discover=discover,
    read=read,
)


def main() -> None:
    sys.exit(run(SOURCE, sys.argv[1:]))


if __name__ == "__main__":
    main()
