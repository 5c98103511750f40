"""What crosses Temporal of a failure."""

from __future__ import annotations

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from airbyte_workers.runtime.payloads import data_converter


def told(error: BaseException) -> Failure:
    with pytest.raises(type(error)) as raised:  # with its trace, as it comes out of a workflow
        raise error
    failure = Failure()
    data_converter.failure_converter.to_failure(raised.value, data_converter.payload_converter, failure)
    return failure


def test_what_is_said_to_people_has_its_words_and_its_type() -> None:
    failure = told(ApplicationError("sync of people failed: no route", {"job_id": 7}, type="SyncFailed"))
    assert (failure.message, failure.stack_trace) == ("sync of people failed: no route", "")
    assert failure.application_failure_info.type == "SyncFailed"
    assert failure.application_failure_info.details.payloads[0].data == b'{"job_id":7}'


def test_a_bug_keeps_its_trace_also_as_the_cause_of_what_is_said() -> None:
    bug = KeyError("users")
    assert "test_told_failures.py" in told(bug).stack_trace
    said = ApplicationError("the job could not go on", type="SystemError")
    said.__cause__ = bug
    failure = told(said)
    assert (failure.stack_trace, "test_told_failures.py" in failure.cause.stack_trace) == ("", True)
