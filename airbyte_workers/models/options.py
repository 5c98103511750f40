"""What a connection's owner chooses about its data on the way: names, changes, checks, clocks, speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, PositiveFloat, StringConstraints, model_validator

from airbyte_workers.models.values import Typed
from airbyte_workers.quantities import size_bytes

Minutes = Annotated[float, Field(ge=0, le=525_600)]
ValidationMode = Literal["off", "sampled", "full"]
_UPSTREAM = {"type": "name", "mapperConfiguration": "config", "mapper_configuration": "config"}


class Mapper(Typed):
    """One change of a stream's records; `name` and `config` are upstream's, as is `type` with `mapperConfiguration`.

    `config_id` stands for a config with a key that a client handed to the job database.
    """

    name: Annotated[str, StringConstraints(min_length=1)]
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    config_id: UUID | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_upstream(cls, typed: object) -> object:
        """Upstream's API writes the same in other words, and adds an id that says nothing here."""
        if not isinstance(typed, Mapping):
            return typed
        named = {_UPSTREAM.get(field, field): value for field, value in typed.items() if field != "id"}
        return named if len(named) == len(typed.keys() - {"id"}) else typed


class Validation(Typed):
    """Whether records are compared with their stream's schema; `mode` None: the setting VALIDATION_MODE.

    A record that does not fit goes on all the same. `max_invalid_records`: more of them fail the sync.
    `dead_letters`: keep them, with the reasons, beside the job's log.
    """

    mode: ValidationMode | None = None
    max_invalid_records: Annotated[int, Field(ge=0)] | None = None
    dead_letters: bool = False

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        if self.mode == "off" and self.max_invalid_records is not None:
            raise ValueError("max_invalid_records needs a mode that finds invalid records: sampled or full")
        return self


class Clocks(Typed):
    """How long an attempt waits for what, in minutes; 0: for ever, None: the setting of the same name.

    `source_silence_minutes`: for any byte of the source. `source_progress_minutes`: for a record or a state of it.
    `acknowledgement_minutes`: for an echo of the destination that owes one. `total_minutes`: the job as a whole.
    """

    source_silence_minutes: Minutes | None = None
    source_progress_minutes: Minutes | None = None
    acknowledgement_minutes: Minutes | None = None
    total_minutes: Minutes | None = None


def _bytes_per_second(amount: str | int | None) -> str | int | None:
    if amount is not None:
        size_bytes(str(amount))
    return amount


class SpeedLimits(Typed):
    """How much may go through in a second; None: as much as goes. Bytes also as `10Mi`."""

    records_per_second: PositiveFloat | None = None
    bytes_per_second: Annotated[str | int | None, AfterValidator(_bytes_per_second)] = None
