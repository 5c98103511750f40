"""Schedules as they stand in Temporal, and the connections that they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from temporalio.client import (
    Client,
    ScheduleDescription,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.names import SCHEDULED_SYNC, schedule_id
from airbyte_workers.runs import ClientError, InvalidInput
from airbyte_workers.schedules.jitter import JitterRules
from airbyte_workers.schedules.looking import Look, connection_of, is_ours
from airbyte_workers.schedules.values import ScheduleView
from airbyte_workers.settings import Settings
from airbyte_workers.store import connections, schedules
from airbyte_workers.store.schedules import Known

_AT_ONCE = 8  # schedules that are looked at together


class UnknownSchedule(ClientError):
    """There is no schedule of this connection, and none with this id."""


@dataclass(frozen=True)
class Access:
    """What every question and every change of schedules goes through."""

    client: Client
    database: Callable[[], Awaitable[asyncpg.Pool]]
    settings: Settings

    @property
    def jitter(self) -> JitterRules:
        return JitterRules.of(self.settings)

    async def described(self, id: str) -> ScheduleDescription | None:
        """The schedule of this id; None: there is none."""
        try:
            return await self.client.get_schedule_handle(id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def find(self, name: str) -> ScheduleDescription:
        """By the connection's name, else by the schedule's id, else the one that was made by hand for the connection.

        Raises UnknownSchedule, InvalidInput where it is not ours.
        """
        for id in (schedule_id(name), name):
            if (found := await self.described(id)) is not None:
                return ours(found)
        by_hand = [each for each in await self.all() if connection_of(each) == name]
        if len(by_hand) == 1:
            return by_hand[0]
        if by_hand:
            ids = ", ".join(each.id for each in by_hand)
            raise InvalidInput(f"connection {name} has several schedules; say which: {ids}")
        raise UnknownSchedule(
            f"there is no schedule for {name}; make one with: airbyte-workers schedule create {name} --every 6h"
        )

    async def all(self) -> Sequence[ScheduleDescription]:
        """Every one that starts ScheduledSync, whoever made it."""
        ids = [each.id async for each in await self.client.list_schedules() if _starts_ours(each)]
        found = await _a_few_at_once(self.described, ids)
        return [each for each in found if each is not None and is_ours(each)]

    async def views(self, found: Sequence[ScheduleDescription]) -> Sequence[ScheduleView]:
        """What they look like now. Raises DatabaseUnusable."""
        db, now = await self.database(), datetime.now(UTC)
        names = {each.id: connection_of(each) for each in found}
        known = await schedules.known(db, [name for name in names.values() if name is not None])
        skips = await schedules.skips(db, list(names))

        async def view(each: ScheduleDescription) -> ScheduleView:
            name, patience_s = names[each.id], self.settings.schedule_overdue_s
            look = Look(self.client, each, name, known.get(name or ""), skips.get(each.id), now, patience_s)
            return await look.view()

        return await _a_few_at_once(view, found)

    async def stored(self, connection: str) -> Known:
        """What there is of the connection. Raises InvalidInput."""
        db = await self.database()
        known: Mapping[str, Known] = await schedules.known(db, [connection])
        if connection not in known:
            otherwise = "; sync it once, which stores it: airbyte-workers sync -f FILE"
            raise InvalidInput(await connections.no_connection(db, connection, otherwise=otherwise))
        return known[connection]


def ours(found: ScheduleDescription) -> ScheduleDescription:
    """The schedule, if it starts what ours start. Raises InvalidInput."""
    if is_ours(found):
        return found
    starts = getattr(found.schedule.action, "workflow", "something else")
    raise InvalidInput(
        f"the schedule {found.id} starts {starts}, not {SCHEDULED_SYNC}: it is not one of ours;"
        f" see: temporal schedule describe --schedule-id {found.id}"
    )


def _starts_ours(each: ScheduleListDescription) -> bool:
    """As far as the list tells; one that is very new it does not know yet."""
    if each.schedule is None:
        return True
    action = each.schedule.action
    return isinstance(action, ScheduleListActionStartWorkflow) and action.workflow == SCHEDULED_SYNC


async def _a_few_at_once(ask: Callable[[Any], Awaitable[Any]], asked: Sequence[Any]) -> list[Any]:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Any) -> Any:
        async with limit:
            return await ask(each)

    return await asyncio.gather(*map(one, asked))
