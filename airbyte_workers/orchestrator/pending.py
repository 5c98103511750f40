"""What waits to be committed: states with their counts, or the config that a connector sent anew."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Sequence

import asyncpg

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import FailureOrigin
from airbyte_workers.names import Role
from airbyte_workers.protocol.streams import StreamKey, shown
from airbyte_workers.replication.ledger import Batch, Ledger
from airbyte_workers.replication.state_ledger import Commit
from airbyte_workers.store import connector_configs, states
from airbyte_workers.store.journals import Entry, States
from airbyte_workers.store.states import StateRow, Writer

_TELL_EVERY_S = 10.0  # per stream; some commit a hundred times a second


class PendingStates:
    """States that were acknowledged; `told` is when people last read of each stream."""

    what = "states wait"

    def __init__(self, ledger: Ledger, batch: Batch, told: dict[StreamKey, float]) -> None:
        self._ledger = ledger
        self._told = told
        self.batch = batch

    async def write(self, db: asyncpg.Pool, writer: Writer) -> None:
        await states.commit(db, writer, _rows(self.batch), self._ledger.counts_after(self.batch))

    def done(self) -> None:
        """Now it counts; how much of a stream is durable stands in the job's log, now and then."""
        failpoints.reached(Failpoint.COMMITTED, Role.ORCHESTRATOR)
        self._ledger.committed(self.batch)
        now = asyncio.get_running_loop().time()
        for key in self.batch.counts:
            if now - self._told.get(key, -_TELL_EVERY_S) >= _TELL_EVERY_S:
                self._told[key] = now
                committed = self._ledger.streams[key].committed
                text = f"{shown(key)}: {committed.taken:,} records committed"
                self._ledger.log(FailureOrigin.PLATFORM, "INFO", text, key)


class PendingConfig:
    """The newest config of a connector, sealed; `kept` are the connectors of which one is stored already."""

    def __init__(self, ledger: Ledger, role: Role, sealed: bytes, kept: set[Role]) -> None:
        self.what = f"a new config of the {role} waits"
        self.role = role
        self.sealed = sealed
        self._ledger = ledger
        self._kept = kept

    async def write(self, db: asyncpg.Pool, writer: Writer) -> None:
        await connector_configs.keep(db, writer, self.role, self.sealed)

    def done(self) -> None:
        """Some send one every few minutes: people are told of the first."""
        level = "DEBUG" if self.role in self._kept else "INFO"
        self._kept.add(self.role)
        text = f"the {self.role} sent a new config (token refresh): stored, used from the next launch"
        self._ledger.log(FailureOrigin.PLATFORM, level, text)


Pending = PendingStates | PendingConfig


def entries(ledger: Ledger, waiting: Iterable[Pending]) -> Sequence[Entry]:
    """The same for the journal, in this order."""
    written: list[Entry] = []
    all_states: Batch | None = None
    for each in waiting:
        if isinstance(each, PendingConfig):
            written.append(Entry(role=each.role, config=b64encode(each.sealed).decode()))
            continue
        all_states = each.batch if all_states is None else all_states.with_later(each.batch)
        written.append(Entry(states=States(rows=tuple(_rows(each.batch)), counts=ledger.counts_after(all_states))))
    return written


def _rows(batch: Batch) -> Sequence[StateRow]:
    return [_row(commit, batch) for commit in batch.commits if commit.stored]


def _row(commit: Commit, batch: Batch) -> StateRow:
    """The newest commit of a key; what the batch's earlier ones counted is committed with it."""
    name, namespace = commit.key.stream or ("", None)
    counts = batch.counts if commit.key.stream is None else {commit.key.stream: batch.counts.get(commit.key.stream)}
    return StateRow(
        type=commit.key.type,
        stream=name,
        namespace=namespace,
        state=None if commit.state is None else commit.state.decode(),
        seq=commit.number,
        records=sum(tally.taken for tally in counts.values() if tally is not None),
    )
