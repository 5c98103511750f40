"""Many runs, one after the other or in several processes, each reproducible by its own seed."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import psutil

from tests.fuzz.agreement import Difference
from tests.fuzz.mutator import lines
from tests.fuzz.shrinking import difference, smallest

LINES_OF_A_RUN = 2_000


@dataclass(frozen=True)
class Plan:
    """So many lines from the seeds `first`, `first + step` and so on, each seed a run of `size` lines."""

    first: int
    step: int
    lines: int
    size: int = LINES_OF_A_RUN

    @property
    def seeds(self) -> range:
        runs = -(-self.lines // self.size)
        return range(self.first, self.first + runs * self.step, self.step)


@dataclass(frozen=True)
class Found:
    """A run in which the relays disagree, and the few lines that it takes."""

    seed: int
    difference: Difference
    input: list[bytes]


@dataclass(frozen=True)
class Progress:
    """How far a process is."""

    lines: int
    resident: int
    found: tuple[Found, ...] = ()


def lines_of(seed: int, size: int) -> list[bytes]:
    """The source's output of a run."""
    return lines(Random(seed), size)


def fuzz(plan: Plan) -> Iterator[Progress]:
    """After every run how far it is. Bytes of memory are the process's own."""
    process, done = psutil.Process(), 0
    for seed in plan.seeds:
        source = lines_of(seed, plan.size)
        done += len(source)
        found = difference(source, seed)
        yield Progress(done, process.memory_info().rss, () if found is None else (shrunk(source, seed),))


def shrunk(source: list[bytes], seed: int) -> Found:
    few = smallest(source, lambda fewer: difference(fewer, seed))
    told = difference(few, seed)
    assert told is not None
    return Found(seed, told, few)


def in_processes(plans: list[Plan], *, every_s: float) -> Iterator[list[Progress]]:
    """How far all are, about every so many seconds and at once when something is found; the last time at the end."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[tuple[int, Progress]] = context.Queue()
    processes = [context.Process(target=_told, args=(queue, n, plan), daemon=True) for n, plan in enumerate(plans)]
    for process in processes:
        process.start()
    newest, told_at = [Progress(0, 0) for _ in plans], time.monotonic()
    while any(each.lines < plan.lines for each, plan in zip(newest, plans, strict=True)):
        number, progress = queue.get()
        newest[number] = progress
        if progress.found or time.monotonic() - told_at > every_s:
            yield newest
            newest, told_at = [Progress(each.lines, each.resident) for each in newest], time.monotonic()
    yield newest
    for process in processes:
        process.join()


def _told(queue: multiprocessing.Queue[tuple[int, Progress]], number: int, plan: Plan) -> None:
    for progress in fuzz(plan):
        queue.put((number, progress))
