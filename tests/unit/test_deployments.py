"""Versions of Temporal workers: when there are any, what has one, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.deployment.v1 import RoutingConfig
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as Routed
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion

import airbyte_workers
from airbyte_workers.cli.versions import hints
from airbyte_workers.names import WATCH_QUEUE, WORKFLOW_QUEUE, JobKind, launch_queue
from airbyte_workers.runtime.deployments import Version, VersionUnclear, options_for, standing_of, version_of
from airbyte_workers.runtime.stack import Stack
from airbyte_workers.settings import Settings

BOTH = Settings(worker_deployment_name="airbyte", worker_build_id="7")
OWN = WorkerDeploymentVersion("airbyte", "7")


def current(build_id: str) -> RoutingConfig:
    return RoutingConfig(current_deployment_version=Routed(deployment_name="airbyte", build_id=build_id))


def test_without_the_variables_there_are_no_versions() -> None:
    assert version_of(Settings(worker_deployment_name=None, worker_build_id=None)) is None


def test_a_deployment_alone_has_the_packages_version() -> None:
    named = Settings(worker_deployment_name="airbyte", worker_build_id=None)
    assert version_of(named) == WorkerDeploymentVersion("airbyte", airbyte_workers.__version__)


def test_a_version_that_is_given_wins() -> None:
    assert version_of(BOTH) == OWN
    assert version_of(BOTH, "8") == WorkerDeploymentVersion("airbyte", "8")


def test_a_version_alone_is_refused() -> None:
    with pytest.raises(VersionUnclear, match="set WORKER_DEPLOYMENT_NAME, too"):
        version_of(Settings(worker_deployment_name=None, worker_build_id="7"))


def test_what_decides_has_a_version_and_pins_its_runs() -> None:
    told = options_for(BOTH, WORKFLOW_QUEUE)
    config = told["deployment_config"]
    assert (config.version, config.use_worker_versioning) == (OWN, True)
    assert config.default_versioning_behavior is VersioningBehavior.PINNED
    assert "build_id" not in told  # the SDK takes one or the other


@pytest.mark.parametrize("queue", sorted({WATCH_QUEUE, *(launch_queue(kind) for kind in JobKind)}))
def test_what_launches_and_watches_pods_has_none(queue: str) -> None:
    assert "deployment_config" not in options_for(BOTH, queue)


def test_the_embedded_stack_has_none_whatever_the_environment_says() -> None:
    stack = Stack("127.0.0.1:1", "http://127.0.0.1:2", "postgresql://127.0.0.1:3/d", Path("/h"), 1)
    assert version_of(stack.applied_to(BOTH)) is None
    assert version_of(stack.applied_to(Settings(worker_build_id="7"))) is None


@pytest.mark.parametrize(
    ("routing", "said"),
    [
        (current("7"), "new jobs go to this version of airbyte: 7"),
        (
            current("6"),
            "new jobs go to version 6 of airbyte, not to this one (7), until: airbyte-workers versions make-current 7",
        ),
        (
            RoutingConfig(current_version="__unversioned__"),
            "no version of airbyte is current, so its workers take up no job until one is made it: "
            "airbyte-workers versions make-current 7 "
            "(or: temporal worker deployment set-current-version --deployment-name airbyte --build-id 7)",
        ),
    ],
    ids=["own", "another", "none"],
)
def test_a_worker_says_where_new_jobs_go(routing: RoutingConfig, said: str) -> None:
    assert standing_of(OWN, routing) == said


def test_versions_that_can_end_their_runs_need_nothing() -> None:
    assert list(hints("airbyte", [Version("7", "current", 2, 1), Version("6", "draining", 0, 0)])) == []


def test_a_version_with_runs_and_no_worker_needs_somebody() -> None:
    (hint,) = hints("airbyte", [Version("7", "current", 0, 1), Version("6", "draining", 2, 0)])
    assert "version 6 has open runs and no worker: start one, or move them" in hint
    assert "TemporalWorkerDeploymentVersion='airbyte:6' AND ExecutionStatus='Running'" in hint
    assert hint.endswith("--versioning-override-deployment-name airbyte --versioning-override-build-id 7")


def test_without_a_current_version_it_is_told_how_to_have_one() -> None:
    (hint,) = hints("airbyte", [Version("7", "inactive", 0, 1)])
    assert "airbyte-workers versions make-current VERSION" in hint
