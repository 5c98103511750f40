"""What a job's run can be found by in Temporal, out of what is registered there."""

from __future__ import annotations

from collections.abc import Callable, Collection

from airbyte_workers.jobs.failures import cut
from airbyte_workers.models import SearchAttributes
from airbyte_workers.names import CONNECTION_ATTRIBUTE, IMAGES_ATTRIBUTE, STATUS_ATTRIBUTE, WORKSPACE_ATTRIBUTE
from airbyte_workers.store.jobs import Job

Searchable = Callable[[], Collection[str]]
"""The names that are registered now."""
_LONGEST = 200  # characters; Temporal's databases keep 255 of a keyword


def search_attributes(job: Job, workspace: str, registered: Collection[str]) -> SearchAttributes:
    """The values, of those attributes alone that are registered. Temporal does not encrypt them."""
    keywords = {WORKSPACE_ATTRIBUTE: workspace}
    if job.connection:
        keywords[CONNECTION_ATTRIBUTE] = job.connection
    images = dict.fromkeys(cut(connector.public_name, _LONGEST) for connector in job.connectors.values())
    return SearchAttributes(
        keywords={name: cut(value, _LONGEST) for name, value in keywords.items() if name in registered},
        lists={IMAGES_ATTRIBUTE: tuple(images)} if IMAGES_ATTRIBUTE in registered else {},
        status=STATUS_ATTRIBUTE in registered,
    )
