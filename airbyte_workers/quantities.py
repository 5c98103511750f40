"""Amounts as people write and read them: CPU and memory as in Kubernetes or Docker (`512m`, `2g`), lengths of time."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})([A-Za-z]*)")  # never more than a float can hold
_MEMORY = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "m": 2**20,  # a thousandth of a byte for Kubernetes, which nobody means; MiB for Docker
    "g": 2**30,
}
LEAST_MEMORY = 6 * 2**20  # bytes; Docker refuses less
LEAST_CPU = 0.01

MAX_IN_A_ROW = 1000
MAX_IN_ALL = 500  # failures of either kind: Temporal ends a run of 51,200 events, and an attempt is 30 of them
MAX_INTERVAL_S = 30 * 86_400
Retries = Annotated[int, Field(ge=0, le=MAX_IN_A_ROW)]
InARow = Annotated[int, Field(ge=1, le=MAX_IN_A_ROW)]
InAll = Annotated[int, Field(ge=1, le=MAX_IN_ALL)]
Interval = Annotated[float, Field(ge=0, le=MAX_INTERVAL_S)]


def cpus(text: str) -> float:
    """Cores: `2`, `0.5`, `500m`. Raises ValueError."""
    number, unit = _split(text, "a number of cores such as 0.5 or 500m")
    if unit not in ("", "m"):
        raise ValueError("not a number of cores such as 0.5 or 500m")
    cores = number / 1000 if unit == "m" else number
    if cores < LEAST_CPU:
        raise ValueError(f"less than {LEAST_CPU} cores")
    return cores


def memory_bytes(text: str) -> int:
    """Bytes: `512Mi`, `2Gi`, `1.5G`, `512m`, `536870912`. Raises ValueError."""
    number, unit = _split(text, "an amount of memory such as 512Mi or 2Gi")
    if unit not in _MEMORY:
        raise ValueError("not an amount of memory such as 512Mi or 2Gi")
    size = round(number * _MEMORY[unit])
    if size < LEAST_MEMORY:
        raise ValueError("less than 6Mi of memory")
    return size


def size_bytes(text: str) -> int:
    """Bytes, at least one: `512`, `512Ki`, `10Mi`. Raises ValueError."""
    number, unit = _split(text, "an amount of bytes such as 500Ki or 10Mi")
    if unit not in _MEMORY or (size := round(number * _MEMORY[unit])) < 1:
        raise ValueError("not an amount of bytes such as 500Ki or 10Mi")
    return size


def duration(seconds: float) -> str:
    """Seconds as people read them: `0.4 s`, `10 s`, `1 m 30 s`, `2 h 5 m`."""
    if round(seconds, 1) < 60:
        return f"{round(seconds, 1):g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m"


def _split(text: str, wanted: str) -> tuple[float, str]:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not {wanted}")
    return float(found[1]), found[2]
