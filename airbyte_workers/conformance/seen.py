"""What was seen of a connector, as values: all that a verdict is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.state_forms import StateKey


class Cut(StrEnum):
    """Why the kit ended a connector that would have gone on."""

    SILENT = "silent"
    """Not one byte for AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S."""
    IDLE = "idle"
    """As long without a record or a state, though it talked."""
    ENOUGH = "enough"
    """So many records were read."""
    SAMPLE = "sample"
    """It was read for so long."""
    TOO_LONG = "too long"
    """A line over MAX_MESSAGE_BYTES."""
    FULL = "full"
    """It took nothing of its input for AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S."""
    LATE = "late"
    """It answered nothing in time, or did not end in time."""

    @property
    def is_full(self) -> bool:
        """Whether enough was seen: nothing is wrong with a connector that is ended for it."""
        return self in (Cut.ENOUGH, Cut.SAMPLE)


@dataclass(frozen=True)
class Ended:
    """How a connector ended: by itself with a code, or stopped (`forced`); `cut`: the kit ended it on purpose.

    `seconds` is the whole of its life.
    """

    code: int | None = 0
    forced: bool = False
    cut: Cut | None = None
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it ended by itself, with 0."""
        return self.code == 0 and not self.forced and self.cut is None


@dataclass(frozen=True)
class Talk:
    """What a connector said beside its data.

    `junk`: lines that are no messages, `lost` such that look like records or states. `errors` are those of ERROR
    traces and their types. `last_words`: the end of what came over stderr. Texts have no secrets of the config.
    """

    logs: int = 0
    junk: int = 0
    first_junk: str = ""
    lost: int = 0
    errors: tuple[str, ...] = ()
    error_types: tuple[str, ...] = ()
    stderr_lines: int = 0
    stderr_bytes: int = 0
    last_words: str = ""
    longest_line: int = 0
    has_last_newline: bool = True


@dataclass(frozen=True)
class Memory:
    """Resident memory in bytes, highest so far, when a quarter of the data had passed and when all had.

    `between`: bytes of data that passed from the one moment to the other.
    """

    at_quarter: int = 0
    at_end: int = 0
    between: int = 0


@dataclass(frozen=True)
class AnswerSeen:
    """One question and the answer to it; None: there was none."""

    answer: Mapping[str, Any] | None
    ended: Ended
    talk: Talk = Talk()


@dataclass(frozen=True)
class StreamSeen:
    """What came of one stream of the catalog."""

    records: int = 0
    statuses: tuple[str, ...] = ()
    checked: int = 0
    invalid: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatesSeen:
    """The states of a source. `most_records` and `most_seconds`: the longest stretch without one."""

    count: int = 0
    keys: frozenset[StateKey] = frozenset()
    repeated: int = 0
    most_records: int = 0
    most_seconds: float = 0.0
    last: Mapping[StateKey, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ReadSeen:
    """What a source sent. `unknown`: streams that the catalog does not have, and of what they were."""

    ended: Ended
    streams: Mapping[StreamKey, StreamSeen]
    states: StatesSeen = StatesSeen()
    unknown: frozenset[str] = frozenset()
    bytes: int = 0
    quiet: float = 0.0
    """Seconds from its last byte to its end, or to the moment in which it was ended."""
    talk: Talk = Talk()
    memory: Memory | None = None

    @property
    def records(self) -> int:
        return sum(each.records for each in self.streams.values())

    @property
    def sends_statuses(self) -> bool:
        return any(each.statuses for each in self.streams.values())

    @property
    def is_complete(self) -> bool:
        """Whether it said of every stream that it is complete."""
        return all("COMPLETE" in each.statuses for each in self.streams.values())


@dataclass(frozen=True)
class Sent:
    """A state as a destination was given it."""

    number: int
    key: StreamKey
    at: float


@dataclass(frozen=True)
class Echo:
    """An acknowledgement: `of` is the number of the state that it stands for, None: of none that was sent."""

    of: int | None
    at: float
    has_id: bool = True
    bare: bool = False


class Feeding(StrEnum):
    """How far a destination took what it was given."""

    TAKEN = "taken"
    BLOCKED = "blocked"
    """It read no more for AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S."""
    CLOSED = "closed"
    """It closed its input."""
    EXITED = "exited"
    """It ended while there was more for it."""
    NEVER_OPENED = "never opened"


@dataclass(frozen=True)
class WriteSeen:
    """What a destination did with what it was given; `input_ended`: when, None where it did not come to that."""

    feeding: Feeding
    ended: Ended
    given: int = 0
    """Bytes that it took."""
    records: int = 0
    sent: tuple[Sent, ...] = ()
    echoes: tuple[Echo, ...] = ()
    input_ended: float | None = None
    talked_at_end: bool = False
    """Whether it still said something when its time after the end of input was over."""
    talk: Talk = Talk()
    memory: Memory | None = None


@dataclass(frozen=True)
class TermSeen:
    """A connector that was told to end. `seconds` until it did, None: it had to be killed.

    `was_working`: it was in the midst of it; else it had ended before by itself.
    """

    was_working: bool
    seconds: float | None = None
    code: int | None = None
    after: str = ""
    """When it was told, in words."""
