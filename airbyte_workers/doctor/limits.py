"""The check of this host's limits against what may run here at once."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.names import JobKind
from airbyte_workers.quantities import memory_bytes
from airbyte_workers.runtime.background import apart
from airbyte_workers.settings import Settings

FILES_OF_A_WORKER, FILES_OF_A_POD = 128, 16
"""Open files of a Temporal worker process, and of it for each pod that it watches or launches: about four times as many
as were seen."""
FEWEST_FILES_OF_A_WORKER, FEWEST_FILES_OF_A_POD = 31, 3
"""As many as were seen: with fewer it fails."""
PROCESSES_OF_A_POD, FEWEST_PROCESSES_OF_A_POD = 64, 2
"""Processes and threads: two connectors with a few threads each, their wrappers, the orchestrator. No pod has fewer
than a connector and its wrapper."""
MEMORY_OF_A_SYNC = 512 * 2**20
"""Two Python connectors and the orchestrator, where no limit is set for them."""
PAGE = 4096
_GIB = 2**30
_CGROUPS = Path("/sys/fs/cgroup")
_PIPES = Path("/proc/sys/fs/pipe-user-pages-soft")
_NO_LIMIT = 2**60
"""Larger ones are how cgroups of version 1 say that there is none."""
_KINDS = (JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER, JobKind.SYNC)


@dataclass(frozen=True)
class HostLimits:
    """What this process and its children may use; None: as much as they want."""

    files: int | None
    files_at_most: int | None
    processes: int | None
    memory: int
    pipe_pages: int | None


async def look_at_limits(means: Means) -> Sequence[Finding]:
    answers = False
    with suppress(Skip):
        answers = bool(await means.engine.through())
    in_engine = run_in_engine(means.settings, answers=answers)
    return judge_limits(await apart(host_limits), means.settings, in_engine=in_engine)


def run_in_engine(settings: Settings, *, answers: bool) -> bool:
    """Whether an engine that `answers` runs the pods of images, as the launcher `auto` would have it."""
    if settings.launcher != "auto":
        return settings.launcher == "docker"
    return answers and (sys.platform == "linux" or settings.orchestrator_image is not None)


def host_limits() -> HostLimits:
    """Of this process, which a Temporal worker started in its place would have."""
    soft, hard = (_limit(each) for each in resource.getrlimit(resource.RLIMIT_NOFILE))
    memory = [psutil.virtual_memory().total, *_of_cgroup("memory", "memory.max", "memory.limit_in_bytes")]
    own = None if os.geteuid() == 0 else _limit(resource.getrlimit(resource.RLIMIT_NPROC)[0])
    processes = [*([own] if own is not None else []), *_of_cgroup("pids", "pids.max", "pids.max")]
    return HostLimits(soft, hard, min(processes, default=None), min(memory), _pipe_pages())


def _limit(value: int) -> int | None:
    return None if value == resource.RLIM_INFINITY else value


def _pipe_pages() -> int | None:
    """Root's pipes are not counted."""
    if os.geteuid() == 0:
        return None
    with suppress(OSError, ValueError):
        return int(_PIPES.read_text()) or None
    return None


def _of_cgroup(controller: str, name: str, old_name: str) -> Iterator[int]:
    """The limits of our cgroup and of those above it, of either version."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root, file = (_CGROUPS / controller, old_name) if controllers else (_CGROUPS, name)
            own = root / path.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(root):
                    yield from _number(folder / file)


def _number(file: Path) -> Iterator[int]:
    with suppress(OSError, ValueError):  # `max` is no number
        if (number := int(file.read_text())) < _NO_LIMIT:
            yield number


def judge_limits(limits: HostLimits, settings: Settings, *, in_engine: bool) -> Sequence[Finding]:
    """Too few files or processes stop pods at some moment; too little memory or too small pipes make them slow."""
    pods = sum(settings.pods_at_once(kind) for kind in _KINDS)
    syncs = settings.pods_at_once(JobKind.SYNC)
    found = [*_files(limits, pods)]
    if not in_engine:  # the engine's containers are not counted among our own processes
        found += _processes(limits, pods)
        found += _memory(limits, syncs * _memory_of_a_sync(settings), syncs)
        found += _pipes(limits, syncs * 2 * settings.pipe_bytes // PAGE, syncs)
    files = "no limit" if limits.files is None else f"{limits.files:,}"
    return found or [ok(f"enough for {pods} pods: files {files}, memory {limits.memory / _GIB:,.1f} GiB")]


def _files(limits: HostLimits, pods: int) -> Iterator[Finding]:
    needed = FILES_OF_A_WORKER + pods * FILES_OF_A_POD
    if limits.files is not None and limits.files < needed:
        judge = fault if limits.files < FEWEST_FILES_OF_A_WORKER + pods * FEWEST_FILES_OF_A_POD else warning
        more = (
            "" if limits.files_at_most is None or limits.files_at_most >= needed else " (as root: it is the hard limit)"
        )
        yield judge(
            f"only {limits.files:,} open files are allowed (RLIMIT_NOFILE); a Temporal worker may need {needed:,}",
            f"ulimit -n {needed}{more}, LimitNOFILE={needed} for a service; or lower MAX_*_WORKERS",
        )


def _processes(limits: HostLimits, pods: int) -> Iterator[Finding]:
    needed = pods * PROCESSES_OF_A_POD
    if limits.processes is not None and limits.processes < needed:
        judge = fault if limits.processes < pods * FEWEST_PROCESSES_OF_A_POD else warning
        yield judge(
            f"only {limits.processes:,} processes and threads are allowed; {pods} pods may need {needed:,}",
            "raise the limit (ulimit -u, TasksMax= of a service, the container's pids limit), or lower MAX_*_WORKERS",
        )


def _memory(limits: HostLimits, needed: int, syncs: int) -> Iterator[Finding]:
    if limits.memory < needed:
        yield warning(
            f"{limits.memory / _GIB:,.1f} GiB of memory are there; {syncs} syncs at once may need {needed / _GIB:,.1f}",
            "lower MAX_SYNC_WORKERS, or limit connectors by JOB_MAIN_CONTAINER_MEMORY_LIMIT",
        )


def _pipes(limits: HostLimits, needed: int, syncs: int) -> Iterator[Finding]:
    if limits.pipe_pages is not None and limits.pipe_pages < needed:
        yield warning(
            f"this user's pipes may have {limits.pipe_pages:,} pages; {syncs} syncs ask for {needed:,}: some get small "
            "pipes, and are slower",
            f"as root: sysctl fs.pipe-user-pages-soft={needed}; or lower MAX_SYNC_WORKERS",
        )


def _memory_of_a_sync(settings: Settings) -> int:
    connectors, own = settings.job_main_container_memory_limit, settings.replication_orchestrator_memory_limit
    if connectors is None:
        return MEMORY_OF_A_SYNC
    return 2 * memory_bytes(connectors) + (memory_bytes(own) if own is not None else 0)
