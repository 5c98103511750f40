"""What `doctor` concludes from what it saw: pure, so every case can be had."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow

from airbyte_workers.doctor.addresses import judge_collector, judge_metrics
from airbyte_workers.doctor.clock import Reading, judge_clocks
from airbyte_workers.doctor.database import Server, judge_migrations, judge_server
from airbyte_workers.doctor.embedded import Remains, judge_stack
from airbyte_workers.doctor.engine import Logged, Socket, judge_absence, judge_logs
from airbyte_workers.doctor.findings import Finding, Verdict, fault, ok, skipped, summary, warning
from airbyte_workers.doctor.folders import Disk, SecretFiles, judge_disks, judge_secret_files
from airbyte_workers.doctor.keys import KeyFile, Stored, judge_absent, judge_key
from airbyte_workers.doctor.known_engines import judge_engine
from airbyte_workers.doctor.limits import HostLimits, judge_limits, run_in_engine
from airbyte_workers.doctor.packages import judge_packages, judge_time_zones
from airbyte_workers.doctor.queues import (
    LAUNCHES,
    QUEUES,
    WORKFLOW_TYPES,
    Queue,
    Waiting,
    judge_queues,
    judge_waiting_runs,
)
from airbyte_workers.doctor.temporal import judge_search_attributes, judge_versions
from airbyte_workers.doctor.workers import Busy
from airbyte_workers.names import JobKind
from airbyte_workers.runtime.deployments import Version
from airbyte_workers.runtime.search_attributes import OURS
from airbyte_workers.runtime.stack.processes import Identity
from airbyte_workers.runtime.stack.state import Mode, Phase, StackState
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import migrations
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, seal_for

GB = 10**9
SETTINGS = Settings(home=Path("/home/of/workers"))
GONE = StackState(Identity(2**22 + 1, 1.0, "boot"), Mode.BACKGROUND, Phase.READY)
SEAL, OTHER = Seal(b"k" * 32), Seal(b"o" * 32)


def told(*findings: Finding) -> list[tuple[str, str, bool]]:
    return [(each.verdict, each.seen, each.fixable) for each in findings]


def verdicts(findings: Sequence[Finding]) -> list[str]:
    return [each.verdict for each in findings]


# --- Temporal ---------------------------------------------------------------------------------------------------------


def test_attributes_that_are_missing_can_be_registered_and_those_of_another_type_cannot() -> None:
    first, second, *rest = OURS
    there = {second: 2**20, **{name: OURS[name] for name in rest}}
    missing, other = judge_search_attributes(there)
    assert (missing.verdict, missing.fixable) == ("warning", True)  # jobs set only those that are there
    assert f"--name {first} --type Keyword" in missing.advice
    assert (other.verdict, other.fixable) == ("warning", False)
    assert second in other.seen
    assert verdicts(judge_search_attributes(OURS)) == ["ok"]


@pytest.mark.parametrize(
    ("versions", "seen"),
    [
        ([Version("2", "current", 0, 1), Version("1", "drained", 0, 0)], []),
        ([Version("2", "inactive", 0, 1)], ["no version of ours is current: its workers take up no job"]),
        ([], ["no version of ours is current: its workers take up no job"]),
        (
            [Version("2", "current", 0, 1), Version("1", "draining", 3, 0)],
            ["version 1 has no Temporal worker, and 3 open runs wait for one"],
        ),
        ([Version("2", "current", 0, 0)], ["version 2 has no Temporal worker, and new jobs wait for one"]),
    ],
)
def test_a_version_that_is_needed_has_a_worker(versions: Sequence[Version], seen: list[str]) -> None:
    assert [each.seen for each in judge_versions("ours", versions) if each.verdict == "fault"] == seen


def test_every_queue_of_ours_is_polled() -> None:
    polled = {name: Queue(2) for name in QUEUES}
    assert verdicts(judge_queues(polled)) == ["ok"]
    (found,) = judge_queues({**polled, "airbyte": Queue(0), "airbyte-watch": Queue(0, backlog=3)})
    assert found.seen == "nobody polls airbyte, airbyte-watch (3 tasks wait)"
    assert found.advice.endswith("airbyte-workers worker --only workflows --only watch")
    (found,) = judge_queues({name: Queue(0, 1) for name in QUEUES})
    assert found.seen == f"no Temporal worker polls any queue ({len(QUEUES)} tasks wait)"


def test_a_queue_is_full_where_its_workers_live_and_every_slot_is_taken() -> None:
    queues = {name: Queue(2) for name in QUEUES} | {"airbyte-sync": Queue(0, backlog=2), "airbyte-watch": Queue(0)}
    sync, watch = judge_queues(queues, {"airbyte-sync", "airbyte-watch", "airbyte-check"})
    assert (sync.verdict, sync.seen.partition(":")[0]) == ("warning", "airbyte-sync is full (2 tasks wait)")
    assert "raise MAX_SYNC_WORKERS" in sync.advice
    assert (watch.verdict, "raise AIRBYTE_WORKERS_MAX_WATCHES" in watch.advice) == ("warning", True)
    nobody, full = judge_queues(queues, {"airbyte-watch"})
    assert (nobody.verdict, nobody.seen) == ("fault", "nobody polls airbyte-sync (2 tasks wait)")
    assert full.verdict == "warning"


@pytest.mark.parametrize(
    ("seen", "queues"),
    [
        (Busy(), set()),
        (Busy(frozenset({JobKind.REFRESH}), watched=False, waits=False), set()),
        (Busy(frozenset({JobKind.REFRESH}), watched=False, waits=True), {"airbyte-sync"}),
        (Busy(frozenset({JobKind.SPEC}), watched=True, waits=True), {"airbyte-spec", "airbyte-watch"}),
    ],
)
def test_a_queue_may_be_full_only_where_pods_live_and_jobs_wait(seen: Busy, queues: set[str]) -> None:
    assert seen.queues == queues


def test_its_queues_are_those_that_workers_poll() -> None:
    assert set(QUEUES) == {
        "airbyte",
        "airbyte-spec",
        "airbyte-check",
        "airbyte-discover",
        "airbyte-sync",
        "airbyte-watch",
    }
    assert len(LAUNCHES) == 4


def test_its_workflow_types_are_those_that_there_are() -> None:
    from airbyte_workers.runtime.pools import WORKFLOWS

    defined = {workflow._Definition.must_from_class(each).name for each in WORKFLOWS}
    assert defined - {None} == set(WORKFLOW_TYPES)


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ([Waiting("airbyte", 1, 4)], [("ok", "none of 4 open runs")]),
        ([Waiting("airbyte", 0, 0)], [("ok", "no open runs")]),
        ([Waiting("airbyte", 0, 4)], [("fault", "4 runs wait on the task queue airbyte, which nobody polls")]),
        ([Waiting("theirs", 1, 1, ("x (Sync)",))], [("ok", "none of 1 open runs")]),
        (
            [Waiting("airbyte", 1, 4), Waiting("airbytes", 0, 5, ("a (Sync)", "b (Check)"))],
            [
                (
                    "fault",
                    "5 runs wait on the task queue airbytes, which nobody polls: a (Sync), b (Check) and 3 more",
                )
            ],
        ),
    ],
)
def test_a_run_waits_where_nobody_polls(queues: Sequence[Waiting], expected: list[tuple[str, str]]) -> None:
    assert [(each.verdict, each.seen) for each in judge_waiting_runs(queues)] == expected


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "ok"), ({"is_standby": True}, "fault"), ({"major": 12}, "fault"), ({"used": 95}, "warning")],
)
def test_a_server_that_can_be_used(changes: dict[str, Any], verdict: str) -> None:
    server = replace(Server("17.2", 17, is_standby=False, connections=100, used=5), **changes)
    assert verdicts(judge_server(server, pool=10)) == [verdict]


def test_missing_migrations_can_be_applied() -> None:
    assert verdicts(judge_migrations((), in_use=False)) == ["ok"]
    (found,) = judge_migrations(migrations()[-2:], in_use=False)
    assert (found.verdict, found.fixable) == ("fault", True)
    assert all(each.name in found.seen for each in migrations()[-2:])


def test_missing_migrations_are_left_to_the_workers_where_any_are_at_work() -> None:
    (found,) = judge_migrations(migrations()[-2:], in_use=True)
    assert (found.verdict, found.fixable) == ("fault", False)
    assert "an older release are at work" in found.seen
    assert found.advice.startswith("upgrade them")


# --- the engine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "info", "expected"),
    [
        ("20.10.24+dfsg1", {}, [("ok", "")]),
        ("19.03.15", {}, [("fault", "too old")]),
        ("20.10.3", {}, [("ok", "")]),
        ("20.10.3", {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}, [("fault", "#41803")]),
        ("24.0.3", {}, [("warning", "#45689")]),
        ("24.0.3", {"LiveRestoreEnabled": True}, [("fault", "#45898"), ("warning", "#45689")]),
        ("24.0.9", {"LiveRestoreEnabled": True}, [("warning", "#45689")]),
        ("25.0.0", {"LiveRestoreEnabled": True}, [("ok", "")]),
        ("29.1", {"PidsLimit": False}, [("fault", "number of processes")]),
        ("dev", {}, [("ok", "engine dev")]),
    ],
)
def test_an_engine_by_its_version(version: str, info: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = judge_engine({"Version": version}, info, Settings(launcher="docker"))
    assert [each.verdict for each in found] == [verdict for verdict, _ in expected]
    assert all(words in each.seen for each, (_, words) in zip(found, expected, strict=True))


PODMAN = {"Version": "5.4.0", "Components": [{"Name": "Podman Engine"}]}


def test_podman_is_no_docker_engine() -> None:
    (found,) = judge_engine(PODMAN, {}, Settings(launcher="docker"))
    assert (found.verdict, found.seen) == ("fault", "Podman 5.4.0 answers")


@pytest.mark.parametrize(
    ("version", "info"),
    [
        (PODMAN, {}),
        ({"Version": "19.03.15"}, {}),
        ({"Version": "29.1"}, {"PidsLimit": False}),
        ({"Version": "29.1"}, {"MemoryLimit": False}),
    ],
)
def test_an_engine_that_cannot_be_used_is_a_fault_only_where_it_must_be(
    version: dict[str, Any], info: dict[str, Any]
) -> None:
    limited = Settings(job_main_container_memory_limit="1Gi")
    for launcher, verdict in (("docker", "fault"), ("auto", "warning")):
        (found,) = judge_engine(version, info, limited.model_copy(update={"launcher": launcher}))
        assert found.verdict == verdict
    assert found.advice.endswith("or set LAUNCHER=process")


@pytest.mark.parametrize(
    ("socket", "seen"),
    [
        (Socket("/s", exists=True, may_use=False), "this user may not use /s"),
        (Socket("/s", exists=False), "there is no engine's socket /s"),
        (Socket("/s", exists=True, may_use=True), "it did not answer (/s)"),
        (Socket("tcp://host:2375"), "it did not answer (tcp://host:2375)"),
    ],
)
def test_an_engine_that_is_not_there_is_a_fault_only_where_it_must_be(socket: Socket, seen: str) -> None:
    assert told(judge_absence("it did not answer", socket, "docker")) == [("fault", seen, False)]
    assert judge_absence("", Socket("/s", exists=False, is_usual=True), "auto").verdict == "skipped"
    found = judge_absence("it did not answer", socket, "auto")
    assert (found.verdict, found.seen) == ("warning", f"{seen}; connectors run as local programs")


def test_what_is_logged_of_containers() -> None:
    pod, temporal = Logged("pod", "none", has_limit=False, is_pods=True), Logged("t", "json-file", True, is_pods=False)
    journal = Logged("j", "journald", has_limit=False, is_pods=False)
    assert verdicts(judge_logs("json-file", [pod, temporal, journal])) == ["ok"]
    (found,) = judge_logs("json-file", [replace(temporal, has_limit=False, name=name) for name in "abcd"])
    assert told(found) == [
        ("warning", "logs without a limit, which may fill the disk: a, b, c and 1 more (json-file)", False)
    ]
    (found,) = judge_logs("local", [replace(pod, driver="local")])
    assert told(found) == [("fault", "the engine logs the output of containers of pods: pod", False)]


# --- this host --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "files", "verdict"),
    [(6 * GB, None, "ok"), (5 * GB, None, "warning"), (1 * GB, 10**6, "fault"), (6 * GB, 999, "fault")],
)
def test_room_on_a_disk(free: int, files: int | None, verdict: str) -> None:
    assert verdicts(judge_disks([Disk(Path("/"), ("LOCAL_ROOT",), free, files)], SETTINGS)) == [verdict]


def test_the_reading_of_a_clock_knows_what_it_cannot_know() -> None:
    assert Reading("Temporal", before=10, told=11, after=12).ahead_s == 0
    assert Reading("Temporal", before=10, told=4, after=12).ahead_s == 6
    assert Reading("Temporal", before=10, told=20, after=12).ahead_s == -8


def test_clocks_that_differ_by_more_than_the_limit() -> None:
    ahead, behind = Reading("PostgreSQL", 10, 4, 12), Reading("Temporal", 10, 14, 12)
    assert verdicts(judge_clocks([ahead, behind], limit_s=6)) == ["ok"]
    (found,) = judge_clocks([ahead, behind], limit_s=5)
    assert told(found) == [("fault", "this host's clock is 6.0 s ahead of PostgreSQL's", False)]
    assert [each.seen for each in judge_clocks([behind], limit_s=1)] == [
        "this host's clock is 2.0 s behind Temporal's",
    ]


ROOMY = HostLimits(files=20_000, files_at_most=20_000, processes=None, memory=64 * 2**30, pipe_pages=None)


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "ok", "enough for 20 pods"),
        ({"files": None, "files_at_most": None}, "ok", "no limit"),
        ({"files": 256}, "warning", "RLIMIT_NOFILE"),
        ({"files": 91}, "warning", "RLIMIT_NOFILE"),
        ({"files": 90}, "fault", "RLIMIT_NOFILE"),
        ({"processes": 512}, "warning", "processes and threads"),
        ({"processes": 39}, "fault", "processes and threads"),
        ({"memory": 2**30}, "warning", "1.0 GiB of memory are there; 5 syncs at once may need 2.5"),
        ({"pipe_pages": 256}, "warning", "5 syncs ask for 640"),
    ],
)
def test_limits_of_a_host(changes: dict[str, Any], verdict: str, words: str) -> None:
    (found,) = judge_limits(replace(ROOMY, **changes), SETTINGS, in_engine=False)
    assert (found.verdict, words in found.seen) == (verdict, True), found


def test_containers_are_not_counted_among_our_own_processes() -> None:
    small = replace(ROOMY, processes=512, memory=2**30, pipe_pages=1)
    assert verdicts(judge_limits(small, SETTINGS, in_engine=True)) == ["ok"]
    assert verdicts(judge_limits(small, SETTINGS, in_engine=False)) == ["warning", "warning", "warning"]


@pytest.mark.parametrize(
    ("launcher", "answers", "expected"),
    [("docker", False, True), ("process", True, False), ("auto", True, True), ("auto", False, False)],
)
def test_pods_run_in_an_engine_where_the_launcher_has_one(launcher: str, answers: bool, expected: bool) -> None:
    settings = Settings.model_validate({"LAUNCHER": launcher, "ORCHESTRATOR_IMAGE": "any"})
    assert run_in_engine(settings, answers=answers) == expected


def test_what_connectors_may_use_counts_where_it_is_set() -> None:
    limited = Settings(job_main_container_memory_limit="4Gi", max_sync_workers=10)
    assert verdicts(judge_limits(ROOMY, limited, in_engine=False)) == ["warning"]
    few = Settings(max_spec_workers=1, max_check_workers=1, max_discover_workers=1, max_sync_workers=1)
    assert verdicts(judge_limits(replace(ROOMY, files=256), few, in_engine=False)) == ["ok"]


def test_files_of_secrets_are_closed_to_others() -> None:
    files = SecretFiles(Path("/s"), 4)
    assert verdicts(judge_secret_files(files)) == ["ok"]
    assert verdicts(judge_secret_files(replace(files, readable=["/s/a"]))) == ["warning"]
    (found,) = judge_secret_files(replace(files, readable=["/s/a"], writable=["/s/a", "/s/b", "/s/c", "/s/d"]))
    assert told(found) == [("fault", "every user of this host may write /s/a, /s/b, /s/c and 1 more", False)]


def test_packages_of_others() -> None:
    home = Path("/lib")
    ours = {"workflows": home / "workflows", "activities": home / "activities"}
    assert verdicts(judge_packages(home, ours, {})) == ["ok"]
    assert verdicts(judge_packages(home, ours, {"workflows": ["llama"]})) == ["warning"]
    (found,) = judge_packages(home, {**ours, "workflows": Path("/x/workflows")}, {"workflows": ["llama"]})
    assert found.verdict == "fault"
    assert "/x/workflows, which is not ours (brought by llama)" in found.seen
    (found,) = judge_packages(home, {**ours, "activities": None}, {})
    assert (found.verdict, "`activities` cannot be imported" in found.seen) == ("fault", True)
    assert verdicts(judge_time_zones(["UTC"])) == ["fault"]


@pytest.mark.parametrize(
    ("refused", "shown", "verdict"),
    [
        (None, b"", "ok"),
        (errno.EADDRINUSE, b"# TYPE temporal_request_total counter", "ok"),
        (errno.EADDRINUSE, b"<html>", "fault"),
        (errno.EADDRNOTAVAIL, b"", "fault"),
    ],
)
def test_an_address_for_figures(refused: int | None, shown: bytes, verdict: str) -> None:
    assert judge_metrics("127.0.0.1:9000", refused, shown).verdict == verdict


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        (200, "ok", ""),
        (202, "ok", ""),
        (204, "ok", ""),
        (None, "fault", "start it"),
        (400, "warning", "next job"),
        (415, "warning", "next job"),
        (401, "warning", "OTEL_EXPORTER_OTLP_HEADERS"),
        (403, "warning", "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, "fault", "without /v1/traces"),
        (405, "fault", "without /v1/traces"),
        (503, "fault", ""),
    ],
)
def test_a_collector(status: int | None, verdict: str, words: str) -> None:
    found = judge_collector("http://host:4318", status)
    assert (found.verdict, words in found.advice) == (verdict, True), found


@pytest.mark.parametrize(
    ("changes", "verdict", "fixable", "words"),
    [
        ({}, "ok", False, "it can start"),
        ({"state": GONE}, "warning", True, "stack.json of a supervisor that has gone"),
        ({"servers": (7, 8)}, "fault", True, "(processes 7, 8)"),
        ({"state": GONE, "servers": (7,)}, "fault", True, "; stack.json of a supervisor"),
        ({"problem": "no temporal"}, "fault", False, "no temporal"),
        ({"is_owned": True}, "fault", False, "cannot be seen from here"),
        ({"is_owned": True, "state": GONE}, "fault", False, "cannot be seen from here"),
    ],
)
def test_what_is_left_of_an_embedded_stack(changes: dict[str, Any], verdict: str, fixable: bool, words: str) -> None:
    found = judge_stack(replace(Remains(Path("/h"), None, is_owned=False, servers=()), **changes))
    assert (found.verdict, found.fixable, words in found.seen) == (verdict, fixable, True), found


# --- the key ----------------------------------------------------------------------------------------------------------


def stored(by: Seal, published: Seal | None = None) -> Stored:
    handed = seal_for(by.public_key, {"a": 1})
    return Stored(published.public_key if published else None, (by.close({"a": 1}),), (handed,))


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        (Stored(), "ok"),
        (stored(SEAL, published=SEAL), "ok"),
        (stored(SEAL), "ok"),
        (stored(OTHER), "fault"),
        (stored(SEAL, published=OTHER), "fault"),
        (Stored(None, (), (seal_for(OTHER.public_key, {}),)), "fault"),
    ],
)
def test_a_key_opens_what_is_stored(holds: Stored, verdict: str) -> None:
    (found,) = judge_key(KeyFile(Path("/key"), 0o100600, SEAL), holds)
    assert (found.verdict, found.fixable) == (verdict, False)


@pytest.mark.parametrize(
    ("mode", "ours", "verdict", "fixable"),
    [
        (0o600, True, "ok", False),
        (0o400, True, "ok", False),
        (0o440, True, "warning", False),  # how an engine mounts it for a user of the group
        (0o640, True, "warning", False),
        (0o444, True, "warning", True),
        (0o444, False, "warning", False),
        (0o620, True, "fault", True),
        (0o602, True, "fault", True),
        (0o666, False, "fault", False),
    ],
)
def test_a_key_that_others_read_is_a_warning_and_one_that_they_write_a_fault(
    mode: int, ours: bool, verdict: str, fixable: bool
) -> None:
    (found,) = judge_key(KeyFile(Path("/key"), 0o100000 | mode, SEAL, ours), Stored())
    assert (found.verdict, found.fixable) == (verdict, fixable)
    assert bool(found.advice) == (verdict != "ok")


def test_a_file_without_a_key_is_not_closed() -> None:
    (found,) = judge_key(KeyFile(Path("/key"), 0o100644, SealError("no hex")), Stored())
    assert told(found) == [("fault", "no hex", False)]


@pytest.mark.parametrize(("seal", "holds"), [(SEAL, stored(OTHER)), (SealError("no hex"), Stored())])
def test_a_key_that_is_no_use_is_a_fault_only_where_one_is_needed(seal: Seal | SealError, holds: Stored) -> None:
    key = KeyFile(Path("/key"), 0o100600, seal)
    assert verdicts(judge_key(key, holds)) == ["fault"]
    (found,) = judge_key(replace(key, is_needed=False), holds)
    assert (found.verdict, "a Temporal worker cannot start here" in found.seen) == ("warning", True)
    assert found.advice.endswith("Clients need none")


def test_a_key_that_is_gone_is_a_fault_where_a_worker_needs_it() -> None:
    assert verdicts(judge_absent(Path("/key"), Stored(), embedded=True)) == ["ok"]
    assert verdicts(judge_absent(Path("/key"), stored(SEAL), embedded=True)) == ["fault"]
    assert verdicts(judge_absent(Path("/key"), stored(SEAL), embedded=False)) == ["warning"]


# --- the last line ----------------------------------------------------------------------------------------------------


def test_the_last_line_counts() -> None:
    found = [ok(""), ok(""), fault("", "", fixable=True), warning("", ""), warning("", ""), skipped("")]
    assert summary(found) == "1 fault, 2 warnings, 2 ok, 1 skipped; 1 can be mended: airbyte-workers doctor --fix"
    assert summary([ok("")]) == "0 faults, 1 ok"
    assert {each.verdict for each in found} == set(Verdict)
