"""What flows through a pod is counted once, whoever watches it and however often that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from activities.flow import Flow
from airbyte_workers.models import AttemptSummary, Evidence, Progress, StreamCounts
from airbyte_workers.names import JobKind
from airbyte_workers.telemetry.figures import Figure, Figures


class Counted(Figures):
    """Adds up."""

    def __init__(self) -> None:
        super().__init__()
        self.sums: Counter[str] = Counter()

    def tell(self, figures: Sequence[Figure]) -> None:
        super().tell(figures)
        for each in figures:
            self.sums[each.name] += round(each.value)


def summary(records: int, committed: int) -> AttemptSummary:
    told = {"records_emitted": records, "records_committed": committed, "bytes_emitted": 10 * records}
    counts = StreamCounts.model_validate({"name": "users", **told})
    return AttemptSummary(
        status="succeeded", streams=(counts,), evidence=Evidence(states_emitted=4, states_committed=4)
    )


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_only_what_is_new_is_counted(counted: Counted) -> None:
    flow = Flow(counted, JobKind.SYNC)
    for records in (10, 10, 25):
        progress = Progress(records_emitted=records, records_committed=records // 2)
        assert flow.told(progress) is progress
    flow.end(summary(30, 30))
    assert counted.sums == {
        "worker_source_message_read": 30,
        "records_committed": 30,
        "bytes_emitted": 300,
        "state_processed_from_source": 4,
        "state_processed_from_destination": 4,
    }


def test_the_next_watcher_goes_on_where_the_last_one_stopped(counted: Counted) -> None:
    first = Flow(counted, JobKind.SYNC)
    beat = first.told(Progress(records_emitted=10))
    assert beat is not None
    Flow(counted, JobKind.SYNC, [beat.model_dump(mode="json")]).end(summary(30, 0))
    assert counted.sums["worker_source_message_read"] == 30


@pytest.mark.parametrize("heartbeats", [[], ["what is this"], [{"records_emitted": "many"}], [None]])
def test_heartbeats_that_nobody_can_read_stop_no_watch(counted: Counted, heartbeats: Sequence[Any]) -> None:
    flow = Flow(counted, JobKind.SYNC, heartbeats)
    assert flow.told(None) is None
    flow.end(None)
    assert not counted.sums


def test_a_pod_that_says_less_than_before_takes_nothing_back(counted: Counted) -> None:
    flow = Flow(counted, JobKind.SYNC)
    for records in (20, 5, 22):
        flow.told(Progress(records_emitted=records))
    assert counted.sums["worker_source_message_read"] == 22
