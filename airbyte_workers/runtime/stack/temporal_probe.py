"""Asks a Temporal server whether it works. A module of its own because importing the SDK takes half a second."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError


async def knows_namespace(address: str, namespace: str) -> bool:
    """Whether the server answers and the namespace exists."""
    try:
        client = await Client.connect(address, namespace=namespace)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except (RPCError, RuntimeError):
        return False
    return True
