"""The embedded stack: Temporal's dev server, PostgreSQL and our Temporal workers, for people with only Python.

Light to import: the supervisor and the servers are in modules of their own.
"""

from __future__ import annotations

from airbyte_workers.runtime.stack.connection import connected_stack, stack_settings
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.state import Stack

__all__ = ["Stack", "StackError", "connected_stack", "stack_settings"]
