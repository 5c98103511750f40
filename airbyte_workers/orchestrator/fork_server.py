"""A process that has loaded a pod's own program and waits: each of its forks becomes the program of one pod at once.

Loading takes most of the time in which such a program starts, and most of its processor time. It holds nothing of any
pod: what a program reads it finds in its pod's folder. It ends with its input; the programs go on.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import msgspec

from airbyte_workers.orchestrator import __main__ as program

ALSO = ("structlog", "airbyte_workers.replication.record_faults", "airbyte_workers.mappers.chain")
"""What a program loads when something needs it; here it is loaded once the first program is under way."""


class Order(msgspec.Struct, frozen=True):
    """Start a pod's own program with these words, as `connector_wrapper.sh program` would."""

    folder: str
    words: tuple[str, ...]
    variables: dict[str, str]


def main() -> None:
    """Each line of stdin is an order; the answer is a line with the process that keeps the program, or what failed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the programs: none shall stay a zombie
    _freeze()
    first = True
    for line in sys.stdin.buffer:
        sys.stdout.write(_started(msgspec.json.decode(line, type=Order)) + "\n")
        sys.stdout.flush()
        if first:
            first = False
            _load_the_rest()


def _started(order: Order) -> str:
    try:
        os.chdir(order.folder)  # before the fork: by it a process is known as the pod's from its first moment
    except OSError as error:
        return str(error)
    try:
        pid = os.fork()
        if not pid:
            _keep(order)
    finally:
        os.chdir("/")
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
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _join(order)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if not pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os._exit(_run(order))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
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


def _run(order: Order) -> int:
    sys.argv = [sys.argv[0], *order.words]
    code: object = 1
    try:
        program.main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # the last frame of a process: there is nobody else to tell
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    main()
