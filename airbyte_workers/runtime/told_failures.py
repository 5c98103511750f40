"""Failures as Temporal's page shows them."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError


class ToldFailures(DefaultFailureConverter):
    """What we raise for people has its words and its type alone: a stack trace between the two would hide the latter.

    A bug keeps its trace.
    """

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError):
            failure.stack_trace = ""
