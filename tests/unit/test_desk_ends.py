"""The end of a pod's program while object storage is away: nothing that it has still to say is left out."""

from __future__ import annotations

import asyncio
from pathlib import Path

from airbyte_workers.models import ConnectorResult
from airbyte_workers.orchestrator.desk import open_desk
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.orchestrator.markers import Marker
from airbyte_workers.settings import Settings
from airbyte_workers.store.log_objects import chunk_key
from airbyte_workers.store.objects import open_objects


async def test_the_end_of_the_log_is_there_once_the_marker_is_although_storage_was_away(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, storage_url=(tmp_path / "storage").as_uri())
    told = settings.model_dump(mode="json", exclude={"database_url"})
    given = ConnectorInput(pod="p", settings=told, operation="check", origin="source", log_prefix="logs/1/0")
    desk = open_desk(given)
    folder, away = tmp_path / "storage", tmp_path / "away"
    folder.rename(away)
    folder.touch()
    desk.log("source", "INFO", "the last words")
    ending = asyncio.create_task(desk.finish(ConnectorResult(status="succeeded", result={})))
    await asyncio.wait([ending], timeout=0.3)
    assert not ending.done()
    folder.unlink()
    away.rename(folder)
    async with asyncio.timeout(20):
        assert await ending == 0
    assert (await desk.markers.read()).marker is Marker.SUCCESS
    log = await open_objects(settings).get(chunk_key("logs/1/0", 0))
    assert log is not None
    assert "the last words" in log.decode()
