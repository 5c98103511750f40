"""A process that has loaded a pod's own program and waits: each of its forks becomes the program of one pod at once.

Loading takes most of the time in which such a program starts, and most of its processor time. It holds nothing of any
pod: what a program reads it finds in its pod's folder. It ends with its input; the programs go on.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import msgspec

from airbyte_workers import programs
from airbyte_workers.orchestrator import __main__ as program
from airbyte_workers.orchestrator.own_log import logged

ALSO = ("structlog", "airbyte_workers.replication.record_faults", "airbyte_workers.mappers.chain")
"""What a program loads when something needs it; here it is loaded once the first program is under way."""

_REAP_AFTER_S = 5.0
_MAX_ORDER = 1024 * 1024


class Order(msgspec.Struct, frozen=True):
    """Start a pod's own program with these words, as `connector_wrapper.sh program` would."""

    folder: str
    words: tuple[str, ...]
    variables: dict[str, str]


def main() -> None:
    """Each line of stdin is an order; the answer is a line with the process that keeps the program, or what failed."""
    sys.exit(logged(_serve))


def _serve() -> None:
    _freeze()
    first = True
    for line in _lines():
        sys.stdout.write(_started(msgspec.json.decode(line, type=Order)) + "\n")
        sys.stdout.flush()
        if first:
            first = False
            _load_the_rest()


def _lines() -> Iterator[bytes]:
    """Of stdin, until its end. A program that has ended keeps its number until whoever asked has written it down."""
    while True:
        if select.select([0], [], [], _REAP_AFTER_S)[0]:
            line = os.read(0, 1)
            while line and not line.endswith(b"\n"):
                line += os.read(0, _MAX_ORDER)
            if not line:
                return
            _reap()
            yield line
        else:
            _reap()


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _started(order: Order) -> str:
    try:
        Path(order.folder).stat()
        pid = os.fork()
    except OSError as error:
        return ascii(str(error))
    if not pid:
        _keep(order)
    return str(pid)


def _load_the_rest() -> None:
    for name in ALSO:
        import_module(name)
    _freeze()


def _freeze() -> None:
    """What is loaded is never garbage: its memory stays shared between all programs."""
    gc.collect()
    gc.freeze()


def _keep(order: Order) -> NoReturn:
    """Run the program, hand it SIGTERM, and write down its exit code."""
    os.chdir(order.folder)  # by it we are known as the pod's
    os.setsid()
    _join(order)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if not pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        programs.run(lambda: _run(order))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # until it is reaped, its number is nobody else's
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = code if code >= 0 else 128 - code
    partial = Path(order.folder) / "exit_code.tmp"
    try:
        partial.write_text(f"{code}\n")
        partial.replace(partial.with_suffix(""))
    finally:
        os._exit(code)


def _join(order: Order) -> None:
    """The program's output goes to its log, and of our own environment and pipes nothing is left."""
    log = os.open(Path(order.folder) / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(theirs, ours)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(order.variables)


def _run(order: Order) -> None:
    sys.argv = [sys.argv[0], *order.words]
    program.main()


if __name__ == "__main__":
    main()
