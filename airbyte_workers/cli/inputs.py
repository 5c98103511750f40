"""Workflow inputs as people start runs with them by hand: from the Temporal UI, `temporal`, or any SDK."""

from __future__ import annotations

from airbyte_workers.cli.output import show_json
from airbyte_workers.models import Typed
from airbyte_workers.names import WORKFLOW_QUEUE


def show_input(input: Typed) -> None:
    """The input as one JSON object, without what has its default."""
    show_json(input.model_dump(mode="json", exclude_defaults=True))


def start_line(workflow_type: str, workflow_id: str, input: str) -> str:
    """The command that starts the workflow; `input` is its option for the JSON."""
    return (
        "temporal workflow start"
        f" --type {workflow_type} --task-queue {WORKFLOW_QUEUE} --workflow-id {workflow_id} {input}"
    )
