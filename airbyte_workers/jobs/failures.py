"""Failures: built in one place, cut to their lengths, put in order (airbyte-behaviour.md 5.10)."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_workers.models import Failure, FailureOrigin, FailureType

MAX_MESSAGE = 50_000  # characters, upstream's limit for what is stored
MAX_MESSAGE_IN_HISTORY = 2_000  # characters; Temporal's history must not grow with what a connector says
MAX_FAILURES = 10
_CUT = " [cut]"
_TRACE_TYPES = {
    "config_error": FailureType.CONFIG_ERROR,
    "transient_error": FailureType.TRANSIENT_ERROR,
    "system_error": FailureType.SYSTEM_ERROR,
}


def cut(text: str, limit: int = MAX_MESSAGE) -> str:
    """The text within `limit` characters, the mark of the cut included; what JSON or SQL cannot hold is taken out."""
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return clean if len(clean) <= limit else clean[: limit - len(_CUT)] + _CUT


def from_trace(
    origin: FailureOrigin, message: str, failure_type: str | None, internal_message: str | None = None
) -> Failure:
    """The failure that a connector's ERROR trace tells of; no type means system_error."""
    return Failure(
        origin=origin,
        type=_TRACE_TYPES.get(failure_type or "", FailureType.SYSTEM_ERROR),
        message=cut(message or "the connector gave no message"),
        internal_message=cut(internal_message) if internal_message else None,
    )


def memory_exhausted(origin: FailureOrigin, code: int, limit: int) -> str:
    """What to tell of a connector that the kernel killed; `limit` in bytes, 0: it had none of its own."""
    if not limit:
        return f"the {origin} exited with code {code}: this machine ran out of memory and the kernel killed it"
    return (
        f"the {origin} exited with code {code}: it ran out of memory, its limit is {limit / 2**20:,.0f} MiB"
        f" (raise {origin}.resources.memory_limit, or JOB_MAIN_CONTAINER_MEMORY_LIMIT)"
    )


def ordered(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """A config error first (it decides about retries), then as they came; each once, ten at the most."""
    unique = list(dict.fromkeys(failures))
    first = [failure for failure in unique if failure.type is FailureType.CONFIG_ERROR]
    rest = [failure for failure in unique if failure.type is not FailureType.CONFIG_ERROR]
    kept = (first + rest)[:MAX_FAILURES]
    left_out = len(unique) - len(kept)
    if left_out:
        notice = f" (and {left_out} more failures)"
        kept[-1] = kept[-1].model_copy(update={"message": cut(kept[-1].message, MAX_MESSAGE - len(notice)) + notice})
    return tuple(kept)


def for_history(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """The failures as they may cross Temporal: short, without what only a log reader needs."""
    return tuple(
        failure.model_copy(update={"message": cut(failure.message, MAX_MESSAGE_IN_HISTORY), "internal_message": None})
        for failure in ordered(failures)
    )
