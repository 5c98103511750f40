"""Names that processes must agree on."""

from __future__ import annotations

import pytest

from airbyte_workers.names import JobKind, Role, container_name, launch_queue, pod_name, sync_workflow_id

KINDS = [
    (JobKind.SPEC, "airbyte-spec", "spec-job-12345-attempt-0"),
    (JobKind.CHECK, "airbyte-check", "check-job-12345-attempt-0"),
    (JobKind.DISCOVER, "airbyte-discover", "discover-job-12345-attempt-0"),
    (JobKind.SYNC, "airbyte-sync", "replication-job-12345-attempt-0"),
    (JobKind.CLEAR, "airbyte-sync", "replication-job-12345-attempt-0"),
    (JobKind.REFRESH, "airbyte-sync", "replication-job-12345-attempt-0"),
]


@pytest.mark.parametrize(("kind", "queue", "pod"), KINDS)
def test_a_kinds_queue_and_pod(kind: JobKind, queue: str, pod: str) -> None:
    assert launch_queue(kind) == queue
    assert pod_name(kind, 12345, 0) == pod


def test_every_kind_is_in_the_table() -> None:
    assert {kind for kind, _, _ in KINDS} == set(JobKind)


@pytest.mark.parametrize("role", list(Role))
def test_a_container_is_named_after_its_pod_and_its_place(role: Role) -> None:
    assert container_name("replication-job-1-attempt-0", role) == f"replication-job-1-attempt-0-{role}"


def test_the_lock_of_a_connection_is_its_workflow_id() -> None:
    assert sync_workflow_id("demo") == "sync/demo"
