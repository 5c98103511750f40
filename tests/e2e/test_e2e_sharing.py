"""The embedded stack under several commands at once: shared, brought back when its owner is killed, gone afterwards."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e_support import QUICK, Place, processes_of, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]


def content(place: Place, name: str, **source: Any) -> dict[str, Any]:
    slow = {"records": 4000, "state_every": 100, "delay_ms": 150} | source
    return place.described(name, **slow) | {"destination": place.jsonl(path=str(place.work / name))}


def servers(place: Place) -> set[int]:
    """Temporal servers and postmasters of the home."""
    found = set()
    for process in processes_of(place.home):
        with suppress(psutil.NoSuchProcess):  # one that ends meanwhile, like a process PostgreSQL starts for a while
            if process.name() == "temporal" or (process.name() == "postgres" and "-D" in process.cmdline()):
                found.add(process.pid)
    return found


def test_two_at_once_share_one_stack_and_a_third_survives_its_owner(alone: Place) -> None:
    files = [str(alone.write(content(alone, name))) for name in ("one", "two")]
    with ExitStack() as running:
        one, two = (running.enter_context(alone.started("sync", "-f", each, "-o", "json")) for each in files)
        for name in ("one", "two"):
            until((alone.work / name / "stream_0.jsonl").exists, f"records of {name}")
        owner = alone.stack()["owner"]["pid"]
        assert len(servers(alone)) == 2
        os.kill(owner, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(owner), "the end of the owner")
        three = alone.sync(content(alone, "three", delay_ms=0))
        assert three.code == 0, three.err
        assert three.report["records_committed"] == 4000
        assert alone.stack().get("owner", {}).get("pid") != owner
        for each in (one, two):
            ended = each.ended()
            assert ended.code == 0, ended.err
            assert ended.report["records_committed"] == 4000
            assert len(ended.report["attempts"]) == 1, "a lost supervisor is no attempt of the job"
    assert processes_of(alone.home) == []


def test_a_detached_sync_keeps_the_stack_until_it_has_ended(alone: Place) -> None:
    left = alone.run("sync", "-f", str(alone.write(content(alone, "left", delay_ms=50))), "--detach")
    assert left.code == 0
    assert servers(alone)
    until(lambda: not processes_of(alone.home), "the stack's own end")
    (line,) = alone.jobs()
    assert (line["status"], line["records_committed"]) == ("succeeded", 4000)


def test_two_stacks_on_one_machine_leave_each_other_alone(alone: Place, tmp_path: Path) -> None:
    """Both have a job 1, whose pods have the same name."""
    other = Place(tmp_path / "other-work", tmp_path / "other-home", QUICK)
    other.work.mkdir()
    with alone.started("sync", "-f", str(alone.write(content(alone, "same"))), "-o", "json") as sync:
        until((alone.work / "same" / "stream_0.jsonl").exists, "records")
        neighbour = other.sync(content(other, "same", delay_ms=0))
        assert (neighbour.code, neighbour.report["job_id"]) == (0, 1)
        ended = sync.ended()
    assert (ended.code, ended.report["job_id"], len(ended.report["attempts"])) == (0, 1, 1), ended.report


def test_local_stops_with_everything(alone: Place) -> None:
    with alone.on_terminal("local") as local:
        local.until_said("ready; Ctrl-C stops it")
        assert alone.sync(content(alone, "local", delay_ms=0)).code == 0
        assert len(servers(alone)) == 2
        local.type("\x03")
        ended = local.ended()
    assert ended.code == 0, ended.out
    assert "Traceback" not in ended.out
    assert processes_of(alone.home) == []


def test_a_database_that_is_not_migrated(alone: Place) -> None:
    """The stack's own servers are migrated when its workers start, so this one is asked of an empty database."""
    with alone.local():
        url = alone.stack()["database_url"].replace("/airbyte_workers?", "/postgres?")
        elsewhere = {"DATABASE_URL": url}
        missing = alone.run("db", "migrate", "--check", **elsewhere)
        assert missing.code == 1
        assert missing.out.startswith("missing 0001 ")
        refused = alone.run("jobs", "list", **elsewhere)
        assert (refused.code, "db migrate" in refused.error) == (1, True)
        applied = alone.run("db", "migrate", **elsewhere)
        assert (applied.code, applied.out.count("applied ")) == (0, missing.out.count("missing "))
        assert alone.run("db", "migrate", "--check", **elsewhere).code == 0


def test_addresses_where_nobody_answers(alone: Place) -> None:
    nowhere = {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    file = str(alone.write(content(alone, "nowhere")))
    for words in (("jobs", "list", "-o", "json"), ("sync", "-f", file, "-o", "json"), ("db", "migrate")):
        ended = alone.run(*words, **nowhere)
        assert ended.code == 1, words
        assert "Traceback" not in ended.err
        said = ended.report["error"]["message"] if "-o" in words else ended.error
        assert "DATABASE_URL" in said or "TEMPORAL_ADDRESS" in said
        assert "x@" not in said
