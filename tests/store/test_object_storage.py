"""A folder and a real S3 server keep the same promises; what is wrong with either is told, and no secret with it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import PAGE, Objects, StorageError, open_objects
from tests.s3_server import BUCKET, KEY, READER, READER_SECRET, SECRET, S3Server, running_s3

pytestmark = pytest.mark.timeout(180)
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def told(server: S3Server) -> dict[str, Any]:
    """What the settings say of a place in the bucket that nobody else uses."""
    return server.settings(f"test-{next(_numbers)}/some where", storage_timeout_s=10)


@pytest.fixture(params=["file", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "file":
        return open_objects(Settings(storage_url=(tmp_path / "some where").as_uri()))
    return open_objects(Settings(**request.getfixturevalue("told")))


async def listed(objects: Objects, prefix: str) -> list[list[str]]:
    return [[each.key for each in page] async for page in objects.pages(prefix)]


# --- what both promise ---


async def test_an_object_comes_back_as_it_was_written(objects: Objects) -> None:
    for body in (b"\x00\xff\n", b"", b"x" * 3_000_000):
        await objects.put("logs/7/0/000000.jsonl", body)
        assert await objects.get("logs/7/0/000000.jsonl") == body


async def test_what_is_not_there_is_none_and_no_error(objects: Objects) -> None:
    assert await objects.get("state/p/SUCCESS") is None
    assert await objects.part("state/p/SUCCESS", 0, 5) is None
    assert await objects.keys("state") == []
    assert await listed(objects, "state") == []
    await objects.delete("state/p/SUCCESS")
    await objects.delete_all(["state/p/SUCCESS", "state/p/FAILURE"])
    await objects.delete_all([])


async def test_a_part_ends_where_the_object_ends_and_none_begins_behind_it(objects: Objects) -> None:
    await objects.put("k", b"0123456789")
    assert await objects.part("k", 2, 5) == b"234"
    assert await objects.part("k", 7, 500) == b"789"
    for start in (10, 11, 500):
        with pytest.raises(StorageError, match="cannot read k"):
            await objects.part("k", start, start + 5)


async def test_keys_are_those_below_a_folder_in_their_order(objects: Objects) -> None:
    for key in ("logs/7/b", "logs/7/a/x", "logs/70/c", "state/7"):
        await objects.put(key, b"1")
    assert await objects.keys("logs/7") == ["logs/7/a/x", "logs/7/b"]
    assert await objects.keys("logs") == ["logs/7/a/x", "logs/7/b", "logs/70/c"]


async def test_more_objects_than_a_page_are_listed_in_pages_and_removed_at_once(objects: Objects) -> None:
    keys = [f"logs/{number:06d}" for number in range(2 * PAGE + 100)]
    for begin in range(0, len(keys), 300):
        await asyncio.gather(*(objects.put(key, b"12") for key in keys[begin : begin + 300]))
    pages = [page async for page in objects.pages("logs")]
    assert max(len(page) for page in pages) <= PAGE
    assert sorted(each.key for page in pages for each in page) == keys == await objects.keys("logs")
    assert {each.size for page in pages for each in page} == {2}
    assert all(each.modified.tzinfo is not None for page in pages for each in page)
    await objects.delete_all([*keys[:-1], "logs/never-was"])
    assert await objects.keys("logs") == keys[-1:]


async def test_markers_are_read_in_their_order(objects: Objects) -> None:
    markers = Markers(objects, "replication-job-7-attempt-0")
    for marker in (Marker.INITIALIZING, Marker.RUNNING, Marker.SUCCESS):
        await markers.write(marker)
        assert (await markers.read()).marker is marker
    await markers.clear()
    assert (await markers.read()).marker is Marker.NOT_STARTED


async def test_the_check_leaves_nothing_and_may_be_done_by_many_at_once(objects: Objects) -> None:
    await asyncio.gather(*(objects.check() for _ in range(8)))
    assert await objects.keys("") == []


# --- S3 alone ---


async def test_places_in_one_bucket_do_not_see_each_other(server: S3Server, told: dict[str, Any]) -> None:
    here = open_objects(Settings(**told))
    there = open_objects(Settings(**server.settings(f"test-{next(_numbers)}")))
    await here.put("k", b"here")
    assert await there.get("k") is None
    assert await there.keys("") == []


async def test_storage_that_was_away_works_again_by_itself(server: S3Server, told: dict[str, Any]) -> None:
    objects = open_objects(Settings(**told))
    await objects.put("before", b"kept")
    server.kill()
    try:
        for failing in (objects.put("k", b""), objects.get("before"), objects.keys(""), objects.delete("before")):
            with pytest.raises(StorageError, match=r"cannot reach http://127\.0\.0\.1:\d+: connection refused"):
                await failing
        with pytest.raises(StorageError, match="cannot delete before"):
            await objects.delete_all(["before"])
    finally:
        server.start()
    assert await objects.get("before") == b"kept"
    await objects.put("k", b"new")
    assert await objects.get("k") == b"new"


@asynccontextmanager
async def somebody(answer: bytes | None, after_s: float = 0) -> AsyncIterator[str]:
    """At this address everything is answered so; None: never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await (asyncio.sleep(after_s) if answer is not None else asyncio.Event().wait())
            writer.write(b"HTTP/1.1 " + (answer or b"") + b"\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_whoever_says_404_but_is_no_storage_does_not_say_that_an_object_is_absent(told: dict[str, Any]) -> None:
    """A gateway in front of storage that is away answers so; a marker that is there must not be taken for missing."""
    async with somebody(b"404 Not Found\r\nContent-Length: 0\r\nConnection: close") as address:
        objects = open_objects(Settings(**told | {"minio_endpoint": address}))
        with pytest.raises(StorageError, match="what answers there is no object storage; see MINIO_ENDPOINT"):
            await objects.get("state/p/SUCCESS")


async def test_a_server_that_never_answers_is_waited_for_no_longer_than_the_setting(told: dict[str, Any]) -> None:
    async with somebody(None) as address:
        objects = open_objects(Settings(**told | {"minio_endpoint": address, "storage_timeout_s": 0.5}))
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(StorageError, match="no answer in time; see MINIO_ENDPOINT"):
            await asyncio.wait_for(objects.get("k"), 20)
        assert loop.time() - began >= 0.4


async def test_a_server_that_is_overloaded_is_tried_again_but_within_the_setting(told: dict[str, Any]) -> None:
    """Else nobody would learn what it said."""
    async with somebody(b"503 Slow Down\r\nContent-Length: 0\r\nConnection: close", after_s=0.8) as address:
        objects = open_objects(Settings(**told | {"minio_endpoint": address, "storage_timeout_s": 4}))
        with pytest.raises(StorageError, match="the answer was 503"):
            await objects.get("k")


# --- what is wrong, and by which setting ---


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch); see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"aws_access_key_id": "wrong"}, "(InvalidAccessKeyId); see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"aws_access_key_id": READER, "aws_secret_access_key": READER_SECRET}, "access was refused (AccessDenied)"),
        ({"aws_secret_access_key": None}, "a part of the credentials is missing; see AWS_ACCESS_KEY_ID"),
        ({"storage_url": "s3://nobodys/x"}, "s3://nobodys/x: cannot write check/object: there is no such bucket"),
        ({"minio_endpoint": "http://nowhere.invalid:9"}, "nobody knows a host of this name; see MINIO_ENDPOINT"),
        ({"minio_endpoint": f"http://127.0.0.1:{closed_port()}"}, "connection refused, does it run there?; see MINIO_"),
        ({"s3_path_style_access": False}, "S3_PATH_STYLE_ACCESS=false needs the name of a host"),
        ({"storage_url": "s3://key:pass@b/x"}, "STORAGE_URL holds no credentials and no parameters"),
        ({"storage_url": "s3://b/x?endpoint=http://h"}, "STORAGE_URL holds no credentials and no parameters"),
        ({"storage_url": "s3://b//x"}, "STORAGE_URL is file:///folder, s3://bucket/prefix"),
        ({"storage_url": "s3:///x"}, "STORAGE_URL is file:///folder, s3://bucket/prefix"),
        ({"storage_url": "s3://[b/x"}, "STORAGE_URL is file:///folder, s3://bucket/prefix"),
        ({"storage_url": "memory:///"}, "STORAGE_URL is file:///folder, s3://bucket/prefix"),
        ({"storage_url": "somewhere"}, "STORAGE_URL is file:///folder, s3://bucket/prefix"),
    ],
)
async def test_what_is_wrong_is_told_with_the_setting_to_look_at(
    told: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(StorageError) as caught:
        await open_objects(Settings(**told | changes)).check()
    assert says in str(caught.value)
    assert caught.value.__cause__ is None
    for secret in (KEY, SECRET, READER, READER_SECRET, "pass@"):
        assert secret not in str(caught.value)


async def test_tls_where_there_is_none(server: S3Server, told: dict[str, Any]) -> None:
    address = server.endpoint.replace("http:", "https:")
    with pytest.raises(StorageError, match="it does not speak TLS, as https:// asks for; see MINIO_ENDPOINT"):
        await open_objects(Settings(**told | {"minio_endpoint": address})).check()


async def test_a_missing_bucket_is_not_a_missing_object(told: dict[str, Any]) -> None:
    objects = open_objects(Settings(**told | {"storage_url": "s3://nobodys/x"}))
    for asked in (objects.get("k"), objects.part("k", 0, 1), objects.keys("k"), objects.put("k", b"")):
        with pytest.raises(StorageError, match=r"there is no such bucket \(NoSuchBucket\); see STORAGE_URL"):
            await asked
    with pytest.raises(StorageError, match="there is no such bucket"):
        await Markers(objects, "p").read()


async def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot use object storage file:.*see STORAGE_URL"):
        open_objects(Settings(storage_url=(tmp_path / "file").as_uri()))
    objects = open_objects(Settings(storage_url=(tmp_path / "folder").as_uri()))
    (tmp_path / "folder" / "check").touch()
    with pytest.raises(StorageError, match="cannot write check/object"):
        await objects.check()


async def test_variables_of_the_process_that_a_pod_does_not_get_change_nothing(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """obstore reads the environment by itself; a pod has none of it, so both must see what the settings say."""
    for name, value in (
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "others"),
        ("AWS_SECRET_ACCESS_KEY", "others"),
        ("AWS_BUCKET", "others"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ):
        monkeypatch.setenv(name, value)
    given = Settings.model_validate(json.loads(Settings(**told).model_dump_json()))
    assert given.minio_endpoint == told["minio_endpoint"]
    await open_objects(given).check()
    assert open_objects(given).address.startswith(f"s3://{BUCKET}/test-")
