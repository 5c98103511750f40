"""When is a sync green: decisions.md, "Evidence", as a table, row by row exhaustively, and as a property.

Of the failures of group R here: R4 (which command), R6 (an unknown origin) and R8 (a cancelled attempt says so).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proven import PROVEN

from airbyte_workers.jobs.outcome import Verdict, destination_did_not_exit, outcome
from airbyte_workers.models import Evidence, Failure, FailureOrigin, FailureType, Policy
from airbyte_workers.settings import Settings

ERROR = Failure(origin=FailureOrigin.SOURCE, type=FailureType.TRANSIENT_ERROR, message="no route to host")
LOST = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.LEASE_LOST, message="lease lost")
MIB = 2**20
NO_ECHO = {"acknowledgements": 0, "states_committed": 0, "keys_unacknowledged": 1}
COMMANDS = {FailureOrigin.SOURCE: "read", FailureOrigin.DESTINATION: "write"}
T = FailureType


def judged(changed: dict[str, Any], seen: Sequence[Failure] = (), **accepted: bool) -> Verdict:
    return outcome(Evidence(**(PROVEN | changed)), seen, Policy(**accepted))


GREEN: dict[str, tuple[dict[str, Any], dict[str, bool], tuple[str, ...]]] = {
    "everything is proven": ({}, {}, ()),
    "no record at all": ({"records_emitted": 0, "records_forwarded": 0}, {}, ()),
    "nothing was sent": (
        {
            "records_emitted": 0,
            "records_forwarded": 0,
            "states_emitted": 0,
            "states_committed": 0,
            "acknowledgements": 0,
        },
        {},
        (),
    ),
    "no stream status at all": ({"completion": "inferred"}, {}, ()),
    "filtered records": ({"records_filtered": 2, "records_forwarded": 3}, {}, ()),
    "skipped states": ({"states_emitted": 100, "states_committed": 100, "acknowledgements": 1}, {}, ()),
    "the source had to be stopped after all was complete": (
        {"source_forced": True, "source_exit_code": 143},
        {},
        ("source_did_not_exit",),
    ),
    "bare echoes": ({"bare_acknowledgements": 2}, {}, ("2 acknowledgements as bare states",)),
    "rejected of several streams": (
        {"records_rejected_undivided": 1200},
        {},
        ("the destination rejected 1,200 record(s) of states of several streams",),
    ),
    "unmatched echoes": ({"unmatched_acknowledgements": 3}, {}, ("unmatched_ack: 3",)),
    "the source's counts differ": (
        {"source_stats_mismatches": 1},
        {},
        ("1 state(s) of the source stated another number",),
    ),
    "the kernel killed a child and its parent coped": (
        {"source_out_of_memory": 512 * MIB, "destination_out_of_memory": 0},
        {},
        (),
    ),
    "malformed lines are accepted": ({"malformed": 4}, {"allow_malformed": True}, ("4 malformed line(s)",)),
}

RED: dict[str, tuple[dict[str, Any], dict[str, bool], FailureOrigin, FailureType]] = {
    "source exit code": ({"source_exit_code": 1}, {}, FailureOrigin.SOURCE, T.SYSTEM_ERROR),
    "source terminated": ({"source_exit_code": 143}, {}, FailureOrigin.SOURCE, T.SYSTEM_ERROR),
    "source exit unknown": ({"source_exit_code": None}, {}, FailureOrigin.SOURCE, T.EXIT_UNKNOWN),
    "destination exit code": ({"destination_exit_code": 1}, {}, FailureOrigin.DESTINATION, T.SYSTEM_ERROR),
    "destination exit unknown": ({"destination_exit_code": None}, {}, FailureOrigin.DESTINATION, T.EXIT_UNKNOWN),
    "destination stopped after its grace": (
        {"destination_forced": True, "destination_exit_code": 0},
        {},
        FailureOrigin.DESTINATION,
        T.DESTINATION_DID_NOT_EXIT,
    ),
    "source stopped, completion not said": (
        {"source_forced": True, "source_exit_code": 0, "completion": "missing"},
        {},
        FailureOrigin.SOURCE,
        T.SOURCE_DID_NOT_EXIT,
    ),
    "source stopped, completion only inferred": (
        {"source_forced": True, "completion": "inferred"},
        {},
        FailureOrigin.SOURCE,
        T.SOURCE_DID_NOT_EXIT,
    ),
    "source stopped by us": ({"source_stopped": True}, {}, FailureOrigin.DESTINATION, T.SYSTEM_ERROR),
    "no end of input": ({"end_of_input": False}, {}, FailureOrigin.DESTINATION, T.SYSTEM_ERROR),
    "an error trace": ({"error_traces": 1}, {}, FailureOrigin.UNKNOWN, T.SYSTEM_ERROR),
    "a stream incomplete": ({"streams_incomplete": ("a",)}, {}, FailureOrigin.SOURCE, T.STREAM_INCOMPLETE),
    "a stream not complete": (
        {"completion": "missing", "streams_not_complete": ("a",)},
        {},
        FailureOrigin.SOURCE,
        T.STREAM_INCOMPLETE,
    ),
    "a stream not complete, whatever else is said of completion": (
        {"streams_not_complete": ("a",)},
        {},
        FailureOrigin.SOURCE,
        T.STREAM_INCOMPLETE,
    ),
    "source stopped, a stream not complete": (
        {"source_forced": True, "streams_not_complete": ("a",)},
        {},
        FailureOrigin.SOURCE,
        T.SOURCE_DID_NOT_EXIT,
    ),
    "states held back": ({"states_held_back": 1}, {}, FailureOrigin.SOURCE, T.STREAM_INCOMPLETE),
    "the last state of a key not echoed": (
        {"keys_unacknowledged": 1, "streams_unacknowledged": ("a",)},
        {},
        FailureOrigin.DESTINATION,
        T.STATE_UNACKNOWLEDGED,
    ),
    "the last state of a named stream not echoed, however many are counted": (
        {"streams_unacknowledged": ("a",)},
        {},
        FailureOrigin.DESTINATION,
        T.STATE_UNACKNOWLEDGED,
    ),
    "echoed but not durable": ({"states_committed": 1}, {}, FailureOrigin.PLATFORM, T.STATE_UNACKNOWLEDGED),
    "echoed never": (NO_ECHO, {}, FailureOrigin.DESTINATION, T.NO_ACKNOWLEDGEMENT),
    "echoed never, nothing waits": (
        {"acknowledgements": 0, "states_committed": 0, "states_emitted": 0},
        {},
        FailureOrigin.DESTINATION,
        T.NO_ACKNOWLEDGEMENT,
    ),
    "echoed some, though none would have done": (
        {"keys_unacknowledged": 1},
        {"accept_unacknowledged": True},
        FailureOrigin.DESTINATION,
        T.STATE_UNACKNOWLEDGED,
    ),
    "counts differ": ({"records_forwarded": 4}, {}, FailureOrigin.REPLICATION, T.COUNT_MISMATCH),
    "the destination's counts differ": (
        {"destination_stats_mismatches": 1},
        {},
        FailureOrigin.DESTINATION,
        T.COUNT_MISMATCH,
    ),
    "the source's counts differ and must not": (
        {"source_stats_mismatches": 1},
        {"fail_on_source_stats": True},
        FailureOrigin.SOURCE,
        T.COUNT_MISMATCH,
    ),
    "the source ran out of memory": (
        {"source_exit_code": 137, "source_out_of_memory": 512 * MIB},
        {},
        FailureOrigin.SOURCE,
        T.OUT_OF_MEMORY,
    ),
    "a child of the source was killed and it gave up": (
        {"source_exit_code": 1, "source_out_of_memory": 0},
        {},
        FailureOrigin.SOURCE,
        T.OUT_OF_MEMORY,
    ),
    "the destination ran out of memory": (
        {"destination_exit_code": 137, "destination_out_of_memory": 0},
        {},
        FailureOrigin.DESTINATION,
        T.OUT_OF_MEMORY,
    ),
    "a source without an exit code, whatever the kernel counted": (
        {"source_exit_code": None, "source_out_of_memory": 512 * MIB},
        {},
        FailureOrigin.SOURCE,
        T.EXIT_UNKNOWN,
    ),
    "a destination that was stopped, whatever the kernel counted": (
        {"destination_forced": True, "destination_exit_code": 137, "destination_out_of_memory": 512 * MIB},
        {},
        FailureOrigin.DESTINATION,
        T.DESTINATION_DID_NOT_EXIT,
    ),
    "the destination closed its input": (
        {"destination_closed": "input"},
        {},
        FailureOrigin.DESTINATION,
        T.SYSTEM_ERROR,
    ),
    "the destination closed its output": (
        {"destination_closed": "output"},
        {},
        FailureOrigin.DESTINATION,
        T.SYSTEM_ERROR,
    ),
    "malformed lines": ({"malformed": 1}, {}, FailureOrigin.SOURCE, T.MALFORMED_MESSAGE),
}


@pytest.mark.parametrize("name", GREEN)
def test_a_proven_sync_is_green_and_says_what_was_odd(name: str) -> None:
    changed, accepted, warnings = GREEN[name]
    verdict = judged(changed, **accepted)
    assert (verdict.status, verdict.failures, verdict.unproven) == ("succeeded", (), False)
    assert len(verdict.warnings) == len(warnings)
    assert all(words in warning for words, warning in zip(warnings, verdict.warnings, strict=True))


@pytest.mark.parametrize("name", RED)
def test_whatever_lacks_a_proof_is_red_and_says_which(name: str) -> None:
    changed, accepted, origin, kind = RED[name]
    verdict = judged(changed, **accepted)
    assert verdict.status == "failed"
    assert [(failure.origin, failure.type) for failure in verdict.failures] == [(origin, kind)]
    assert [failure.command for failure in verdict.failures] == [COMMANDS.get(origin)]


def test_what_failed_without_a_word_is_an_unknown_failure() -> None:
    (failure,) = judged({"error_traces": 2}).failures
    assert failure.message == "an unknown failure: 2 error trace(s) were sent, and what they said is lost"


@pytest.mark.parametrize("changed", [{"completion": "missing"}, {"keys_unacknowledged": 1}])
def test_streams_that_nobody_named_are_told_of_as_such(changed: dict[str, Any]) -> None:
    (failure,) = judged(changed).failures
    assert failure.message.endswith("its streams")


def test_a_destination_that_never_echoes_can_be_accepted_as_unproven() -> None:
    verdict = judged(NO_ECHO, accept_unacknowledged=True)
    assert (verdict.status, verdict.unproven) == ("succeeded", True)
    assert verdict.warnings == ("unproven: the destination acknowledged nothing",)


ABOUT_ECHOES = {
    "echoed never",
    "echoed never, nothing waits",
    "echoed but not durable",
    "echoed some, though none would have done",
    "the last state of a key not echoed",
    "the last state of a named stream not echoed, however many are counted",
}


def test_accepting_no_echoes_accepts_nothing_else() -> None:
    for name in set(RED) - ABOUT_ECHOES:
        changed, accepted, _, _ = RED[name]
        verdict = judged(NO_ECHO | changed, **(accepted | {"accept_unacknowledged": True}))
        assert verdict.status == "failed", name


@pytest.mark.parametrize(("code", "words"), [(137, "killed"), (127, "not found"), (126, "cannot be executed")])
def test_a_known_exit_code_is_explained(code: int, words: str) -> None:
    (failure,) = judged({"destination_exit_code": code}).failures
    assert f"the destination exited with code {code}" in failure.message
    assert words in failure.message


def test_the_streams_are_named() -> None:
    (failure,) = judged({"completion": "missing", "streams_not_complete": ("a", "n.b")}).failures
    assert failure.message.endswith("a, n.b")


# --- out of memory ---


@pytest.mark.parametrize("origin", ["source", "destination"])
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (512 * MIB, "its limit is 512 MiB"),
        (1536 * MIB, "its limit is 1,536 MiB"),
        (100_000_000, "its limit is 95 MiB"),
    ],
)
def test_who_ran_out_of_memory_is_told_with_its_limit_and_where_to_raise_it(
    origin: str, limit: int, words: str
) -> None:
    (failure,) = judged({f"{origin}_exit_code": 137, f"{origin}_out_of_memory": limit}).failures
    assert failure.message.startswith(f"the {origin} exited with code 137: it ran out of memory")
    assert words in failure.message
    assert f"{origin}.resources.memory_limit" in failure.message
    assert "JOB_MAIN_CONTAINER_MEMORY_LIMIT" in failure.message
    assert "JOB_MAIN_CONTAINER_MEMORY_LIMIT".lower() in Settings.model_fields


@pytest.mark.parametrize("origin", ["source", "destination"])
def test_without_a_limit_it_is_the_machine_that_ran_out_of_memory(origin: str) -> None:
    (failure,) = judged({f"{origin}_exit_code": 1, f"{origin}_out_of_memory": 0}).failures
    assert failure.message.startswith(f"the {origin} exited with code 1: this machine ran out of memory")
    assert "resources" not in failure.message


def test_a_source_that_we_stopped_did_not_run_out_of_memory() -> None:
    stopped = {"source_stopped": True, "source_exit_code": 137, "source_out_of_memory": 0, "destination_exit_code": 1}
    assert [failure.origin for failure in judged(stopped).failures] == [FailureOrigin.DESTINATION]


# --- a destination that ended first ---

UNFINISHED = {
    "source_stopped": True,
    "source_exit_code": 143,
    "end_of_input": False,
    "completion": "missing",
    "streams_not_complete": ("a", "b"),
    "states_committed": 0,
    "keys_unacknowledged": 2,
    "states_held_back": 0,
}


@pytest.mark.parametrize("closed", ["input", "output"])
@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"destination_exit_code": 1}, T.SYSTEM_ERROR, "exited with code 1"),
        ({"destination_exit_code": 0}, T.SYSTEM_ERROR, "ended before it was given everything"),
        ({"destination_exit_code": 0, "acknowledgements": 0}, T.SYSTEM_ERROR, "ended before it was given everything"),
        ({"destination_exit_code": None}, T.EXIT_UNKNOWN, "nobody knows its exit code"),
        ({"destination_exit_code": 137, "destination_out_of_memory": MIB * 64}, T.OUT_OF_MEMORY, "64 MiB"),
        (
            {"destination_exit_code": 143, "destination_forced": True},
            T.DESTINATION_DID_NOT_EXIT,
            "before its end of input, did not exit and was stopped",
        ),
    ],
)
def test_a_destination_that_ended_first_is_blamed_and_the_source_is_not(
    closed: str, changed: dict[str, Any], kind: FailureType, words: str
) -> None:
    (failure,) = judged(UNFINISHED | {"destination_closed": closed} | changed).failures
    assert (failure.origin, failure.type) == (FailureOrigin.DESTINATION, kind)
    assert words in failure.message


@pytest.mark.parametrize("closed", ["input", "output"])
def test_a_destination_that_ended_first_is_blamed_though_nobody_had_to_stop_the_source(closed: str) -> None:
    unfinished = {name: value for name, value in UNFINISHED.items() if not name.startswith("source_")}
    (failure,) = judged(unfinished | {"destination_closed": closed}).failures
    assert failure.message == "the destination ended before it was given everything the source sent"


@pytest.mark.parametrize("closed", ["input", "output"])
def test_it_is_told_what_a_destination_closed_before_it_had_to_be_stopped(closed: str) -> None:
    said = destination_did_not_exit(closed)
    (failure,) = judged(UNFINISHED | {"destination_closed": closed, "destination_forced": True}).failures
    assert said == f"the destination closed its {closed} before its end of input, did not exit and was stopped"
    assert failure.message == f"{said}: it may not have finished"


def test_a_destination_that_stayed_after_its_end_of_input_closed_nothing() -> None:
    (failure,) = judged({"destination_forced": True}).failures
    assert failure.message.startswith("the destination did not exit after its end of input and was stopped")


def test_what_a_connector_said_of_its_trouble_is_told_before_what_the_destination_closed() -> None:
    trace = ERROR.model_copy(update={"origin": FailureOrigin.DESTINATION, "type": T.CONFIG_ERROR})
    verdict = judged(UNFINISHED | {"destination_closed": "input", "destination_exit_code": 1}, [trace])
    assert verdict.failures[0] == trace


@pytest.mark.parametrize("cause", [{"source_exit_code": 1}, {"streams_incomplete": ("a",)}, {"malformed": 1}])
def test_a_source_that_ended_by_itself_is_told_of_before_a_destination_that_missed_what_it_left_out(
    cause: dict[str, Any],
) -> None:
    trace = ERROR.model_copy(update={"origin": FailureOrigin.DESTINATION})
    verdict = judged({"destination_exit_code": 1} | cause, [trace])
    assert [failure.origin for failure in verdict.failures] == [
        FailureOrigin.SOURCE,
        FailureOrigin.DESTINATION,
        FailureOrigin.DESTINATION,
    ]


def test_of_a_source_that_was_stopped_failures_stay_as_they_came() -> None:
    trace = ERROR.model_copy(update={"origin": FailureOrigin.DESTINATION})
    verdict = judged(UNFINISHED | {"destination_exit_code": 1, "malformed": 1}, [trace])
    assert [failure.origin for failure in verdict.failures] == [
        FailureOrigin.DESTINATION,
        FailureOrigin.DESTINATION,
        FailureOrigin.SOURCE,
    ]


# --- causes and consequences ---

CONSEQUENCES = {
    "completion": "missing",
    "keys_unacknowledged": 1,
    "states_committed": 0,
    "states_held_back": 1,
    "end_of_input": False,
    "error_traces": 1,
}


@pytest.mark.parametrize(
    ("cause", "seen", "told"),
    [
        ({}, [ERROR], [T.TRANSIENT_ERROR]),
        ({"source_stopped": True}, [LOST], [T.LEASE_LOST]),
        ({"source_exit_code": 1}, [], [T.SYSTEM_ERROR]),
        ({"source_exit_code": 1}, [ERROR], [T.TRANSIENT_ERROR, T.SYSTEM_ERROR]),
        ({"destination_exit_code": 137, "source_stopped": True}, [], [T.SYSTEM_ERROR]),
        ({"streams_incomplete": ("a",)}, [], [T.STREAM_INCOMPLETE]),
        ({"malformed": 1}, [], [T.MALFORMED_MESSAGE]),
    ],
)
def test_what_only_follows_from_a_failure_is_not_told_beside_it(
    cause: dict[str, Any], seen: list[Failure], told: list[FailureType]
) -> None:
    assert [failure.type for failure in judged(CONSEQUENCES | cause, seen).failures] == told


def test_without_a_cause_every_consequence_is_told() -> None:
    verdict = judged(CONSEQUENCES)
    assert [failure.type for failure in verdict.failures] == [
        T.STREAM_INCOMPLETE,
        T.STREAM_INCOMPLETE,
        T.STATE_UNACKNOWLEDGED,
        T.SYSTEM_ERROR,
        T.SYSTEM_ERROR,
    ]


def test_the_exit_code_of_a_source_that_we_stopped_is_no_failure_of_its_own() -> None:
    verdict = judged({"source_stopped": True, "source_exit_code": 143, "destination_exit_code": 1})
    assert [failure.origin for failure in verdict.failures] == [FailureOrigin.DESTINATION]


def test_a_config_error_comes_first_because_it_decides_about_retries() -> None:
    config = ERROR.model_copy(update={"type": T.CONFIG_ERROR})
    verdict = judged({"source_exit_code": 1}, [ERROR, config])
    assert [failure.type for failure in verdict.failures] == [T.CONFIG_ERROR, T.TRANSIENT_ERROR, T.SYSTEM_ERROR]


# --- cancelled ---


@pytest.mark.parametrize("changed", [{}, {"source_exit_code": 1}, CONSEQUENCES], ids=["green", "red", "odd"])
@pytest.mark.parametrize("seen", [[], [ERROR], [ERROR.model_copy(update={"message": f"{n}"}) for n in range(20)]])
def test_cancelled_wins_over_everything(changed: dict[str, Any], seen: list[Failure]) -> None:
    verdict = outcome(Evidence(**(PROVEN | changed)), seen, Policy(), cancelled=True)
    assert verdict.status == "cancelled"
    assert [(failure.type, failure.command) for failure in verdict.failures] == [(T.MANUAL_CANCELLATION, None)]


# --- no proof, no success ---


def is_proven(evidence: Evidence, policy: Policy) -> bool:
    """decisions.md, "Evidence", line by line."""
    complete = evidence.completion in ("reported", "inferred") and not evidence.streams_not_complete
    source = complete and (
        evidence.completion == "reported" if evidence.source_forced else evidence.source_exit_code == 0
    )
    destination = evidence.destination_exit_code == 0 and not evidence.destination_forced
    told = not evidence.error_traces and not evidence.streams_incomplete and not evidence.states_held_back
    given_all = evidence.end_of_input and not evidence.source_stopped and not evidence.destination_closed
    echoed = evidence.acknowledgements > 0 or not evidence.records_emitted
    waiting = bool(evidence.keys_unacknowledged or evidence.streams_unacknowledged)
    states = echoed and not waiting and evidence.states_committed >= evidence.states_emitted
    accepted = policy.accept_unacknowledged and not evidence.acknowledgements
    counts = (
        evidence.records_emitted - evidence.records_filtered == evidence.records_forwarded
        and not evidence.destination_stats_mismatches
        and not (evidence.source_stats_mismatches and policy.fail_on_source_stats)
        and not (evidence.malformed and not policy.allow_malformed)
    )
    return source and destination and told and given_all and (states or accepted) and counts


FIELDS: dict[str, list[Any]] = {
    "source_exit_code": [0, 1, None],
    "destination_exit_code": [0, 1, None],
    "source_out_of_memory": [None, 0, 512 * MIB],
    "destination_out_of_memory": [None, 0, 512 * MIB],
    "destination_closed": ["", "input", "output"],
    "source_forced": [False, True],
    "source_stopped": [False, True],
    "destination_forced": [False, True],
    "end_of_input": [True, False],
    "completion": ["reported", "inferred", "missing"],
    "streams_not_complete": [(), ("a",)],
    "streams_incomplete": [(), ("a",)],
    "error_traces": [0, 1],
    "states_emitted": [2, 0],
    "states_committed": [2, 1, 0],
    "states_held_back": [0, 1],
    "empty_states_sent": [0, 2],
    "streams_unacknowledged": [(), ("a",)],
    "keys_unacknowledged": [0, 1],
    "acknowledgements": [2, 0],
    "records_emitted": [5, 0],
    "records_forwarded": [5, 0, 4],
    "records_filtered": [0, 5],
    "malformed": [0, 1],
    "source_stats_mismatches": [0, 1],
    "destination_stats_mismatches": [0, 1],
    "bare_acknowledgements": [0, 1],
    "unmatched_acknowledgements": [0, 1],
}
POLICIES = [
    Policy(**dict(zip(Policy.model_fields, each, strict=True))) for each in itertools.product([False, True], repeat=3)
]


def check(evidence: Evidence, policy: Policy) -> None:
    verdict = outcome(evidence, [], policy)
    assert (verdict.status == "succeeded") == is_proven(evidence, policy), evidence
    assert bool(verdict.failures) == (verdict.status == "failed")
    assert len(verdict.failures) <= 10
    assert [failure.command for failure in verdict.failures] == [
        COMMANDS.get(failure.origin) for failure in verdict.failures
    ]
    if verdict.status == "succeeded":
        nothing_came_back = not evidence.acknowledgements
        assert verdict.unproven == bool(
            nothing_came_back and (evidence.records_emitted or evidence.keys_unacknowledged)
        )
        assert policy.accept_unacknowledged or not verdict.unproven
    seen = outcome(evidence, [ERROR], policy)
    assert seen.status == "failed"
    assert ERROR in seen.failures


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_no_three_missing_proofs_hide_each_other(policy: Policy) -> None:
    """Every three fields, all of their values, all else proven."""
    for three in itertools.combinations(FIELDS, 3):
        for values in itertools.product(*(FIELDS[name] for name in three)):
            check(Evidence(**(PROVEN | dict(zip(three, values, strict=True)))), policy)


ROWS: dict[str, dict[str, list[Any]]] = {
    "exit codes": {
        name: FIELDS[name]
        for name in (
            "source_exit_code",
            "destination_exit_code",
            "source_forced",
            "source_stopped",
            "destination_forced",
            "destination_closed",
            "end_of_input",
            "completion",
        )
    },
    "memory": {
        name: FIELDS[name]
        for name in (
            "source_exit_code",
            "destination_exit_code",
            "source_out_of_memory",
            "destination_out_of_memory",
            "source_forced",
            "destination_forced",
        )
    },
    "traces and completion": {
        name: FIELDS[name]
        for name in (
            "error_traces",
            "streams_incomplete",
            "streams_not_complete",
            "completion",
            "states_held_back",
            "source_exit_code",
            "source_forced",
        )
    },
    "states and echoes": {
        name: FIELDS[name]
        for name in (
            "states_emitted",
            "states_committed",
            "states_held_back",
            "empty_states_sent",
            "keys_unacknowledged",
            "streams_unacknowledged",
            "acknowledgements",
            "bare_acknowledgements",
            "unmatched_acknowledgements",
        )
    },
    "no record, and states and echoes": {
        "records_emitted": [0],
        "records_forwarded": [0],
        "states_emitted": [0, 2],
        "states_committed": [0, 2],
        "keys_unacknowledged": [0, 1],
        "streams_unacknowledged": [(), ("a",)],
        "acknowledgements": [0, 2],
    },
    "counts and dropped lines": {
        "records_emitted": [5, 4, 0],
        "records_forwarded": [5, 4, 0],
        "records_filtered": [0, 1, 5],
        "malformed": [0, 1],
        "source_stats_mismatches": [0, 1],
        "destination_stats_mismatches": [0, 1],
        "acknowledgements": [2, 0],
    },
}


@pytest.mark.parametrize("row", ROWS)
def test_every_combination_of_what_a_row_of_the_table_reads_is_judged_as_it_says(row: str) -> None:
    """All else is proven."""
    for values in itertools.product(*ROWS[row].values()):
        evidence = Evidence(**(PROVEN | dict(zip(ROWS[row], values, strict=True))))
        for policy in POLICIES:
            check(evidence, policy)


@settings(max_examples=1_000)
@given(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FIELDS.items()}), st.sampled_from(POLICIES)
)
def test_no_evidence_that_lacks_a_proof_is_ever_a_success(fields: dict[str, Any], policy: Policy) -> None:
    check(Evidence(**fields), policy)


ENDS = ("source_out_of_memory", "destination_out_of_memory", "destination_closed")


CHANGES = st.sampled_from([(name, value) for name, values in FIELDS.items() for value in values])


@settings(max_examples=5_000)
@given(st.lists(CHANGES, max_size=6).map(dict), st.sampled_from(POLICIES))
def test_no_few_missing_proofs_hide_each_other(changed: dict[str, Any], policy: Policy) -> None:
    check(Evidence(**(PROVEN | changed)), policy)


@given(
    st.lists(CHANGES, max_size=4).map(dict),
    st.fixed_dictionaries({name: st.sampled_from(FIELDS[name]) for name in ENDS}),
    st.sampled_from(POLICIES),
)
def test_what_is_known_of_an_end_never_makes_a_success_of_a_failure(
    changed: dict[str, Any], ends: dict[str, Any], policy: Policy
) -> None:
    without = {name: value for name, value in (PROVEN | changed).items() if name not in ENDS}
    if outcome(Evidence(**without), [], policy).status == "failed":
        assert outcome(Evidence(**(without | ends)), [], policy).status == "failed"


def test_no_evidence_at_all_is_a_failure() -> None:
    for policy in POLICIES:
        assert outcome(Evidence(), [], policy).status == "failed"
