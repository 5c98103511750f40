"""Markers in a real folder: what is there decides how far a pod is (Y1).

Left out: Y2 and Y3, which are the launchers' and the watch's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airbyte_workers.orchestrator.markers import FINAL, READ_ORDER, Marker, Markers
from airbyte_workers.store.objects import Objects, StorageError

POD = "replication-job-1-attempt-0"
NOT_STARTED, INITIALIZING, RUNNING, SUCCESS, FAILURE = Marker


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path.as_uri(), timeout=5)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([], NOT_STARTED),
        ([INITIALIZING], INITIALIZING),
        ([INITIALIZING, RUNNING], RUNNING),
        ([RUNNING, INITIALIZING], RUNNING),
        ([INITIALIZING, RUNNING, SUCCESS], SUCCESS),
        ([RUNNING, FAILURE], FAILURE),
        ([FAILURE, SUCCESS], FAILURE),
        ([SUCCESS, FAILURE], FAILURE),
        ([SUCCESS], SUCCESS),
    ],
)
async def test_the_furthest_marker_counts_and_failure_before_success(
    objects: Objects, written: list[Marker], read: Marker
) -> None:
    markers = Markers(objects, POD)
    for marker in written:
        await markers.write(marker, f"body of {marker}".encode())
    reading = await markers.read()
    assert reading.marker is read
    assert reading.body == (f"body of {read}".encode() if written else b"")
    assert reading.final is (read in (SUCCESS, FAILURE))


async def test_markers_lie_where_every_program_looks_for_them(objects: Objects, tmp_path: Path) -> None:
    await Markers(objects, POD).write(SUCCESS, b'{"status":"succeeded"}')
    assert (tmp_path / "state" / POD / "SUCCESS").read_bytes() == b'{"status":"succeeded"}'


async def test_a_marker_written_again_has_the_newer_body(objects: Objects) -> None:
    markers = Markers(objects, POD)
    await markers.write(FAILURE, b"a long first body")
    await markers.write(FAILURE, b"second")
    assert (await markers.read()).body == b"second"


async def test_pods_do_not_see_each_others_markers(objects: Objects) -> None:
    await Markers(objects, POD).write(SUCCESS)
    assert (await Markers(objects, f"{POD}0").read()).marker is NOT_STARTED


async def test_a_second_process_reads_what_the_first_wrote(objects: Objects, tmp_path: Path) -> None:
    await Markers(objects, POD).write(RUNNING)
    assert (await Markers(Objects(tmp_path.as_uri(), timeout=5), POD).read()).marker is RUNNING


async def test_a_cleared_pod_is_not_started_and_can_be_cleared_again(objects: Objects) -> None:
    markers = Markers(objects, POD)
    for marker in (INITIALIZING, RUNNING, SUCCESS):
        await markers.write(marker)
    await markers.clear()
    await markers.clear()
    assert (await markers.read()).marker is NOT_STARTED


async def test_storage_that_cannot_be_used_is_an_error_and_not_a_pod_that_never_started(tmp_path: Path) -> None:
    objects = Objects((tmp_path / "storage").as_uri(), timeout=5)
    (tmp_path / "storage" / "state").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="cannot write"):
        await Markers(objects, POD).write(RUNNING)
    with pytest.raises(StorageError, match="cannot read"):
        await Markers(objects, POD).read()


def test_the_order_of_reading_is_as_decided() -> None:
    assert READ_ORDER == (FAILURE, SUCCESS, RUNNING, INITIALIZING)
    assert {SUCCESS, FAILURE} == FINAL
