"""Points of the past as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airbyte_workers.cli.state_points import point, typed
from airbyte_workers.replication.state_history import Point

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
END = timedelta(microseconds=999_999)


def local(*parts: int) -> datetime:
    return datetime(*parts).astimezone()  # type: ignore[arg-type, misc]  # whole numbers only


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12", Point("job", 12)),
        (" 12 ", Point("job", 12)),
        ("before:12", Point("before", 12)),
        ("@0", Point("entry", 0)),
        ("@1234", Point("entry", 1234)),
        (str(2**63 - 1), Point("job", 2**63 - 1)),
        ("2026-02-28T18:00Z", Point("time", time=datetime(2026, 2, 28, 18, tzinfo=UTC) + END)),
        ("2026-02-28T18:00+02:00", Point("time", time=datetime(2026, 2, 28, 16, tzinfo=UTC) + END)),
        ("2026-02-28 18:00:05", Point("time", time=local(2026, 2, 28, 18, 0, 5) + END)),
        ("2026-02-28", Point("time", time=local(2026, 2, 28) + END)),
        ("2026-02-28T18:00:05.5Z", Point("time", time=datetime(2026, 2, 28, 18, 0, 5, 500_000, tzinfo=UTC))),
        ("2h", Point("time", time=NOW - timedelta(hours=2))),
        ("2h ago", Point("time", time=NOW - timedelta(hours=2))),
    ],
)
def test_what_people_write(written: str, meant: Point) -> None:
    assert point(written, NOW) == meant


@pytest.mark.parametrize("written", ["", "job 12", "-1", "@", "@-1", "before:", "12.5", "yesterday", "2026-02-30", "h"])
def test_what_is_no_point_is_refused_with_what_can_be_written(written: str) -> None:
    with pytest.raises(ValueError, match=r"is no point in the past: write a job's number .*@ENTRY.*2h"):
        point(written, NOW)


def test_a_number_beyond_any_row_is_no_point() -> None:
    with pytest.raises(ValueError, match="no point"):
        point(str(2**63), NOW)


def test_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="in the future"):
        point("2026-03-01T12:30:16Z", NOW)
    assert point("2026-03-01T12:30:15Z", NOW)  # this very second is not over yet


@pytest.mark.parametrize("written", ["12", "before:12", "@1234", "2026-02-28T18:00:05.5Z", "2h"])
def test_a_point_is_typed_as_it_is_read(written: str) -> None:
    meant = point(written, NOW)
    assert point(typed(meant), NOW) == meant
