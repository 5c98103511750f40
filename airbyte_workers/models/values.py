"""The two kinds of values: what a person types, and what a program writes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Typed(BaseModel):
    """What a person types: unknown fields are refused, values never stand in an error message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Value(BaseModel):
    """What a program writes: a reader of an older version skips fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
