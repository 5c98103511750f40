"""Clear and refresh through the real stack: what the destination is told, what it keeps, what state is left.

The destination notes the catalog of every write; conformance group E is the table of what it must have seen.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from e2e_scripted import Scripted
from e2e_support import Place

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
RECORDS = 30


@dataclass(frozen=True)
class Two(Scripted):
    """A connection of two streams, a and b, whose destination notes what it is told."""

    def described(self, records: int = RECORDS, *, supports_refreshes: bool = True, **options: Any) -> dict[str, Any]:
        source = {"streams": ["a", "b"], "namespace": "ns", "records": records, "state_every": 10}
        written = {
            "writes": options.pop("writes", "S"),
            "notes": str(self.place.work / f"{self.name}.notes"),
            "path": str(self.out),
        }
        chosen = {"sync_mode": "incremental", "destination_sync_mode": "append"}
        return {
            "connection": self.name,
            "source": self.place.source(**source | options),
            "destination": {
                "command": [sys.executable, "-m", "demo_connectors.scripted_destination"],
                "config": written,
                "supports_refreshes": supports_refreshes,
            },
            "streams": [{"name": name, "namespace": "ns"} | chosen for name in "ab"],
        }

    def begin(self, **options: Any) -> None:
        ended = self.place.sync(self.described(**options))
        assert ended.code == 0, ended.err

    def do(self, *words: str) -> dict[str, Any]:
        ended = self.place.run(*words, "-o", "json")
        assert ended.code == 0, ended.err
        return ended.report

    def told(self) -> dict[str, tuple[Any, ...]]:  # type: ignore[override]  # of the last write, by stream
        streams = self.notes("write", by="destination")[-1]["streams"]
        fields = ("generation_id", "minimum_generation_id", "sync_id", "sync_mode", "destination_sync_mode")
        return {each["key"]["name"]: tuple(each[field] for field in fields) for each in streams}

    def generations(self) -> dict[str, tuple[int, int]]:
        return {name: (seen[0], seen[1]) for name, seen in self.told().items()}

    def ids(self, stream: str = "a") -> list[int]:
        file = self.out / "ns" / f"{stream}.jsonl"
        if not file.exists():
            file = self.out / f"ns.{stream}.jsonl"
        return [json.loads(line)["id"] for line in file.read_bytes().splitlines()] if file.exists() else []

    def kept(self) -> dict[str, int]:
        """Where the next read of each stream begins, as far as a state says."""
        query = """
            select type, stream, state from states join connections on connections.id = connection_id where name = $1
        """
        found: dict[str, int] = {}
        for row in self.rows(query, self.name):
            state = json.loads(row["state"])
            if row["type"] == "STREAM":
                found[row["stream"]] = state["stream"]["stream_state"]["next"]
            elif row["type"] == "GLOBAL":
                each = state["global"]["stream_states"]
                found |= {one["stream_descriptor"]["name"]: one["stream_state"]["next"] for one in each}
            else:
                found |= {name: blob["next"] for name, blob in state.items()}
        return found


def test_every_write_is_told_the_generations_of_group_e(place: Place) -> None:
    two = Two(place, "group-e")
    two.begin()
    assert two.generations() == {"a": (0, 0), "b": (0, 0)}, "E1: nothing ever began anew"
    for words, expected in (
        (("refresh", two.name, "--truncate"), {"a": (1, 1), "b": (1, 1)}),  # E2, E8
        (("refresh", two.name, "--truncate", "--stream", "b"), {"a": (1, 0), "b": (2, 2)}),  # E3, E7
        (("refresh", two.name, "--merge", "--stream", "ns.a"), {"a": (2, 0), "b": (2, 0)}),  # E4
        (("clear", two.name, "--stream", "a"), {"a": (3, 3), "b": (2, 0)}),
        (("sync", two.name), {"a": (3, 0), "b": (2, 0)}),
        (("reset", two.name), {"a": (4, 4), "b": (3, 3)}),
    ):
        report = two.do(*words)
        assert two.generations() == expected, words
        assert {seen[2] for seen in two.told().values()} == {report["job_id"]}, "sync_id is the job's number"


def test_a_clear_of_one_of_two_streams_leaves_the_other_as_it_is(place: Place) -> None:
    two = Two(place, "clear-one")
    two.begin()
    report = two.do("clear", two.name, "--stream", "a")
    assert (report["kind"], report["status"], report["records_committed"]) == ("clear", "succeeded", 0)
    assert [(each["name"], each["status"]) for each in report["streams"]] == [("a", "complete")]
    assert two.kept() == {"b": RECORDS}
    assert two.ids("a") == []
    assert two.ids("b") == list(range(RECORDS))
    shown = place.run("jobs", "show", str(report["job_id"])).out
    assert "1 attempt, 1 stream cleared" in shown
    assert "clear: ns.a" in shown
    again = two.do("sync", two.name)
    assert again["records_committed"] == RECORDS
    assert two.ids("a") == two.ids("b") == list(range(RECORDS))
    assert two.kept() == {"a": RECORDS, "b": RECORDS}


@pytest.mark.parametrize("supports", [True, False])
def test_a_clear_of_all_leaves_nothing_and_the_next_sync_reads_everything(place: Place, *, supports: bool) -> None:
    two = Two(place, f"clear-all-{supports}")
    two.begin(supports_refreshes=supports)
    two.do("clear", two.name)
    modes = {"append"} if supports else {"overwrite"}
    assert {seen[4] for seen in two.told().values()} == modes
    assert two.kept() == {}
    assert two.ids("a") == two.ids("b") == []
    assert two.do("sync", two.name)["records_committed"] == 2 * RECORDS
    assert two.ids("a") == list(range(RECORDS))


@pytest.mark.parametrize(("kind", "left"), [("GLOBAL", {"b": RECORDS}), ("STREAM", {"b": RECORDS})])
def test_every_type_of_state_can_be_cleared_in_part_but_legacy(place: Place, kind: str, left: dict[str, int]) -> None:
    two = Two(place, f"clear-part-{kind.lower()}")
    two.begin(state_type=kind)
    two.do("clear", two.name, "--stream", "a")
    assert two.kept() == left
    assert two.do("sync", two.name)["records_committed"] == RECORDS
    two.do("clear", two.name)
    assert two.kept() == {}


def test_a_legacy_state_is_cleared_whole_or_not_at_all(place: Place) -> None:
    two = Two(place, "clear-legacy")
    two.begin(state_type="LEGACY")
    refused = place.run("clear", two.name, "--stream", "a")
    assert refused.code == 2
    assert "has one state for all of its streams (LEGACY): name no stream" in refused.error
    two.do("clear", two.name)
    assert two.kept() == {}
    assert two.do("sync", two.name)["records_committed"] == 2 * RECORDS


def test_a_refresh_reads_again_and_keeps_or_replaces(place: Place) -> None:
    two = Two(place, "refresh-modes")
    two.begin()
    merged = two.do("refresh", two.name, "--stream", "a")
    assert (merged["kind"], merged["records_committed"]) == ("refresh", RECORDS)
    assert sorted(two.ids("a")) == sorted([*range(RECORDS)] * 2)
    assert two.ids("b") == list(range(RECORDS))
    two.do("refresh", two.name, "--truncate", "--stream", "a")
    assert two.ids("a") == list(range(RECORDS))
    assert two.kept() == {"a": RECORDS, "b": RECORDS}


def test_a_refresh_that_fails_goes_on_where_it_was(place: Place) -> None:
    """Its streams begin anew with the first attempt alone."""
    two = Two(place, "refresh-fails")
    once = str(place.work / "crashed-once")
    two.begin(crash_after=15, crash_once_file=once, records=0)
    crashing = two.described(crash_after=15, crash_once_file=once)
    assert place.sync(crashing, "--retries", "0").code == 1
    (place.work / "crashed-once").unlink()
    report = two.do("refresh", two.name, "--truncate", "--stream", "a")
    assert [each["status"] for each in report["attempts"]] == ["failed", "succeeded"]
    assert two.generations() == {"a": (1, 1), "b": (0, 0)}
    assert two.ids("a") == two.ids("b") == list(range(RECORDS))


REFUSALS = (
    (("clear", "nobody"), 2, "there is no connection nobody"),
    (("clear", "clear-refused", "--stream", "aa"), 2, "connection clear-refused does not sync a stream aa"),
    (("refresh", "clear-refused", "--truncate"), 2, "is not known to support refreshes"),
    (("refresh", "clear-refused"), 2, "clear the streams and sync again"),
    (("clear", "no name"), 2, "connection"),
)


def test_what_cannot_be_done_is_said_at_once_and_opens_no_job(place: Place) -> None:
    two = Two(place, "clear-refused")
    two.begin(supports_refreshes=False)
    for words, code, told in REFUSALS:
        ended = place.run(*words)
        assert (ended.code, told in ended.error) == (code, True), (words, ended.err)
    assert len(place.jobs("--connection", two.name)) == 1


def test_a_clear_has_the_lock_of_its_connection_and_can_be_cancelled(place: Place) -> None:
    """The destination waits in its second write. What a cancelled clear forgot is read again by the next sync."""
    two = Two(place, "clear-cancelled")
    two.begin(writes="SWS")
    with place.started("clear", two.name, "--stream", "a") as clearing:
        clearing.until_said("attempt 1 is running")
        for words in (("sync", two.name), ("clear", two.name), ("refresh", two.name)):
            busy = place.run(*words)
            assert busy.code == 2
            assert f"connection {two.name} is already syncing" in busy.error
            assert ("--join" in busy.error) == (words[0] == "sync")
        clearing.interrupt()
        ended = clearing.ended()
    assert ended.code == 3, ended.err
    assert "cancelled by" in ended.out
    assert two.kept() == {"b": RECORDS}
    assert two.do("sync", two.name)["records_committed"] == RECORDS
    assert two.kept() == {"a": RECORDS, "b": RECORDS}


@pytest.mark.docker
def test_a_clear_in_containers_has_no_source(docker_place: Place, request: pytest.FixtureRequest) -> None:
    name = f"clear-docker-{'own' if 'container' in request.node.name else 'host'}"
    content = {
        "connection": name,
        "source": docker_place.source("docker", records=RECORDS),
        "destination": docker_place.jsonl("docker"),
        "streams": [{"name": "stream_0", "sync_mode": "incremental", "destination_sync_mode": "append"}],
        "launcher": "docker",
        "local_root": str(docker_place.work),
    }
    assert docker_place.sync(content).code == 0
    assert docker_place.ids("stream_0") == list(range(RECORDS))
    ended = docker_place.run("clear", name, "--launcher", "docker", "-o", "json")
    assert ended.code == 0, ended.err
    assert docker_place.ids("stream_0") == []
    assert "waiting for the destination" in docker_place.log(ended.report["job_id"])
    assert docker_place.run("sync", name, "-o", "json").report["records_committed"] == RECORDS
