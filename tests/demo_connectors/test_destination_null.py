"""destination-null: every state comes back at once with the right count, and nothing is kept."""

from typing import Any

import pytest
from connector_programs import Answer, Programs, catalog, line, record, state, status


def write(programs: Programs, stdin: bytes, configured: Any = None) -> Answer:
    return programs.run("destination-null", "write", config={}, catalog=configured or catalog(), stdin=stdin)


@pytest.mark.parametrize(("streams", "interleave"), [(1, False), (3, False), (3, True)])
def test_all_states_of_a_source_come_back_with_its_counts(programs: Programs, streams: int, interleave: bool):
    names = [f"stream_{number}" for number in range(streams)]
    config = {"streams": streams, "records": 5000, "state_every": 333, "interleave": interleave}
    read = programs.run("source-synthetic", "read", config=config, catalog=catalog(names))
    answer = write(programs, read.stdout, catalog(names))
    assert answer.exit_code == 0
    assert answer.of_type("STATE") == [
        {**body, "destinationStats": body["sourceStats"]} for body in read.of_type("STATE")
    ]


def test_unusual_lines_are_counted_all_the_same(programs: Programs):
    stdin = b"\n" + line({"record": {"data": {}, "stream": "stream_0"}, "type": "RECORD"})
    stdin += b' {"type": "RECORD", "record": {"stream": "stream_0", "data": {"a": 1}}}\r\n'
    stdin += b'{"type":"RECORD","record":{"emitted_at":1,"data":{"type":"STATE"},"stream":"stream_0"}}\n'
    stdin += record({"id": 1}) + b'{"state":{"data":{"n":1}},"type":"STATE"}\n' + record({"id": 2}) + state(2)
    answer = write(programs, stdin + status().strip())
    assert [body["destinationStats"]["recordCount"] for body in answer.of_type("STATE")] == [4, 1]
    assert answer.exit_code == 0


def test_namespaces_are_told_apart(programs: Programs):
    streams = [*catalog()["streams"], *catalog(namespace="shop")["streams"]]
    tail = b'{"type":"RECORD","record":{"stream":"stream_0","data":{},"emitted_at":1,"namespace":"shop"}}\n'
    head = b'{"type":"RECORD","record":{"namespace":"shop","stream":"stream_0","data":{},"emitted_at":1}}\n'
    shop = line(
        {
            "type": "STATE",
            "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "stream_0", "namespace": "shop"}}},
        }
    )
    stdin = record({}) + tail + head + state(1) + shop + status() + status(namespace="shop")
    answer = write(programs, stdin, {"streams": streams})
    assert [body["destinationStats"]["recordCount"] for body in answer.of_type("STATE")] == [1, 2]


@pytest.mark.parametrize("bad", [b"nonsense\n", record({"id": 1}, "other"), b""])
def test_bad_input_fails(programs: Programs, bad: bytes):
    answer = write(programs, record({"id": 1}) + state(1) + bad)
    assert answer.exit_code == 1
    assert answer.positions == [("stream_0", 1)]
    assert answer.error["message"]


def test_states_come_back_while_the_input_is_open(programs: Programs):
    with programs.started("destination-null", "write", config={}, catalog=catalog()) as destination:
        assert destination.stdin is not None
        assert destination.stdout is not None
        destination.stdin.write(record({"id": 1}) + state(1))
        destination.stdin.flush()
        assert b"STATE" in destination.stdout.readline()
