"""The scripted connectors do what their script says, and note it; a test of attempts can rely on them."""

import json
import signal
import subprocess
import time
from typing import Any

import jsonschema
import pytest
from connector_programs import MODULES, Answer, Programs, catalog, record, state, status

SOURCE, DESTINATION = "source-scripted", "destination-scripted"


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, SOURCE, ["demo_connectors.scripted_source"])
    monkeypatch.setitem(MODULES, DESTINATION, ["demo_connectors.scripted_destination"])


def config(name: str, **more: Any) -> dict[str, Any]:
    needed = {"path": "out"} if name == DESTINATION else {}
    return {"notes": "notes", **needed, **more}


def read(programs: Programs, script: str, given: list[dict[str, Any]] | None = None, **more: Any) -> Answer:
    asked = config(SOURCE, reads=script, records=25, **more)
    return programs.run(SOURCE, "read", config=asked, catalog=catalog(), state=given)


def resumed(answer: Answer) -> list[dict[str, Any]]:
    """The states that the answer ended with, as the next read is given them."""
    return answer.of_type("STATE")[-1:]


def notes(programs: Programs) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (programs.folder / "notes").read_text().splitlines()]


@pytest.mark.parametrize("name", [SOURCE, DESTINATION])
def test_spec_is_a_valid_schema_that_takes_a_script(programs: Programs, name: str) -> None:
    [spec] = programs.run(name, "spec").of_type("SPEC")
    schema = jsonschema.Draft7Validator(spec["connectionSpecification"])
    jsonschema.Draft7Validator.check_schema(schema.schema)
    assert schema.is_valid(config(name, checks="SFXW"))
    assert not schema.is_valid(config(name, checks="Q"))
    assert not schema.is_valid(config(name, checks=""))


def test_discover_finds_the_streams(programs: Programs) -> None:
    [found] = programs.run(SOURCE, "discover", config=config(SOURCE, streams=["a", "b"])).of_type("CATALOG")
    assert [stream["name"] for stream in found["streams"]] == ["a", "b"]


def test_a_script_letter_by_letter(programs: Programs) -> None:
    answers: list[Answer] = []
    for _ in "CPPS":
        given = next((resumed(each) for each in reversed(answers) if each.positions), [])
        answers.append(read(programs, "CPPS", given))
    assert [answer.exit_code for answer in answers] == [1, 1, 1, 0]
    assert [answer.ids for answer in answers] == [[], [*range(10)], [*range(10, 20)], [*range(20, 25)]]
    assert [answer.positions for answer in answers] == [[], *([("stream_0", at)] for at in (10, 20, 25))]
    assert answers[0].error["message"] == "as scripted: read 1 is a C"
    assert answers[2].error["message"] == "as scripted: read 3 is a P"
    assert answers[3].statuses[-1] == ("stream_0", "COMPLETE")
    assert ("stream_0", "COMPLETE") not in [each for answer in answers[:3] for each in answer.statuses]


def test_a_part_ends_with_its_state_and_then_says_why_it_fails(programs: Programs) -> None:
    kinds = [message["type"] for message in read(programs, "P").messages]
    assert kinds[-2:] == ["STATE", "TRACE"]


def test_every_read_notes_the_state_that_it_was_given(programs: Programs) -> None:
    first = read(programs, "PS")
    read(programs, "PS", resumed(first))
    reads = [line for line in notes(programs) if line["event"] == "read"]
    assert [(line["number"], line["letter"], line["by"]) for line in reads] == [(1, "P", "source"), (2, "S", "source")]
    assert [line["state"] for line in reads] == [None, resumed(first)]


def test_the_last_letter_goes_on(programs: Programs) -> None:
    assert [read(programs, "SC").exit_code for _ in range(3)] == [0, 1, 1]


def test_a_read_may_send_many_states(programs: Programs) -> None:
    answer = read(programs, "S", state_every=10)
    assert answer.positions == [("stream_0", 10), ("stream_0", 20), ("stream_0", 25)]
    assert [message["type"] for message in answer.messages].index("STATE") == 2 + 10


def test_a_read_that_waits_has_sent_its_part_and_notes_its_sigterm(programs: Programs) -> None:
    files = {"config": config(SOURCE, reads="W", records=25), "catalog": catalog()}
    with programs.started(SOURCE, "read", **files) as source:
        wait_for(programs, "read sent")
        source.send_signal(signal.SIGTERM)
        out, _ = source.communicate(timeout=20)
    sent = Answer(source.returncode, out, "")
    assert (sent.exit_code, sent.ids, sent.positions) == (143, [*range(10)], [("stream_0", 10)])
    assert [line["event"] for line in notes(programs)] == ["read", "read sent", "SIGTERM"]


def test_a_read_that_waits_for_its_quota_says_until_when(programs: Programs) -> None:
    before = time.time_ns() // 1_000_000
    answer = read(programs, "C", quota_reset_in_ms=3000)
    note, _ = notes(programs)
    assert note["quota_reset_ms"] >= before + 3000
    [trace] = [trace["stream_status"] for trace in answer.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
    limit = {"type": "RATE_LIMITED", "rate_limited": {"quota_reset": note["quota_reset_ms"]}}
    assert (answer.exit_code, trace["status"], trace["reasons"]) == (1, "RUNNING", [limit])


@pytest.mark.parametrize("name", [SOURCE, DESTINATION])
def test_checks_succeed_fail_and_crash_as_scripted(programs: Programs, name: str) -> None:
    asked = config(name, checks="SFXS")
    answers = [programs.run(name, "check", config=asked) for _ in "SFXS"]
    said = [answer.of_type("CONNECTION_STATUS") for answer in answers]
    by = name.partition("-")[0]
    failed = {"status": "FAILED", "message": f"as scripted: check 2 of the {by} fails"}
    assert said == [[{"status": "SUCCEEDED"}], [failed], [], [{"status": "SUCCEEDED"}]]
    assert [answer.exit_code for answer in answers] == [0, 0, 1, 0]
    assert [(line["by"], line["event"], line["letter"]) for line in notes(programs)] == [
        (by, "check", letter) for letter in "SFXS"
    ]


@pytest.mark.parametrize("name", [SOURCE, DESTINATION])
def test_a_check_that_waits_notes_its_sigterm(programs: Programs, name: str) -> None:
    with programs.started(name, "check", config=config(name, checks="W")) as checking:
        wait_for(programs, "check")
        end(checking)
    assert [line["event"] for line in notes(programs)] == ["check", "SIGTERM"]


def test_source_and_destination_share_their_notes_and_count_for_themselves(programs: Programs) -> None:
    for name in (SOURCE, DESTINATION):
        programs.run(name, "check", config=config(name))
    assert [(line["by"], line["number"]) for line in notes(programs)] == [("source", 1), ("destination", 1)]


def test_the_destination_writes_as_destination_jsonl_does(programs: Programs) -> None:
    lines = record({"id": 1}) + state(1, id=7) + status()
    answer = programs.run(DESTINATION, "write", config=config(DESTINATION), catalog=catalog(), stdin=lines)
    assert (answer.exit_code, answer.positions, programs.row_ids()) == (0, [("stream_0", 1)], [1])


def test_the_destination_notes_its_sigterm(programs: Programs) -> None:
    asked = config(DESTINATION, hang_at_end=True)
    with programs.started(DESTINATION, "write", config=asked, catalog=catalog()) as writing:
        wait_for(programs, "write")
        end(writing)
    assert [line["event"] for line in notes(programs)] == ["write", "SIGTERM"]


def wait_for(programs: Programs, event: str) -> None:
    """The notes have this."""
    deadline = time.monotonic() + 20
    while not (programs.folder / "notes").exists() or event not in [line["event"] for line in notes(programs)]:
        assert time.monotonic() < deadline, f"{event} was not noted"
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
