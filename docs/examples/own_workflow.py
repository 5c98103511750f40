"""A workflow of your own in which a sync is one step: run it beside a stack that has the connection `people`.

Needs the package temporalio alone, and TEMPORAL_ADDRESS.
"""

import asyncio
import os
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ChildWorkflowError
from temporalio.worker import Worker


@activity.defn
async def tell(text: str) -> None:
    """Where a real one would start what uses the data."""
    print(text)  # noqa: T201  # what the example shows


@workflow.defn
class NightlyReport:
    """Sync first; what follows runs on data that is proven to be there."""

    @workflow.run
    async def run(self, connection: str) -> int:
        try:
            report = await workflow.execute_child_workflow(
                "Sync",
                {"connection": connection},
                id=f"sync/{connection}",
                task_queue="airbyte",
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            )
        except ChildWorkflowError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == "SyncFailed":
                (report,) = error.cause.details
                await self._tell(f"the sync failed: {report['failures'][0]['message']}")
            raise
        await self._tell(f"{report['records_committed']} new records of {connection}")
        return int(report["records_committed"])

    async def _tell(self, text: str) -> None:
        await workflow.execute_activity(tell, text, start_to_close_timeout=timedelta(seconds=10))


async def main() -> None:
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    async with Worker(client, task_queue="reports", workflows=[NightlyReport], activities=[tell]):
        await client.execute_workflow(NightlyReport.run, "people", id=f"report/{uuid4()}", task_queue="reports")
    await asyncio.sleep(0.1)  # lets the SDK's threads go before the interpreter does


if __name__ == "__main__":
    asyncio.run(main())
