"""source-synthetic: what it reads, in which order, and how it ends."""

import signal
from typing import Any

import pytest
from connector_programs import Answer, Programs, catalog


def read(programs: Programs, config: dict[str, Any], state: Any = None, **how: Any) -> Answer:
    names = how.pop("names", ["stream_0"])
    return programs.run("source-synthetic", "read", config=config, catalog=catalog(names, **how), state=state)


def stream_state(position: int, name: str = "stream_0") -> list[dict[str, Any]]:
    body = {"stream_descriptor": {"name": name}, "stream_state": {"next": position}}
    return [{"type": "STREAM", "stream": body}]


def test_a_stream_is_started_read_stated_and_completed(programs: Programs):
    answer = read(programs, {"records": 5, "state_every": 2})
    assert answer.exit_code == 0
    assert answer.ids == [0, 1, 2, 3, 4]
    assert answer.positions == [("stream_0", 2), ("stream_0", 4), ("stream_0", 5)]
    assert [state["sourceStats"]["recordCount"] for state in answer.of_type("STATE")] == [2, 2, 1]
    assert [word for _, word in answer.statuses] == ["STARTED", "RUNNING", "COMPLETE"]


@pytest.mark.parametrize(("records", "size"), [(2500, 100), (250, 1000), (25, 20_000), (3, 300_000), (12, 0)])
def test_ids_have_no_gap_at_any_record_size(programs: Programs, records: int, size: int):
    answer = read(programs, {"records": records, "record_bytes": size, "state_every": 7})
    assert answer.ids == list(range(records))
    if size:
        assert abs(len(answer.lines[-3]) - size) < 120


def test_the_same_seed_gives_the_same_data_and_another_seed_does_not(programs: Programs):
    def data(config: dict[str, Any]) -> list[Any]:
        return [record["data"] for record in read(programs, config).of_type("RECORD")]

    assert data({"records": 1200}) == data({"records": 1200, "state_every": 11})
    assert data({"records": 5}) != data({"records": 5, "seed": 1})


def test_an_incremental_read_goes_on_from_the_state(programs: Programs):
    answer = read(programs, {"records": 1005}, stream_state(998))
    assert answer.ids == list(range(998, 1005))
    assert answer.positions == [("stream_0", 1005)]


def test_nothing_new_is_one_state_and_no_record(programs: Programs):
    answer = read(programs, {"records": 5}, stream_state(5))
    assert answer.ids == []
    assert answer.positions == [("stream_0", 5)]
    assert answer.statuses == [("stream_0", "STARTED"), ("stream_0", "COMPLETE")]


def test_a_full_refresh_ignores_the_state_unless_it_is_resumable(programs: Programs):
    assert len(read(programs, {"records": 5}, stream_state(3), sync_mode="full_refresh").ids) == 5
    resumable = {"records": 5, "resumable_full_refresh": True}
    assert len(read(programs, resumable, stream_state(3), sync_mode="full_refresh").ids) == 2


@pytest.mark.parametrize("state_type", ["STREAM", "GLOBAL", "LEGACY"])
def test_every_state_type_can_be_resumed(programs: Programs, state_type: str):
    config = {"streams": 2, "records": 5, "state_type": state_type}
    names = ["stream_0", "stream_1"]
    states = read(programs, config, names=names).of_type("STATE")
    given = [state for state in states if state_type == "STREAM"] or [states[-1]]
    answer = read(programs, {**config, "records": 6}, given, names=names)
    assert answer.ids == [5, 5]
    assert {state["type"] for state in answer.of_type("STATE")} == {state_type}


def test_a_legacy_state_may_come_without_its_envelope(programs: Programs):
    assert read(programs, {"records": 5}, {"stream_0": {"next": 4}}).ids == [4]


def test_a_foreign_state_is_a_config_error(programs: Programs):
    answer = read(programs, {}, [{"type": "STREAM", "stream": {}}])
    assert answer.exit_code == 1
    assert answer.error["failure_type"] == "config_error"


def test_a_stream_that_does_not_exist_is_a_config_error(programs: Programs):
    answer = read(programs, {}, names=["other"])
    assert answer.exit_code == 1
    assert "other" in answer.error["message"]


def test_interleaved_streams_take_turns(programs: Programs):
    config = {"streams": 2, "records": 5, "state_every": 2, "interleave": True}
    answer = read(programs, config, names=["stream_0", "stream_1"])
    assert [name for name, _ in answer.positions] == ["stream_0", "stream_1"] * 3
    assert answer.statuses[-2:] == [("stream_0", "COMPLETE"), ("stream_1", "COMPLETE")]


def test_one_state_at_the_end_when_state_every_is_0(programs: Programs):
    assert read(programs, {"records": 3000, "state_every": 0}).positions == [("stream_0", 3000)]
    interleaved = {"records": 300, "state_every": 0, "interleave": True}
    assert read(programs, interleaved).positions == [("stream_0", 300)]


def test_statuses_and_states_can_be_left_out(programs: Programs):
    answer = read(programs, {"records": 3, "statuses": False, "send_state": False})
    assert {message["type"] for message in answer.messages} == {"RECORD"}


def test_a_namespace_goes_with_every_message(programs: Programs):
    answer = read(programs, {"records": 1, "namespace": "shop"}, namespace="shop")
    assert answer.of_type("RECORD")[0]["namespace"] == "shop"
    assert answer.of_type("STATE")[0]["stream"]["stream_descriptor"] == {"name": "stream_0", "namespace": "shop"}


def test_a_crash_comes_after_exactly_so_many_records(programs: Programs):
    config = {"streams": 2, "records": 10, "crash_after": 14, "crash_exit_code": 7, "crash_message": "out of luck"}
    answer = read(programs, config, names=["stream_0", "stream_1"])
    assert answer.exit_code == 7
    assert len(answer.ids) == 14
    assert answer.error["message"] == "out of luck"


def test_a_crash_happens_once_when_a_file_remembers_it(programs: Programs):
    config = {"records": 10, "crash_after": 4, "crash_once_file": "crashed"}
    assert read(programs, config).exit_code == 1
    assert read(programs, config).exit_code == 0


@pytest.mark.parametrize("pause_ms", [60_000, 0])
def test_sigterm_ends_the_source_at_once(programs: Programs, pause_ms: int):
    config = {"records": 50_000_000, "delay_ms": pause_ms}
    with programs.started("source-synthetic", "read", config=config, catalog=catalog()) as source:
        assert source.stdout is not None
        source.stdout.readline()
        source.send_signal(signal.SIGTERM)
        assert source.wait(20) == 143


def test_a_reader_that_goes_away_ends_the_source_without_a_traceback(programs: Programs):
    config = {"records": 1_000_000}
    with programs.started("source-synthetic", "read", config=config, catalog=catalog()) as source:
        assert source.stdout is not None
        source.stdout.close()
        assert source.wait(20) == 1
