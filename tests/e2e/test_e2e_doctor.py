"""`airbyte-workers doctor` names each fault, and nothing else; what it says it can mend it mends, and no more."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from e2e_doctor_faults import (
    A_SIGN,
    AN_HOUR_AHEAD,
    NOBODY,
    PASSWORD,
    WITHOUT_RIGHTS,
    Fault,
    Site,
    Variables,
    a_database_after,
    a_folder_of_others,
    a_full_disk,
    a_key_with_mode,
    a_killed_supervisor,
    a_missing_bucket,
    a_mistyped_queue,
    a_namespace_without_attributes,
    a_namespace_without_workers,
    a_pod_that_is_logged,
    a_server_that_says_nothing,
    a_socket_of_others,
    an_address_in_use,
    an_empty_database,
    an_engine,
    another_key,
    closed_to_us,
    python_with,
    queues_that_are_full,
    queues_that_nobody_polls,
    secrets_for_everybody,
    storage_below_a_folder_of_others,
    told,
)
from e2e_stacks import running_stack
from e2e_support import PROGRAM, Ended, Place, kill_all, processes_of

from airbyte_workers.doctor.checks import CHECKS
from airbyte_workers.store.database import connected
from airbyte_workers.store.handed import hand_over

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
ENOUGH_DISK = {"AIRBYTE_WORKERS_DOCTOR_DISK_WARNING_BYTES": "1", "AIRBYTE_WORKERS_DOCTOR_DISK_FAULT_BYTES": "1"}
FOREIGN = {
    "workflows/__init__.py": "",
    "foreign-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n",
    "foreign-1.0.dist-info/RECORD": "workflows/__init__.py,,\nforeign-1.0.dist-info/METADATA,,\n",
}
OLD = {"Version": "24.0.3", "Components": [{"Name": "Engine"}]}
PODMAN = {"Version": "5.4.0", "Components": [{"Name": "Podman Engine"}]}

FAULTS = {
    "nobody at Temporal's address": Fault(
        "temporal", rf"cannot reach Temporal at {NOBODY}", told(TEMPORAL_ADDRESS=NOBODY)
    ),
    "a namespace that is not there": Fault(
        "namespace", "there is no namespace nowhere", told(TEMPORAL_NAMESPACE="nowhere")
    ),
    "search attributes that are gone": Fault(
        "search-attributes",
        "not registered: AirbyteConnection, AirbyteWorkspace",
        a_namespace_without_attributes,
        mended="registered AirbyteConnection",
        verdict="warning",
    ),
    "no Temporal worker": Fault("task-queues", "no Temporal worker polls any queue", a_namespace_without_workers),
    "queues without a Temporal worker": Fault(
        "task-queues", "nobody polls airbyte-discover, airbyte-sync, airbyte-watch", queues_that_nobody_polls
    ),
    "queues that are full": Fault(
        "task-queues", "airbyte-sync is full: .*\nairbyte-watch is full: ", queues_that_are_full, verdict="warning"
    ),
    "a run on a mistyped queue": Fault(
        "waiting-runs", r"1 run waits on the task queue airbytes, .*: sync/lost \(Sync\)", a_mistyped_queue
    ),
    "a version without workers": Fault(
        "worker-versions", "Temporal knows no deployment nobody", told(WORKER_DEPLOYMENT_NAME="nobody")
    ),
    "nobody at PostgreSQL's address": Fault(
        "postgresql",
        "cannot reach PostgreSQL .* connection refused",
        told(DATABASE_URL=f"postgresql://user:{PASSWORD}@{NOBODY}/name"),
    ),
    "a PostgreSQL that says nothing": Fault("postgresql", "no answer in time", a_server_that_says_nothing),
    "a database that is behind": Fault(
        "migrations", "missing: 0001 initial, ", an_empty_database, mended="applied 0001 initial, "
    ),
    "a database of older workers": Fault(
        "migrations",
        "missing: .*; Temporal workers of an older release are at work",
        a_database_after(f"{A_SIGN} delete from schema_migrations where version > 14"),
    ),
    "a database that is ahead": Fault(
        "migrations",
        "has migration 9999 .* was used by a newer airbyte-workers",
        a_database_after("insert into schema_migrations (version, name, checksum) values (9999, 'future', '')"),
    ),
    "a migration of another text": Fault(
        "migrations",
        "migration 3 .* was applied with another text",
        a_database_after("update schema_migrations set checksum = 'x' where version = 3"),
    ),
    "no engine": Fault("docker", "no engine's socket /no.sock", told(LAUNCHER="docker", DOCKER_HOST="unix:///no.sock")),
    "an engine's socket of others": Fault(
        "docker", "this user may not use /tmp/doctor-", a_socket_of_others, run_as=WITHOUT_RIGHTS
    ),
    "an engine with a known fault": Fault(
        "docker", r"24.0.3: .*moby#45898", an_engine(OLD, {"LiveRestoreEnabled": True, "LoggingDriver": "local"})
    ),
    "Podman": Fault("docker", "Podman 5.4.0 answers", an_engine(PODMAN, None)),
    "a full disk": Fault("disk", "are free on the disk of .*AIRBYTE_WORKERS_HOME", a_full_disk),
    "a clock that is wrong": Fault(
        "clock",
        "this host's clock is 3,[56][0-9.]+ s ahead of (PostgreSQL|Temporal)'s",
        python_with({"sitecustomize.py": AN_HOUR_AHEAD}),
    ),
    "a folder of pods that is not ours": Fault(
        "fifo", "no FIFO can be used in .*/pods: Permission denied", a_folder_of_others, run_as=WITHOUT_RIGHTS
    ),
    "a bucket that is not there": Fault("object-storage", "there is no such bucket", a_missing_bucket),
    "object storage in a folder of others": Fault(
        "object-storage",
        "storage cannot be made: .*/closed is not writable",
        storage_below_a_folder_of_others,
        run_as=WITHOUT_RIGHTS,
    ),
    "too few open files": Fault(
        "limits",
        "only 200 open files are allowed",
        told(MAX_SPEC_WORKERS="60"),
        run_as=("prlimit", "--nofile=200:200"),
    ),
    "fewer open files than there may be": Fault(
        "limits", "only 256 open files are allowed", told(), run_as=("prlimit", "--nofile=256:256"), verdict="warning"
    ),
    "a key that everybody writes": Fault(
        "secrets-key",
        "everybody.key has mode 0666: others than its owner may write it",
        a_key_with_mode(0o666, at_home=True),
        mended="took the others' rights",
    ),
    "a key that everybody reads": Fault(
        "secrets-key",
        "everybody.key has mode 0444: others than its owner may read it",
        a_key_with_mode(0o444, at_home=False),
        verdict="warning",
    ),
    "another key": Fault("secrets-key", "another.key does not open what the database holds", another_key),
    "secrets that everybody writes": Fault(
        "secrets-dir", "every user of this host may write .*/password", secrets_for_everybody
    ),
    "a foreign package": Fault(
        "packages", r"`workflows` is imported from .*/python/workflows, .*brought by foreign", python_with(FOREIGN)
    ),
    "an address that is in use": Fault("metrics-address", "is in use by another program", an_address_in_use),
    "nobody takes traces": Fault(
        "otlp", f"no collector answers at http://{NOBODY}", told(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{NOBODY}")
    ),
    "no time zones": Fault(
        "time-zones", "unknown: UTC, Europe/Berlin", python_with({"tzdata/__init__.py": ""}, PYTHONTZPATH="/nowhere")
    ),
    "servers of a supervisor that was killed": Fault(
        "embedded-stack",
        "servers that nobody looks after .*; stack.json of a supervisor that has gone",
        a_killed_supervisor,
        mended="ended [0-9]+ processes and removed .*stack.json",
    ),
}


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """A stack with nothing wrong, and something in its database that only its key opens."""
    shown = {"METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}
    for stack in running_stack(tmp_path_factory.mktemp("doctor"), installed, ENOUGH_DISK | shown):
        asyncio.run(_seal_something(str(stack.stack()["database_url"])))
        yield stack


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


async def _seal_something(url: str) -> None:
    async with connected(url, size=1, timeout=20) as db:
        await hand_over(db, {"password": PASSWORD})


@pytest.fixture
def site(well: Place, tmp_path: Path) -> Iterator[Site]:
    work, home, stack = tmp_path / "work", tmp_path / "home", well.stack()
    work.mkdir()
    home.mkdir(mode=0o700)
    variables = {
        "DATABASE_URL": str(stack["database_url"]),
        "TEMPORAL_ADDRESS": str(stack["temporal_address"]),
        "SECRETS_KEY_FILE": str(well.home / "secrets.key"),
        "SECRETS_DIR": str(tmp_path / "none"),
        "LAUNCHER": "process",
        "METRICS_ADDRESS": "",
    }
    yield Site(Place(work, home, well.variables | variables), well)
    try:
        assert processes_of(tmp_path) == []
    finally:
        kill_all(tmp_path)


def examined(site: Site, fault: Fault, variables: Variables, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and every finding; nobody's password stands in what is said."""
    program, *words = (*fault.run_as, PROGRAM, "doctor", "-o", "json", *options)
    with site.place.started(*words, program=program, **variables) as command:
        ended = command.ended(60)
    assert PASSWORD not in ended.out + ended.err
    assert site.database not in ended.out + ended.err
    return ended.code, json.loads(ended.out)


def faults_of(findings: Sequence[dict[str, Any]]) -> set[str]:
    return {each["check"] for each in findings if each["verdict"] == "fault"}


def said_by(findings: Sequence[dict[str, Any]], check: str) -> str:
    return "\n".join(each["seen"] for each in findings if each["check"] == check)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named_and_mended_where_that_is_promised(site: Site, fault: Fault) -> None:
    with fault.inject(site) as variables:
        code, findings = examined(site, fault, variables)
        faults = {fault.check} if fault.verdict == "fault" else set()
        assert (code, faults_of(findings)) == (len(faults), faults), findings
        named = [each for each in findings if each["check"] == fault.check and each["verdict"] == fault.verdict]
        assert re.search(fault.seen, said_by(named, fault.check)), findings
        assert any(each["fixable"] for each in findings) == bool(fault.mended), findings
        assert all(each["advice"] for each in findings if each["verdict"] in ("warning", "fault"))
        if fault.mended:
            code, findings = examined(site, fault, variables, "--fix")
            assert (code, faults_of(findings)) == (0, set()), findings
            assert not re.search(fault.seen, said_by(findings, fault.check)), findings
            assert any(re.search(fault.mended, each["done"]) for each in findings if each["check"] == fault.check)


@pytest.mark.docker
def test_a_pod_that_the_engine_logs_is_named(site: Site) -> None:
    fault = Fault("log-driver", "the engine logs the output of containers of pods: doctor-", a_pod_that_is_logged)
    test_each_fault_is_named_and_mended_where_that_is_promised(site, fault)


def test_a_stack_that_is_well_has_no_fault(well: Place) -> None:
    ended = well.run("doctor")
    assert (ended.code, ended.err) == (0, ""), ended
    assert "\x1b" not in ended.out
    *lines, last = ended.out.splitlines()
    shown = [line.split()[1] for line in lines if not line.startswith(" ")]
    assert list(dict.fromkeys(shown)) == [check.name for check in CHECKS]
    assert last.startswith("0 faults")
    assert f"a Temporal worker shows its figures at {well.variables['METRICS_ADDRESS']}" in ended.out


def test_a_key_that_opens_nothing_is_left_as_it_is(site: Site) -> None:
    """The one key that fits may still be found: nothing is written in its place."""
    with another_key(site) as variables:
        key = Path(variables["SECRETS_KEY_FILE"]).rename(site.place.home / "another.key")
        key.chmod(0o646)
        before = key.read_bytes()
        code, findings = examined(site, FAULTS["another key"], {"SECRETS_KEY_FILE": str(key)}, "--fix")
        assert (code, faults_of(findings)) == (1, {"secrets-key"})
        assert (stat.S_IMODE(key.stat().st_mode), key.read_bytes()) == (0o640, before)


def test_a_key_that_somebody_else_set_up_keeps_its_mode(site: Site) -> None:
    """A worker in a container reads its mounted key by these rights."""
    with a_key_with_mode(0o666, at_home=False)(site) as variables:
        code, findings = examined(site, FAULTS["a key that everybody writes"], variables, "--fix")
        assert (code, faults_of(findings)) == (1, {"secrets-key"})
        assert stat.S_IMODE(Path(variables["SECRETS_KEY_FILE"]).stat().st_mode) == 0o666


def test_a_client_may_have_the_key_of_an_embedded_stack_of_its_own(site: Site) -> None:
    with another_key(site) as variables:
        Path(variables["SECRETS_KEY_FILE"]).rename(site.place.home / "secrets.key")
    client = {"SECRETS_KEY_FILE": "", "AIRBYTE_WORKERS_DATAPLANE": "laptop"}
    code, findings = examined(site, FAULTS["another key"], client)
    assert (code, faults_of(findings)) == (0, set()), findings
    assert "a Temporal worker cannot start here" in said_by(findings, "secrets-key")


def test_a_key_that_is_gone_is_not_made_anew(site: Site) -> None:
    gone = site.work / "gone.key"
    code, findings = examined(site, FAULTS["another key"], {"SECRETS_KEY_FILE": str(gone)}, "--fix")
    assert (code, gone.exists()) == (0, False)  # clients need none
    assert "there is no key file" in said_by(findings, "secrets-key")


def test_without_any_stack_it_looks_at_this_host_and_makes_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "home", {"LAUNCHER": "process", **ENOUGH_DISK})
    for options in ((), ("--fix",)):
        ended: Ended = place.run("doctor", *options)
        assert ended.code == 0, ended
        assert f"it can start in {tmp_path}/home" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_home_below_a_folder_of_others_is_judged_by_every_check(tmp_path: Path) -> None:
    with closed_to_us(tmp_path / "closed") as closed:
        place = Place(tmp_path, closed / "home", {"LAUNCHER": "process", **ENOUGH_DISK})
        program, *words = (*WITHOUT_RIGHTS, PROGRAM, "doctor", "-o", "json")
        with place.started(*words, program=program) as command:
            findings = json.loads(command.ended(60).out)
    assert [each for each in findings if "could not be looked at" in each["seen"]] == []
    assert faults_of(findings) == {"embedded-stack", "fifo", "object-storage", "secrets-key"}


def test_what_cannot_be_used_is_bad_usage(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "home")
    assert place.run("doctor", "--mend").code == 2
    assert place.run("doctor", AIRBYTE_WORKERS_DOCTOR_TIMEOUT_S="-1").code == 2
