"""Schedules as they stand in Temporal, and the connections that they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

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

_T = TypeVar("_T")
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
        return await _if_there(self.client.get_schedule_handle(id).describe())

    async def find(self, name: str) -> ScheduleDescription:
        """The connection's own one, else the one that was made by hand for it, else the one of this id.

        Raises UnknownSchedule, InvalidInput where it is not ours.
        """
        usual = await self.described(schedule_id(name))
        if usual is not None and is_ours(usual):
            return usual
        named = await self.described(name)
        if named is not None and is_ours(named) and ("/" in name or connection_of(named) == name):
            return named  # no connection has a slash in its name
        by_hand = [each for each in await self.all() if connection_of(each) == name]
        if len(by_hand) == 1:
            return by_hand[0]
        if by_hand:
            ids = ", ".join(each.id for each in by_hand)
            raise InvalidInput(f"connection {name} has several schedules; say which: {ids}")
        if (found := named or usual) is not None:
            return ours(found)
        raise unknown(name)

    async def all(self) -> Sequence[ScheduleDescription]:
        """Every one that starts ScheduledSync, whoever made it."""
        ids = [each.id async for each in await self.client.list_schedules() if _starts_ours(each)]
        found = await _a_few_at_once(self.described, ids)
        return [each for each in found if each is not None and is_ours(each)]

    async def views(self, found: Sequence[ScheduleDescription]) -> Sequence[ScheduleView]:
        """What they look like now; one that is deleted meanwhile is left out. Raises DatabaseUnusable."""
        db, now = await self.database(), datetime.now(UTC)
        names = {each.id: connection_of(each) for each in found}
        known = await schedules.known(db, [name for name in names.values() if name is not None])
        skips = dict(await schedules.skips(db, list(names)))
        for each in found:
            made_at = each.info.created_at
            if each.id in skips and skips[each.id].last_at < made_at:  # of another one, which had this id before
                await schedules.forget_skips(db, each.id, before=made_at)
                del skips[each.id]

        async def view(each: ScheduleDescription) -> ScheduleView | None:
            name, patience_s = names[each.id], self.settings.schedule_overdue_s
            look = Look(self.client, each, name, known.get(name or ""), skips.get(each.id), now, patience_s)
            return await _if_there(look.view())

        return [each for each in await _a_few_at_once(view, found) if each is not None]

    async def forget_deleted(self, listed: Sequence[ScheduleDescription]) -> None:
        """Drop what was counted for schedules that were deleted by hand. Raises DatabaseUnusable."""
        db, now, there = await self.database(), datetime.now(UTC), {each.id for each in listed}
        unlisted = [id for id in await schedules.counted(db) if id not in there]
        found = await _a_few_at_once(self.described, unlisted)  # the list may lag behind
        for id, description in zip(unlisted, found, strict=True):
            if description is None:
                await schedules.forget_skips(db, id, before=now)

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


def unknown(name: str) -> UnknownSchedule:
    return UnknownSchedule(
        f"there is no schedule for {name}; make one with: airbyte-workers schedule create {name} --every 6h"
    )


async def _if_there(asked: Awaitable[_T]) -> _T | None:
    """The answer; None: what was asked about is not there."""
    try:
        return await asked
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


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
