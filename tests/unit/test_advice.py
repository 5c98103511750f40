"""Advice is complete and names what exists; readings of evidence agree with the verdict on it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proven import PROVEN
from pydantic import AliasChoices

from airbyte_workers.jobs.advice import ADVICE, Change, advice_for
from airbyte_workers.jobs.outcome import outcome
from airbyte_workers.jobs.readings import Reading, Sign, readings
from airbyte_workers.models import Evidence, Failure, FailureOrigin, FailureType, Policy, SyncInput
from airbyte_workers.settings import Settings

SETTING = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
QUOTED = re.compile(r"`([^`]+)`")
COMMAND_WORDS = ("jobs ",)


def failure(kind: FailureType, origin: FailureOrigin, **more: Any) -> Failure:
    return Failure(origin=origin, type=kind, message="it did not work", **more)


ALL = [failure(kind, origin) for kind in FailureType for origin in FailureOrigin]
ALL += [each.model_copy(update={"command": "check"}) for each in ALL]


def variables() -> set[str]:
    """Every environment variable that is a setting."""
    found = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        own = alias.choices if isinstance(alias, AliasChoices) else [f"AIRBYTE_WORKERS_{name.upper()}"]
        found |= {str(each) for each in own}
    return found


def fields(schema: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    """Every field of the sync file by its path, without the path of lists."""
    found = set()
    for name, field in schema.get("properties", {}).items():
        found.add(name)
        for option in (field, *field.get("anyOf", ())):
            if reference := option.get("$ref"):
                inner = fields(definitions[reference.rpartition("/")[2]], definitions)
                found |= inner | {f"{name}.{each}" for each in inner}
    return found


# --- advice -----------------------------------------------------------------------------------------------------------


def test_every_failure_type_has_a_meaning_and_something_to_do() -> None:
    assert set(ADVICE) == set(FailureType)
    assert all(advice.meaning.endswith(".") and advice.action.endswith(".") for advice in ADVICE.values())


def test_every_setting_and_field_that_advice_names_exists() -> None:
    schema = SyncInput.model_json_schema()
    known = fields(schema, schema["$defs"])
    for advice in map(advice_for, ALL):
        text = f"{advice.meaning} {advice.action}"
        assert set(SETTING.findall(text)) <= variables()
        quoted = [each for each in QUOTED.findall(text) if not each.startswith(COMMAND_WORDS)]
        assert {each.partition(":")[0] for each in quoted} <= known


@pytest.mark.parametrize("origin", [FailureOrigin.SOURCE, FailureOrigin.DESTINATION])
def test_advice_says_whose_config_and_limits_are_meant(origin: FailureOrigin) -> None:
    config = advice_for(failure(FailureType.CONFIG_ERROR, origin))
    memory = advice_for(failure(FailureType.OUT_OF_MEMORY, origin))
    assert f"`{origin}.config`" in config.action
    assert f"`{origin}.resources.memory_limit`" in memory.action
    assert (config.change, memory.change) == (Change.FILE, Change.FILE)


def test_a_config_error_of_the_platform_is_about_what_was_typed() -> None:
    told = failure(FailureType.CONFIG_ERROR, FailureOrigin.PLATFORM)
    assert advice_for(told) == ADVICE[FailureType.CONFIG_ERROR]


@pytest.mark.parametrize("kind", [FailureType.CONFIG_ERROR, FailureType.SYSTEM_ERROR])
def test_a_failed_check_says_that_nothing_was_moved(kind: FailureType) -> None:
    told = failure(kind, FailureOrigin.SOURCE, command="check")
    assert advice_for(told).action.endswith("The source was checked before the attempt: no data was moved.")


# --- readings ---------------------------------------------------------------------------------------------------------


STRANGE: dict[str, tuple[dict[str, Any], Sign, str]] = {
    "source exit code": ({"source_exit_code": 1}, Sign.BAD, "1"),
    "a source out of memory": (
        {"source_exit_code": 137, "source_out_of_memory": 2**29},
        Sign.BAD,
        "137, out of memory",
    ),
    "a source that hung after all was complete": (
        {"source_forced": True, "source_exit_code": 143},
        Sign.DOUBT,
        "143, stopped because it did not exit",
    ),
    "destination exit code": ({"destination_exit_code": None}, Sign.BAD, "unknown"),
    "end of input": ({"destination_closed": "output"}, Sign.BAD, "the destination closed its output before"),
    "error traces": ({"error_traces": 2}, Sign.BAD, "2"),
    "completion": (
        {"completion": "missing", "streams_not_complete": ("users",)},
        Sign.BAD,
        "missing for users",
    ),
    "states": ({"states_committed": 1}, Sign.BAD, "2 emitted, 1 committed"),
    "acknowledgements": (
        {"keys_unacknowledged": 1, "streams_unacknowledged": ("users",)},
        Sign.BAD,
        "2, none for the last state of users",
    ),
    "acknowledgements that match nothing": (
        {"unmatched_acknowledgements": 3},
        Sign.DOUBT,
        "2, 3 that matched no state",
    ),
    "records": ({"records_forwarded": 4}, Sign.BAD, "5 emitted, 0 filtered, 4 forwarded"),
    "counts of connectors": ({"source_stats_mismatches": 1}, Sign.DOUBT, "1 of the source's differ from ours"),
    "malformed lines": ({"malformed": 4}, Sign.BAD, "4"),
    "nulled values": ({"values_nulled": 2}, Sign.DOUBT, "2"),
    "validation": (
        {"records_validated": 4000, "records_invalid": 4},
        Sign.DOUBT,
        "4,000 records checked, 4 do not fit their schema",
    ),
}


def odd(evidence: Evidence) -> list[Reading]:
    return [each for each in readings(evidence) if each.verdict is not Sign.GOOD]


def test_what_proves_a_sync_reads_well_throughout() -> None:
    assert odd(Evidence(**PROVEN)) == []


@pytest.mark.parametrize("name", STRANGE)
def test_the_piece_that_is_strange_stands_out_alone(name: str) -> None:
    changed, verdict, value = STRANGE[name]
    (reading,) = odd(Evidence(**(PROVEN | changed)))
    assert (reading.verdict, reading.value) == (verdict, value)


CHANGES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "source_exit_code": st.sampled_from([None, 0, 1, 143]),
        "destination_exit_code": st.sampled_from([None, 0, 1, 137]),
        "source_out_of_memory": st.sampled_from([None, 0]),
        "source_forced": st.booleans(),
        "source_stopped": st.booleans(),
        "destination_forced": st.booleans(),
        "destination_closed": st.sampled_from(["", "input", "output"]),
        "end_of_input": st.booleans(),
        "completion": st.sampled_from(["reported", "inferred", "missing"]),
        "streams_incomplete": st.sampled_from([(), ("users",)]),
        "error_traces": st.integers(0, 1),
        "states_held_back": st.integers(0, 1),
        "states_committed": st.integers(1, 2),
        "acknowledgements": st.integers(0, 2),
        "keys_unacknowledged": st.integers(0, 1),
        "streams_unacknowledged": st.sampled_from([(), ("users",)]),
        "unmatched_acknowledgements": st.integers(0, 1),
        "bare_acknowledgements": st.integers(0, 1),
        "records_emitted": st.sampled_from([0, 5]),
        "records_filtered": st.integers(0, 1),
        "records_forwarded": st.sampled_from([0, 4, 5]),
        "source_stats_mismatches": st.integers(0, 1),
        "destination_stats_mismatches": st.integers(0, 1),
        "malformed": st.integers(0, 1),
    },
)


@given(CHANGES)
def test_a_piece_is_bad_exactly_when_the_attempt_is_not_green(changed: dict[str, Any]) -> None:
    """The verdict is that of `outcome`; the readings show which piece it rests on."""
    evidence = Evidence(**(PROVEN | changed))
    is_bad = any(each.verdict is Sign.BAD for each in readings(evidence))
    assert is_bad == (outcome(evidence, (), Policy()).status == "failed")
