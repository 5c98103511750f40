"""Checks of Temporal: the server, the namespace, what runs are found by, versions of Temporal workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError

from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.names import SEARCH_ATTRIBUTES
from airbyte_workers.quantities import duration
from airbyte_workers.runtime import deployments
from airbyte_workers.runtime.deployments import UnknownVersion, Version, VersionUnclear
from airbyte_workers.runtime.search_attributes import OURS, Registered
from airbyte_workers.runtime.temporal import TemporalUnreachable

_DAY_S = 86_400


def limit(means: Means) -> timedelta:
    """For one call to Temporal."""
    return timedelta(seconds=means.limit_s)


async def look_at_server(means: Means) -> Sequence[Finding]:
    try:
        client = await means.temporal.opened()
    except TemporalUnreachable as error:
        if error.answers:
            return [ok(f"answers at {means.settings.temporal_address or 'the address of its own settings'}")]
        return [fault(str(error), "start it, or name the one that runs: TEMPORAL_ADDRESS=host:7233, TEMPORAL_TLS")]
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=limit(means))
    return [ok(f"{info.server_version} at {_address(client)}")]


async def look_at_namespace(means: Means) -> Sequence[Finding]:
    name = means.settings.temporal_namespace
    try:
        client = await means.temporal.opened()
    except TemporalUnreachable as error:
        if not error.answers:
            raise Skip("Temporal cannot be used, see above") from None
        make = f"temporal operator namespace create --namespace {name} --retention 7d"
        return [fault(str(error), f"whoever may: {make}; or name another one: TEMPORAL_NAMESPACE")]
    try:
        request = DescribeNamespaceRequest(namespace=client.namespace)
        told = await client.workflow_service.describe_namespace(request, timeout=limit(means))
    except RPCError as error:
        return [
            warning(
                f"{client.namespace}: Temporal does not say anything of it: {error.message}", "ask for the right to"
            )
        ]
    kept_s = told.config.workflow_execution_retention_ttl.ToSeconds()
    kept = f"{kept_s / _DAY_S:g} d" if kept_s >= _DAY_S else duration(kept_s)
    return [ok(f"{client.namespace}; runs that have ended are kept for {kept}")]


def _address(client: Client) -> str:
    return client.service_client.config.target_host


# --- search attributes ---


async def look_at_search_attributes(means: Means) -> Sequence[Finding]:
    client = await means.temporal.through()
    try:
        return judge_search_attributes(await Registered(client).there())
    except RPCError as error:
        return [warning(f"Temporal does not say which there are: {error.message}", "ask for the right to list them")]


def judge_search_attributes(there: Mapping[str, int]) -> Sequence[Finding]:
    """`there`: the type of each that is registered."""
    missing = [name for name in OURS if name not in there]
    others = [name for name, kind in OURS.items() if there.get(name, kind) != kind]
    found = list[Finding]()
    if missing:
        words = " ".join(f"--name {name} --type {SEARCH_ATTRIBUTES[name]}" for name in missing)
        found.append(
            warning(  # a job sets only those that are
                f"not registered: {', '.join(missing)}; jobs cannot be found by them in Temporal's page",
                f"whoever may: temporal operator search-attribute create {words}",
                fixable=True,
            )
        )
    if others:
        found.append(
            warning(
                f"registered with another type than ours: {', '.join(others)}; jobs cannot be found by them",
                "remove them if nobody uses them: temporal operator search-attribute remove",
            )
        )
    return found or [ok(", ".join(OURS))]


async def register_search_attributes(means: Means) -> str:
    """Raises Skip where Temporal does not let us."""
    attributes = Registered(await means.temporal.through())
    before = set(await attributes.there())
    await attributes.look()
    added = [name for name in OURS if name in attributes.names() - before]
    if not added:
        raise Skip("Temporal registered none of them")
    return f"registered {', '.join(added)}"


# --- versions of Temporal workers ---


async def look_at_versions(means: Means) -> Sequence[Finding]:
    client, name = await means.temporal.through(), means.settings.worker_deployment_name
    try:
        deployments.version_of(means.settings)
    except VersionUnclear as error:
        return [fault(str(error), "set WORKER_DEPLOYMENT_NAME, or unset WORKER_BUILD_ID")]
    if name is None:
        raise Skip("WORKER_DEPLOYMENT_NAME is not set: Temporal workers have no versions")
    try:
        return judge_versions(name, await deployments.versions(client, name))
    except UnknownVersion as error:
        return [fault(str(error), f"start one: WORKER_DEPLOYMENT_NAME={name} airbyte-workers worker")]


def judge_versions(name: str, versions: Sequence[Version]) -> Sequence[Finding]:
    """One version must be current, and whoever has open runs must have a Temporal worker."""
    found = list[Finding]()
    if not any(each.status == "current" for each in versions):
        newest = versions[0].build_id if versions else "VERSION"
        advice = f"airbyte-workers versions make-current {newest}"
        found.append(fault(f"no version of {name} is current: its workers take up no job", advice))
    for each in versions:
        if each.workers == 0 and (each.open_runs or each.status == "current"):
            held = f"{each.open_runs} open runs" if each.open_runs else "new jobs"
            found.append(
                fault(
                    f"version {each.build_id} has no Temporal worker, and {held} wait for one",
                    f"start one: WORKER_DEPLOYMENT_NAME={name} WORKER_BUILD_ID={each.build_id} airbyte-workers worker",
                )
            )
    told = ", ".join(f"{each.build_id} ({each.status}, {each.workers} workers)" for each in versions)
    return found or [ok(f"{name}: {told}")]
