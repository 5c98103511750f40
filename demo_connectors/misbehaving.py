"""Connectors that break the contract, one way each: `python -m demo_connectors.misbehaving MODE COMMAND ...`.

A mode's name says what it does. Where a source and a destination would share a name, the later one begins with the
command it misbehaves at: `read-never-exits` beside `never-exits`.
"""

import sys

from demo_connectors import source_synthetic
from demo_connectors.connector import Connector, Job, run
from demo_connectors.misbehaving_config import MisbehavingConfig
from demo_connectors.misbehaving_destinations import DESTINATIONS
from demo_connectors.misbehaving_sources import SOURCES
from demo_connectors.source_synthetic import SyntheticConfig


def discover(config: MisbehavingConfig) -> bytes:
    return source_synthetic.discover(SyntheticConfig(streams=config.streams, namespace=config.namespace))


def connector(mode: str) -> Connector[MisbehavingConfig]:
    """The connector that misbehaves this way; it answers spec, check and discover as it should."""
    title = f"Misbehaving: {mode}"
    if mode in DESTINATIONS:
        return Connector(
            name=mode,
            title=title,
            config=MisbehavingConfig,
            write=DESTINATIONS[mode],
            destination_sync_modes=("append", "overwrite"),
        )

    def read(job: Job[MisbehavingConfig]) -> int:
        for line in SOURCES[mode](job):
            job.output.send(line)
        return 0

    return Connector(name=mode, title=title, config=MisbehavingConfig, discover=discover, read=read)


def main() -> None:
    modes = [*SOURCES, *DESTINATIONS]
    if len(sys.argv) < 2 or sys.argv[1] not in modes:
        sys.exit(f"usage: python -m demo_connectors.misbehaving MODE COMMAND ...\nmodes: {', '.join(modes)}")
    sys.exit(run(connector(sys.argv[1]), sys.argv[2:]))


if __name__ == "__main__":
    main()
