"""Our own log lines: one shape for Temporal's SDK, workflows, activities, background tasks and the command line."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from airbyte_workers.protocol.config_secrets import ENV_PREFIX
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry import shape
from airbyte_workers.telemetry.keys import KEYS

_SDK_KEYS = {
    "workflow_id": "workflow_id",
    "workflow_run_id": "run_id",
    "run_id": "run_id",
    "workflow_type": "workflow_type",
    "activity_type": "activity_type",
    "attempt": "temporal_attempt",
    "task_queue": "task_queue",
}
"""What the SDK calls it, and we do; what is not here tells a reader nothing that the rest does not."""
_SDK_EXTRAS = ("temporal_workflow", "temporal_activity", "temporal_log")
_SDK_MARK = "__temporal"
_IN_ADDRESS, _ADDRESS = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@"), rf"\1:{MASK}@"
_log = structlog.get_logger(__name__)


def configure(settings: Settings, level: str | None = None) -> None:
    """Send everything to stderr, in the shape of the settings; stdout belongs to results."""
    lines = _Lines(settings)
    first = [structlog.contextvars.merge_contextvars]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *first,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*first, structlog.stdlib.ExtraAdder(), structlog.processors.format_exc_info],
            processors=[_described, _lifted, lines.shown],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level or settings.log_level)
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # whoever asked tells that the database is away
    _tell_uncaught()


def _described(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Who says it, how bad it is and when: for every line from its record, that of Temporal's core is older."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    event.setdefault("logger", record.name)
    event.setdefault("timestamp", shape.moment(record.created))
    event["level"] = record.levelname.lower()
    return event


def _lifted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What the SDK tells of a run in objects of its own, as keys like ours."""
    for name in [name for name in event if name.startswith(_SDK_MARK)]:
        del event[name]
    for name in _SDK_EXTRAS:
        told = event.pop(name, None)
        for key, value in _told_by_sdk(told).items():
            event.setdefault(_SDK_KEYS.get(key, key), value)
    return event


def _told_by_sdk(extra: Any) -> Mapping[str, Any]:
    """Of a run or an activity what we have keys for; of a line of the SDK's core all of its fields."""
    if isinstance(extra, Mapping):
        return {key: value for key, value in extra.items() if key in _SDK_KEYS}
    fields = getattr(extra, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


class _Lines:
    """Writes lines without the secrets that this process knows: values of variables that secret references may name,
    passwords in addresses, what stands beside a telling name."""

    def __init__(self, settings: Settings) -> None:
        self._is_json = settings.log_format == "json"
        self._longest = settings.max_log_line_bytes
        self._colours = sys.stderr is not None and sys.stderr.isatty()
        secrets = [value for name, value in os.environ.items() if name.startswith(ENV_PREFIX)]
        self._redact = Redactor(secrets)

    def shown(self, _: WrappedLogger, __: str, event: EventDict) -> str:
        """The line. Keys by which lines are found are names, and stay as they are."""
        shown = {
            name: value if name in KEYS and name != "event" else self._without_secrets(value)
            for name, value in event.items()
        }
        if "exception" in event:
            shown["exception"] = self._trace(event["exception"])
        return shape.in_json(shown) if self._is_json else shape.in_words(shown, colours=self._colours)

    def _without_secrets(self, value: Any) -> Any:
        """A number, and a list or an object of which nothing has to be hidden, stays what it is."""
        if value is None or isinstance(value, bool | int | float):
            return value
        told = str(value)
        shown, _ = self._redact.cut(_IN_ADDRESS.sub(_ADDRESS, told), self._longest)
        return value if shown == told else shown

    def _trace(self, text: str) -> str:
        """A traceback; of one that is too long its end, where the error stands."""
        shown = self._redact(_IN_ADDRESS.sub(_ADDRESS, text))
        return shown if len(shown) <= self._longest else f"[cut] {shown[-self._longest :]}"


def _tell_uncaught() -> None:
    """What ends a program or a thread, and nobody has caught, is a line like all others; Python's warnings are, too."""

    def program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _log.critical("program failed", exc_info=(kind, error, trace))

    def thread(ended: threading.ExceptHookArgs) -> None:
        told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        _log.critical("thread failed", thread=ended.thread and ended.thread.name, exc_info=told)

    sys.excepthook = program
    threading.excepthook = thread
    logging.captureWarnings(capture=True)
