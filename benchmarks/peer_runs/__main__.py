"""`python -m benchmarks.peer_runs`: one run of each peer, as a table. Linux only: it looks at /proc."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.peer_runs.airbyte_peers import airbyte_peers
from benchmarks.peer_runs.environments import PeerUnavailableError, default_folder
from benchmarks.peer_runs.meltano_peer import meltano_peers
from benchmarks.peer_runs.peer import Peer, PeerRun
from benchmarks.records import Records

_HEADINGS = (
    "peer",
    "version",
    "records/s",
    "MB/s",
    "CPU s per GB",
    "peak memory, MiB",
    "moving, s",
    "with its start, s",
)


def main() -> None:
    """Prepare, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer_runs", description=__doc__)
    parser.add_argument("--records", type=int, default=300_000, help="how many, of 500 bytes each")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where the environments are kept")
    arguments = parser.parse_args()
    print(_row(_HEADINGS), _row(["---"] * len(_HEADINGS)), sep="\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="airbyte-workers-peers-") as folder:
        for peer in every_peer(arguments.folder.absolute()):
            _measure(peer, Records(500, arguments.records), Path(folder).resolve())


def every_peer(environments: Path) -> tuple[Peer, ...]:
    """All ways to use all peers; nothing is installed yet."""
    return (*airbyte_peers(environments), *meltano_peers(environments))


def _measure(peer: Peer, records: Records, folder: Path) -> None:
    try:
        run = peer.run(replace(records, records=max(1, records.records // peer.fewer)), folder)
    except PeerUnavailableError as err:
        print(err, file=sys.stderr)
        return
    print(_row([peer.name, peer.version, *_figures(run)]), flush=True)


def _figures(run: PeerRun) -> list[str]:
    return [
        f"{run.records / run.seconds:,.0f}",
        f"{run.size / run.seconds / 1e6:.1f}",
        f"{run.cpu_s / (run.size / 1e9):.1f}",
        f"{run.peak_bytes / 2**20:.0f}",
        f"{run.seconds:.1f}",
        f"{run.whole_s:.1f}",
    ]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
