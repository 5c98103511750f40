"""What a destination was given and what came back of it, taken down one by one."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Raw

from airbyte_workers.conformance.feed import Piece
from airbyte_workers.conformance.hearing import Ear
from airbyte_workers.conformance.seen import Echo, Sent
from airbyte_workers.protocol.messages import MessageType, State
from airbyte_workers.replication.decoding import sniff_line
from airbyte_workers.replication.stamping import NotAState, read_state
from airbyte_workers.replication.state_forms import digest_of

_BARE = frozenset({"STREAM", "GLOBAL", "LEGACY"})


class _Line(msgspec.Struct):
    state: Raw


class DestinationNotes:
    """States are matched as in a sync: by id, else by content, oldest first."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._digests: dict[int, bytes] = {}
        self.sent: list[Sent] = []
        self.echoes: list[Echo] = []
        self.records = 0
        self.heard_all = asyncio.Event()
        """Nothing more will be heard of it."""

    @property
    def is_answered(self) -> bool:
        """Whether no state waits any more."""
        return not self._digests

    def give(self, piece: Piece, at: float) -> None:
        """It is about to be given this."""
        self.records += piece.records
        if piece.state is not None and piece.key is not None:
            body = msgspec.json.decode(piece.line, type=_Line).state
            self._digests[piece.state] = digest_of(read_state(body))
            self.sent.append(Sent(piece.state, piece.key, at))

    def line(self, line: bytes, at: float) -> None:
        """It said this."""
        sniffed = sniff_line(line)
        kind = sniffed.type if sniffed is not None else ""
        try:
            if sniffed is not None and kind == MessageType.STATE:
                self._echo(read_state(sniffed.state), at, bare=False)
            elif kind in _BARE:
                self._echo(read_state(Raw(line)), at, bare=True)
            else:
                self._ear.line(line, sniffed)
        except NotAState:
            self._ear.junk(line, is_data=True)

    def _echo(self, state: State, at: float, *, bare: bool) -> None:
        number = state.id if state.id in self._digests else self._by_content(state)
        if number is not None:
            del self._digests[number]
        self.echoes.append(Echo(number, at, has_id=state.id is not None, bare=bare))

    def _by_content(self, state: State) -> int | None:
        """The oldest that waits and says the same, for an echo without an id."""
        if state.id is not None:
            return None
        digest = digest_of(state)
        return next((number for number, each in self._digests.items() if each == digest), None)
