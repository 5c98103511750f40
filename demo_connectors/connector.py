"""The command line contract every connector shares: spec, check, discover, read and write."""

import argparse
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn

from demo_connectors import configuration
from demo_connectors.catalog import ConfiguredStream, load_catalog
from demo_connectors.configuration import Config
from demo_connectors.messages import ConfigError, Failure, Output, OutputClosed, connection_status, error, specification

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Job(Generic[Config]):
    """What one `read` or `write` was asked for."""

    config: Config
    streams: tuple[ConfiguredStream, ...]
    state: Any
    output: Output


@dataclass(frozen=True, kw_only=True)
class Connector(Generic[Config]):
    """A connector in parts: `read` makes it a source, `write` a destination. They return the exit code."""

    name: str
    title: str
    config: type[Config]
    check: Callable[[Config], None] = lambda _: None
    discover: Callable[[Config], bytes] | None = None
    read: Callable[[Job[Config]], int] | None = None
    write: Callable[[Job[Config]], int] | None = None
    destination_sync_modes: tuple[str, ...] = ()


def crash_point(after: int | None, once_file: str | None) -> int | None:
    """After how many records to crash, if at all: not again once the file of the first crash exists."""
    return None if once_file is not None and Path(once_file).exists() else after


def hang() -> NoReturn:
    while True:
        signal.pause()


def run(connector: Connector[Config], argv: Sequence[str]) -> int:
    """Answer one command; the result is the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_TERMINATED))
    signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    arguments = _parser(connector).parse_args(argv)
    output = Output()
    try:
        exit_code = _answer(connector, arguments, output)
        output.flush()
    except OutputClosed:
        return 1
    except Failure as failure:
        output.send(error(str(failure), failure.failure_type, failure.stream))
        output.flush()
        return 1
    return exit_code


def _answer(connector: Connector[Config], arguments: argparse.Namespace, output: Output) -> int:
    if arguments.command == "spec":
        described = configuration.schema(connector.config, connector.title)
        output.send(specification(described, connector.destination_sync_modes))
        return 0
    if arguments.command == "check":
        output.send(connection_status(_problem(connector, arguments.config)))
        return 0
    config = _config(connector, arguments.config)
    if arguments.command == "discover" and connector.discover is not None:
        output.send(connector.discover(config))
        return 0
    state = configuration.load_json(arguments.state, "state") if getattr(arguments, "state", None) else None
    job = Job(config, load_catalog(arguments.catalog), state, output)
    work = connector.read if arguments.command == "read" else connector.write
    assert work is not None  # the parser offers only the commands the connector has
    return work(job)


def _config(connector: Connector[Config], path: Path) -> Config:
    return configuration.parse(connector.config, configuration.load_json(path, "config"))


def _problem(connector: Connector[Config], path: Path) -> str | None:
    try:
        connector.check(_config(connector, path))
    except ConfigError as err:
        return str(err)
    return None


def _parser(connector: Connector[Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=connector.name, description=connector.title)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("spec")
    offered = ["check"]
    offered += ["discover"] if connector.discover else []
    offered += ["read"] if connector.read else []
    offered += ["write"] if connector.write else []
    for name in offered:
        command = commands.add_parser(name)
        command.add_argument("--config", type=Path, required=True)
        if name in ("read", "write"):
            command.add_argument("--catalog", type=Path, required=True)
        if name == "read":
            command.add_argument("--state", type=Path)
    return parser
