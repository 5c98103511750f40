"""Names that more than one process must agree on: task queues, workflow ids, pods, labels, files."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Literal, NamedTuple

WORKFLOW_QUEUE = "airbyte"
WATCH_QUEUE = "airbyte-watch"
SYNC_ID_PREFIX = "sync/"
SCHEDULE_ID_PREFIX = "schedule/"
SCHEDULED_SYNC = "ScheduledSync"
"""The workflow type that schedules start."""
IS_SCHEDULED = "is_scheduled"
"""The memo by which a sync knows that a schedule started it."""
INVALID_INPUT = "InvalidInput"
CONNECTION_BUSY = "ConnectionBusy"
SYNC_FAILED = "SyncFailed"
CONNECTOR_FAILED = "ConnectorFailed"
"""Types of Temporal failures: a client decides by them, so they are part of the interface."""
JOB_GONE, ATTEMPT_GONE = "JobGone", "AttemptGone"
"""Types of failures that no repetition helps; each is the name of the class that is raised."""
POD_VARIABLE = "AIRBYTE_WORKERS_POD"
"""The environment variable by which a local process says which pod it belongs to."""

CONNECTION_ATTRIBUTE, WORKSPACE_ATTRIBUTE = "AirbyteConnection", "AirbyteWorkspace"
STATUS_ATTRIBUTE, IMAGES_ATTRIBUTE = "AirbyteJobStatus", "AirbyteImage"
SEARCH_ATTRIBUTES = {
    CONNECTION_ATTRIBUTE: "Keyword",
    WORKSPACE_ATTRIBUTE: "Keyword",
    STATUS_ATTRIBUTE: "Keyword",
    IMAGES_ATTRIBUTE: "KeywordList",
}
"""By what runs are found in Temporal, and of which type each is there."""

JOURNAL = "journal"
"""The file in an orchestrator's own folder that holds what is acknowledged and not committed (store/journals.py)."""

FORK_SERVER_MODULE = "airbyte_workers.orchestrator.fork_server"
"""What the processes that keep pods' own programs run as, where those were not started cold."""

LauncherName = Literal["process", "docker"]
"""What runs pods; each is made in pods/launchers.py."""
CONTAINER_LAUNCHERS: frozenset[LauncherName] = frozenset({"docker"})
"""Those that isolate a connector in a container of its image, and so run no commands."""
LauncherChoice = Literal[LauncherName, "auto"]
"""What people ask for; pods/choice.py settles what `auto` means for a job."""


_POD_NAME = re.compile(r"[a-z]+-job-(\d{1,18})-attempt-(\d{1,9})(?:-[a-z]+)?\Z")


class JobKind(StrEnum):
    """What a job does; `clear` and `refresh` are replication jobs like `sync`."""

    SPEC = "spec"
    CHECK = "check"
    DISCOVER = "discover"
    SYNC = "sync"
    CLEAR = "clear"
    REFRESH = "refresh"


REPLICATION_KINDS = frozenset({JobKind.SYNC, JobKind.CLEAR, JobKind.REFRESH})


class Role(StrEnum):
    """The place of one container in a pod; also its folder and the end of its name."""

    SOURCE = "source"
    DESTINATION = "destination"
    MAIN = "main"
    ORCHESTRATOR = "orchestrator"
    SIDECAR = "sidecar"


CONNECTOR_ROLES = frozenset({Role.SOURCE, Role.DESTINATION, Role.MAIN})


def launch_queue(kind: JobKind) -> str:
    """The task queue on which pods of this kind wait for a place (architecture section 7)."""
    return f"airbyte-{JobKind.SYNC if kind in REPLICATION_KINDS else kind}"


def sync_workflow_id(connection: str) -> str:
    """The fixed workflow id of a connection's syncs: the face of its lock."""
    return f"{SYNC_ID_PREFIX}{connection}"


def connection_of(workflow_id: str) -> str | None:
    """The connection that a fixed workflow id belongs to; None: it is another workflow's."""
    return workflow_id.removeprefix(SYNC_ID_PREFIX) if workflow_id.startswith(SYNC_ID_PREFIX) else None


def schedule_id(connection: str) -> str:
    """The id of a connection's schedule."""
    return f"{SCHEDULE_ID_PREFIX}{connection}"


def scheduled_workflow_id(connection: str) -> str:
    """What the ids of a schedule's runs begin with; Temporal adds the time that each was due."""
    return f"scheduled/{connection}"


def pod_name(kind: JobKind, job_id: int, attempt: int, of: Role | None = None) -> str:
    """The deterministic name of an attempt's pod; `attempt` counts from 0, `of` is the connector that a sync asks."""
    prefix = "replication" if kind in REPLICATION_KINDS else kind
    return f"{prefix}-job-{job_id}-attempt-{attempt}" + (f"-{of}" if of is not None else "")


class PodParts(NamedTuple):
    """What a pod's name tells; `attempt` counts from 0."""

    job_id: int
    attempt: int


def parts_of_pod(pod: str) -> PodParts | None:
    """The inverse of `pod_name`, as far as every name goes; None: it is no pod's name."""
    found = _POD_NAME.match(pod)
    return PodParts(int(found[1]), int(found[2])) if found else None


def container_name(pod: str, role: Role) -> str:
    """The name of one container of a pod."""
    return f"{pod}-{role}"
