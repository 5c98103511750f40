"""Stands in for the orchestrator: gets ready, keeps the FIFOs open, and on TERM asks every connector to end."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn


def main() -> None:
    own, connectors = folders(sys.argv[2:])
    mode = json.loads((own / "input.json").read_bytes() or b"{}").get("mode", "reading")
    (own / "argv.json").write_text(json.dumps(sys.argv[1:]))
    (own / "environment.json").write_text(json.dumps(dict(os.environ)))
    if mode == "exits":
        sys.exit("no database at the given address")
    if mode == "reading":
        for folder in connectors:
            for name in ("out", "err"):
                os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK)
    if mode == "journals":
        (own / "journal").write_bytes(b"x" * 3_000_000)
    if mode == "logs":
        sys.stderr.write("older\n" * 20_000 + "newest\n")
    signal.signal(signal.SIGTERM, lambda *_: end(connectors))
    if mode != "never ready":
        (own / "ready").touch()
    while True:
        signal.pause()


def folders(options: list[str]) -> tuple[Path, list[Path]]:
    named = dict(zip(options[::2], map(Path, options[1::2]), strict=True))
    return named.pop("--own"), list(named.values())


def end(connectors: list[Path]) -> NoReturn:
    for folder in connectors:
        descriptor = os.open(folder / "control", os.O_RDWR | os.O_NONBLOCK)
        os.write(descriptor, b"TERM\n")
    os._exit(0)


main()
