"""Checks of what this Python is installed with: packages that take the place of ours, time zones."""

from __future__ import annotations

import importlib.util
import zoneinfo
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import airbyte_workers
from airbyte_workers.doctor.findings import Finding, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import apart

OURS = ("workflows", "activities")
"""Our packages whose names others have, too."""
DISTRIBUTION = "airbyte-workers"
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")


async def look_at_packages(_: Means) -> Sequence[Finding]:
    return judge_packages(*await apart(lambda: (_home(), _places(), _owners())))


def _home() -> Path:
    return Path(airbyte_workers.__file__).resolve().parents[1]


def _places() -> Mapping[str, Path | None]:
    """Where Python would import each from; it is not imported."""
    return {name: _place(name) for name in OURS}


def _place(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    folders = spec.submodule_search_locations  # a module in one file has none
    return Path(next(iter(folders or ()), spec.origin or "")).resolve()


def _owners() -> Mapping[str, Sequence[str]]:
    """Other distributions that bring a package of such a name."""
    brought = metadata.packages_distributions()
    return {name: sorted({each for each in brought.get(name, ()) if each.lower() != DISTRIBUTION}) for name in OURS}


def judge_packages(
    home: Path, places: Mapping[str, Path | None], owners: Mapping[str, Sequence[str]]
) -> Sequence[Finding]:
    """`home`: where ours are, beside `airbyte_workers`."""
    advice = "install airbyte-workers in an environment of its own, and leave PYTHONPATH empty"
    found = list[Finding]()
    for name in OURS:
        place, others = places[name], ", ".join(owners.get(name, ()))
        if place != home / name:
            whose = f" (brought by {others})" if others else ""
            told = f"is imported from {place}, which is not ours{whose}" if place else "cannot be imported"
            found.append(fault(f"the package `{name}` {told}: Temporal workers cannot start", advice))
        elif others:
            found.append(warning(f"{others} brings a package `{name}`, too: whichever is installed last wins", advice))
    return found or [ok(f"{' and '.join(f'`{name}`' for name in OURS)} are ours")]


# --- time zones ---


async def look_at_time_zones(_: Means) -> Sequence[Finding]:
    return judge_time_zones(await apart(_missing_zones))


def _missing_zones() -> Sequence[str]:
    """Asked past the cache: what an earlier look found may be gone."""
    missing = []
    for name in _ZONES:
        try:
            zoneinfo.ZoneInfo.no_cache(name)
        except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
            missing.append(name)
    return missing


def judge_time_zones(missing: Sequence[str]) -> Sequence[Finding]:
    if not missing:
        return [ok("known")]
    advice = "install the package tzdata (pip install tzdata), or mend PYTHONTZPATH"
    return [fault(f"unknown: {', '.join(missing)}; schedules in such zones cannot be made", advice)]
