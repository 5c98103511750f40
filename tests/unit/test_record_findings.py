"""What was found about records, in words."""

from __future__ import annotations

from typing import Any

from airbyte_workers.jobs.record_findings import about_letters, details, foremost, warnings_of
from airbyte_workers.models import DeadLetterCounts, StreamValidation

COLOUR = "favourite_color: is not of type string but integer"


def found(name: str = "users", **more: Any) -> StreamValidation:
    return StreamValidation(**{"name": name, "validated": 3400} | more)


def test_a_warning_says_how_many_of_how_many_and_what_is_wrong() -> None:
    (said,) = warnings_of([found(invalid=12, errors=((COLOUR, 12),))])
    assert said == f"validation: 12 of 3,400 checked records of users do not fit its schema: {COLOUR} (12)"


def test_of_many_errors_it_says_the_first_few() -> None:
    errors = tuple((f"e{number}", number) for number in range(1, 6))
    (said,) = warnings_of([found(namespace="ns", invalid=10, stopped=True, errors=errors)])
    assert said == (
        "validation: 10 of 3,400 checked records of ns.users do not fit its schema, then no more were checked: "
        "e1 (1); e2 (2); e3 (3); and 2 more"
    )


def test_a_schema_that_is_of_no_use_is_a_warning_and_a_field_too_many_is_none() -> None:
    assert list(warnings_of([found(problem="type: is odd"), found(unexpected_fields=(("a", 1),)), found()])) == [
        "validation: stream users: type: is odd"
    ]


def test_ten_streams_have_a_warning_of_their_own() -> None:
    said = list(warnings_of([found(f"s{number}", invalid=1, errors=(("e", 1),)) for number in range(13)]))
    assert len(said) == 11
    assert said[-1] == "validation: so it is with 3 more streams"


def test_everything_is_told_of_one_stream() -> None:
    assert list(details(found())) == ["3,400 checked records of users: all fit its schema"]
    assert list(details(found(validated=0, problem="no schema"))) == ["users: no record was checked", "  no schema"]
    every = found(
        invalid=5, errors=(("e", 5),), errors_more=2, unchecked=1, problem="a record could not be checked: too deep",
        unexpected_fields=(("hat", 3),), unexpected_more=4,
    )  # fmt: skip
    assert list(details(every)) == [
        "5 of 3,400 checked records of users do not fit its schema",
        "  a record could not be checked: too deep (1 records)",
        "  e (5)",
        "  and others (2)",
        "  fields that its schema does not know: hat (3), and others (4)",
    ]


def test_where_there_is_no_room_for_all_streams_those_with_findings_stay() -> None:
    streams = [found(f"s{number}", invalid=number % 2) for number in range(6)]
    assert [each.name for each in foremost(streams, 4)] == ["s0", "s1", "s3", "s5"]
    assert foremost(streams, 9) == tuple(streams)


def test_dead_letters_are_told_with_how_to_read_them() -> None:
    assert about_letters(DeadLetterCounts(), "look") == ""
    assert about_letters(DeadLetterCounts(kept=2), "look") == "dead letters: 2 kept; read them with `look`"
    assert about_letters(DeadLetterCounts(kept=2, left_out=1200), "look") == (
        "dead letters: 2 kept, 1,200 left out for want of room (AIRBYTE_WORKERS_MAX_DEAD_LETTER_BYTES); "
        "read them with `look`"
    )
