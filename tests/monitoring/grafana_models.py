"""Whether JSON is a dashboard by Grafana's own schema, of which grafana-foundation-sdk is generated.

The SDK reads what it knows and forgets the rest, and never looks at a value's type: both are looked at here.
"""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models.dashboard import Dashboard

SDK = "grafana_foundation_sdk.models."
register_default_plugins()


def problems(data: dict[str, Any]) -> list[str]:
    """What Grafana would not understand, each with the place where it stands."""
    read = Dashboard.from_json(data)
    kept = json.loads(json.dumps(read, cls=JSONEncoder))
    return [*_differences(data, kept, "dashboard"), *_misfits(read, Dashboard, "dashboard")]


def _differences(given: Any, kept: Any, where: str) -> Iterator[str]:
    """Fields that the schema does not have are not kept; what is left out gets its default."""
    if isinstance(given, dict) and isinstance(kept, dict):
        yield from (f"{where}: no such field {name}" for name in given.keys() - kept.keys())
        for name in given.keys() & kept.keys():
            yield from _differences(given[name], kept[name], f"{where}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _differences(one, other, f"{where}[{number}]")
    elif given != kept:
        yield f"{where}: {given!r} becomes {kept!r}"


def _misfits(value: Any, hint: Any, where: str) -> Iterator[str]:
    if isinstance(value, UnknownDataquery):
        yield f"{where}: a query of no data source that there is"
    elif type(value).__module__.startswith(SDK) and not isinstance(value, enum.Enum):
        yield from _misfits_inside(value, hint, where)
    elif not _fits(value, hint):
        yield f"{where}: {value!r} is not {hint}"
    elif isinstance(value, list):
        (each,) = get_args(_listed(hint)) or (object,)
        for number, item in enumerate(value):
            yield from _misfits(item, each, f"{where}[{number}]")


def _misfits_inside(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not any(each is object or (isinstance(each, type) and isinstance(value, each)) for each in _choices(hint)):
        yield f"{where}: a {type(value).__name__} is not {hint}"
    for name, wanted in get_type_hints(type(value)).items():
        yield from _misfits(getattr(value, name), wanted, f"{where}.{name}")


def _choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _listed(hint: Any) -> Any:
    return next((each for each in _choices(hint) if get_origin(each) is list), hint)


def _fits(value: Any, hint: Any) -> bool:
    return any(_is(value, each) for each in _choices(hint))


def _is(value: Any, wanted: Any) -> bool:
    origin = get_origin(wanted)
    if origin is Literal:
        return value in get_args(wanted)
    if origin in (list, dict):
        return isinstance(value, origin)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return value in [member.value for member in wanted]
    if wanted in (int, float):
        return isinstance(value, int | wanted) and not isinstance(value, bool)
    return wanted in (object, Any) or (isinstance(wanted, type) and isinstance(value, wanted))
