"""By what Temporal's lists find a run: set by the run itself, because whoever starts it by hand sets nothing."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from airbyte_workers.models import JobStatus, SearchAttributes
from airbyte_workers.names import STATUS_ATTRIBUTE

_STATUS = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)


class Found:
    """What a run has told so far; each change is an event of its history, so only changes are told."""

    def __init__(self) -> None:
        self._by = SearchAttributes()
        self._status: JobStatus | None = None

    def open(self, by: SearchAttributes) -> None:
        """The job is opened: what it can be found by is known. Called once, before any status."""
        self._by = by
        updates: list[SearchAttributeUpdate[Any]] = [
            SearchAttributeKey.for_keyword(name).value_set(value) for name, value in by.keywords.items()
        ]
        updates += [SearchAttributeKey.for_keyword_list(name).value_set(value) for name, value in by.lists.items()]
        self._tell(updates, JobStatus.RUNNING)

    def tell(self, status: JobStatus) -> None:
        """The job's status is now this one."""
        self._tell([], status)

    def _tell(self, updates: list[SearchAttributeUpdate[Any]], status: JobStatus) -> None:
        if self._by.status and status is not self._status:
            updates.append(_STATUS.value_set(str(status)))
            self._status = status
        if updates:
            workflow.upsert_search_attributes(updates)
