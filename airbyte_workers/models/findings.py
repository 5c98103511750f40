"""What was found about records that were held against their stream's schema."""

from __future__ import annotations

from airbyte_workers.models.values import Value


class StreamValidation(Value):
    """What was found about a stream's records that were held against its schema (`replication/validation.py`).

    `errors` and `unexpected_fields`: the first ten of each, with how many records have them; `*_more`: times that
    others were met. `unchecked`: records that could not be checked; `problem`: why, or why none can. `stopped`: after
    so many invalid ones no more were looked at.
    """

    name: str
    namespace: str | None = None
    validated: int = 0
    invalid: int = 0
    unchecked: int = 0
    stopped: bool = False
    errors: tuple[tuple[str, int], ...] = ()
    errors_more: int = 0
    unexpected_fields: tuple[tuple[str, int], ...] = ()
    unexpected_more: int = 0
    problem: str = ""

    @property
    def has_findings(self) -> bool:
        """Whether there is anything to tell but a number of good records."""
        return bool(self.invalid or self.unexpected_fields or self.problem)


class DeadLetterCounts(Value):
    """How many records and lines were kept for people because they do not fit, and for how many there was no room."""

    kept: int = 0
    left_out: int = 0
