"""Failures: built in one place, cut to their lengths, put in order (airbyte-behaviour.md 5.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from airbyte_workers.models import NEVER_RETRIED, Failure, FailureOrigin, FailureType

MAX_MESSAGE = 50_000  # characters, upstream's limit for what is stored
MAX_MESSAGE_IN_HISTORY = 2_000  # bytes; Temporal's history must not grow with what a connector says
MAX_FAILURES = 10
MAX_FAILURES_IN_HISTORY = 3
_MAX_FURTHER = 300  # bytes of a message that is not the first
Command = Literal["spec", "check", "discover", "read", "write"]
_CUT = " [cut]"
_COMMANDS: Mapping[FailureOrigin, Command] = {FailureOrigin.SOURCE: "read", FailureOrigin.DESTINATION: "write"}
_TRACE_TYPES = {
    "config_error": FailureType.CONFIG_ERROR,
    "transient_error": FailureType.TRANSIENT_ERROR,
    "system_error": FailureType.SYSTEM_ERROR,
}


def cut(text: str, limit: int = MAX_MESSAGE) -> str:
    """The text within `limit` characters, the mark of the cut included; what JSON or SQL cannot hold is taken out."""
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return clean if len(clean) <= limit else clean[: limit - len(_CUT)] + _CUT


def command_in_sync(origin: FailureOrigin) -> Command | None:
    """What a connector was doing that failed in a sync; None for whoever is no connector."""
    return _COMMANDS.get(origin)


def of_sync(origin: FailureOrigin, kind: FailureType, message: str) -> Failure:
    """A failure in a sync: of its source that read, of its destination that wrote, or of neither."""
    return Failure(origin=origin, type=kind, message=cut(message), command=command_in_sync(origin))


def of_platform(kind: FailureType, message: str) -> Failure:
    """A failure of ours, or one that is nobody's: of the job, its pod, its places."""
    return Failure(origin=FailureOrigin.PLATFORM, type=kind, message=cut(message))


def cancellation(by: str = "", why: str = "") -> Failure:
    """The end of a job that somebody wanted; who and why as far as it is known."""
    who = f"cancelled by {by}" if by else "the job was cancelled"
    return of_platform(FailureType.MANUAL_CANCELLATION, f"{who}: {why}" if why else who)


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
    """What is not retried first (it decides), then as they came; each once, ten at the most."""
    return _noticed(_sorted(failures), MAX_FAILURES)


def for_history(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """The failures as they may cross Temporal: a few, the first one long, nothing that only a log reader needs."""
    return _brief(failures, MAX_MESSAGE_IN_HISTORY, MAX_FAILURES_IN_HISTORY)


def in_one_line(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """The first failure alone and short, for a list of attempts that crosses Temporal."""
    return _brief(failures, _MAX_FURTHER, 1)


def _brief(failures: Sequence[Failure], first: int, keep: int) -> tuple[Failure, ...]:
    limits = [first] + [_MAX_FURTHER] * len(failures)
    brief = [
        failure.model_copy(update={"message": _cut_bytes(failure.message, limit), "internal_message": None})
        for failure, limit in zip(_sorted(failures), limits, strict=False)
    ]
    return _noticed(brief, keep)


def _sorted(failures: Sequence[Failure]) -> list[Failure]:
    unique = list(dict.fromkeys(failures))
    return sorted(unique, key=lambda failure: failure.type not in NEVER_RETRIED)


def _noticed(failures: Sequence[Failure], keep: int) -> tuple[Failure, ...]:
    """The first few; the last of them says how many are left out."""
    kept = list(failures[:keep])
    left_out = len(failures) - len(kept)
    if left_out:
        notice = f" (and {left_out} more failures)"
        kept[-1] = kept[-1].model_copy(update={"message": cut(kept[-1].message, MAX_MESSAGE - len(notice)) + notice})
    return tuple(kept)


def _cut_bytes(text: str, limit: int) -> str:
    clean = cut(text)
    whole = clean.encode()
    return clean if len(whole) <= limit else whole[: limit - len(_CUT)].decode(errors="ignore") + _CUT
