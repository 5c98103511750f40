"""What differs between two sets of committed states, and how people read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airbyte_workers.cli.state_words import LONGEST_VALUE, as_json, difference_json, lines
from airbyte_workers.replication.state_differences import Kind, differences, parts

States = list[tuple[str, str]]


def of(stream: str, blob: str, namespace: str | None = None) -> tuple[str, str]:
    described = json.dumps({"name": stream} | ({"namespace": namespace} if namespace else {}))
    return "STREAM", f'{{"type":"STREAM","stream":{{"stream_descriptor":{described},"stream_state":{blob}}}}}'


def of_all(shared: Any, **streams: Any) -> tuple[str, str]:
    entries = [{"stream_descriptor": {"name": name}, "stream_state": blob} for name, blob in streams.items()]
    return "GLOBAL", json.dumps({"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": entries}})


def told(before: States, after: States) -> list[str]:
    return [line.strip() for line in lines(differences(parts(before), parts(after)))]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([of("a", '{"c":1}')], [of("a", '{"c":1}')], []),
        ([of("a", '{"c":1}')], [of("a", '{"c":2}')], ["a", "c: 1 -> 2"]),
        ([of("a", '{"c":{"d":"x","e":1}}')], [of("a", '{"c":{"d":"y","e":1}}')], ["a", 'c.d: "x" -> "y"']),
        ([of("a", '{"c":1}')], [of("a", '{"d":1}')], ["a", "c: 1 -> nothing", "d: nothing -> 1"]),
        ([of("a", '{"c":[1,2]}')], [of("a", '{"c":[1,3]}')], ["a", "c: [1,2] -> [1,3]"]),
        ([of("a", '{"c":1}')], [of("a", '{"c":null}')], ["a", "c: 1 -> null"]),
        ([of("a", '{"c": 1}')], [of("a", '{"c":1}')], ["a: the same, written differently"]),
        ([of("a", '"x"')], [of("a", '{"c":1}')], ["a", '"x" -> {"c":1}']),
        ([of("a", '{"c":1}')], [], ['a: no state any more; it was {"c":1}']),
        ([], [of("a", '{"c":1}', "n")], ['n.a: has a state, {"c":1}; there was none']),
        ([of("b", "1"), of("a", "1")], [of("b", "2"), of("a", "2")], ["a", "1 -> 2", "b", "1 -> 2"]),
        ([of_all({"l": 1}, a={"c": 1})], [of_all({"l": 2}, a={"c": 1})], ["shared by all streams", "l: 1 -> 2"]),
        ([of_all({"l": 1}, a={"c": 1})], [of_all({"l": 1}, a={"c": 2})], ["a", "c: 1 -> 2"]),
        ([of_all({"l": 1}, a=1, b=1)], [of_all({"l": 1}, a=1)], ["b: no state any more; it was 1"]),
        ([of_all(None, a=1)], [of_all(None, a=2)], ["a", "1 -> 2"]),
        ([("LEGACY", '{"c":1}')], [("LEGACY", '{"c":2}')], ["all streams", "c: 1 -> 2"]),
        (
            [of("a", "1")],
            [("LEGACY", "2")],
            ["all streams (LEGACY): has a state, 2; there was none", "a (STREAM): no state any more; it was 1"],
        ),
    ],
)
def test_what_differs_is_told_stream_by_stream_and_field_by_field(
    before: States, after: States, said: list[str]
) -> None:
    assert told(before, after) == said


def test_no_digit_is_lost() -> None:
    before, after = of("a", '{"c":12345678901234567890123,"x":1.10}'), of("a", '{"c":12345678901234567890124,"x":1.1}')
    assert told([before], [after])[1:] == [
        "c: 12345678901234567890123 -> 12345678901234567890124",
        "x: 1.10 -> 1.1",
    ]
    (found,) = differences(parts([before]), parts([after]))
    assert '"after":12345678901234567890124' in as_json(difference_json(found))


def test_null_and_empty_namespaces_are_one_stream() -> None:
    named = ("STREAM", '{"type":"STREAM","stream":{"stream_descriptor":{"name":"a","namespace":""},"stream_state":1}}')
    assert told([of("a", "1")], [named]) == []


def test_a_huge_difference_is_cut_for_people_and_whole_for_programs() -> None:
    old = of("a", json.dumps({f"f{number}": 0 for number in range(1000)}))
    new = of("a", json.dumps({f"f{number}": "x" * 1000 for number in range(1000)}))
    said = told([old], [new])
    assert said[-1] == "and 980 more fields (-o json has them all)"
    assert max(map(len, said)) < LONGEST_VALUE + 30
    (found,) = differences(parts([old]), parts([new]))
    assert len(difference_json(found)["fields"]) == 1000


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert "\x1b" not in "".join(told([of("a\x1b[2J", '{"\\u001b":1}')], [of("a\x1b[2J", '{"\\u001b":2}')]))


def test_nesting_without_end_is_one_value_below_some_depth() -> None:
    deep = '{"c":' * 100 + "{}" + "}" * 100
    (found,) = differences(parts([of("a", deep)]), parts([of("a", deep.replace("{}", "1"))]))
    assert (found.kind, len(found.fields)) == (Kind.CHANGES, 1)
