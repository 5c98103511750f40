"""destination-jsonl with checks that a script decides: `python -m demo_connectors.scripted_destination COMMAND ...`."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from demo_connectors import destination_jsonl, scripted_notes
from demo_connectors.configuration import TEXT, option, required
from demo_connectors.connector import Connector, Job, hang, run
from demo_connectors.destination_jsonl import JsonlConfig
from demo_connectors.scripted_notes import CHECKS, CHECKS_HELP, Notes, script_of


@dataclass(frozen=True, kw_only=True)
class ScriptedDestinationConfig(JsonlConfig):
    notes: str = required(TEXT, "The file in which every command is noted")
    checks: str = option(CHECKS, CHECKS_HELP, "S")
    writes: str = option(script_of("SW"), "What each write does: writes (S), or waits for its SIGTERM (W)", "S")

    @property
    def noted(self) -> Notes:
        return Notes(Path(self.notes), "destination")


def check(config: ScriptedDestinationConfig) -> None:
    scripted_notes.check(config.noted, config.checks)


def write(job: Job[ScriptedDestinationConfig]) -> int:
    streams = [asdict(stream) for stream in job.streams]
    if job.config.noted.begin("write", job.config.writes, streams=streams).letter == "W":
        hang()
    plain: Job[JsonlConfig] = Job(job.config, job.streams, job.state, job.output)
    return destination_jsonl.write(plain)


DESTINATION = Connector(
    name="destination-scripted",
    title="Scripted destination",
    config=ScriptedDestinationConfig,
    check=check,
    write=write,
    destination_sync_modes=("append", "overwrite"),
)


def main() -> None:
    sys.exit(run(DESTINATION, sys.argv[1:]))


if __name__ == "__main__":
    main()
