"""The configured catalog as sources and destinations read it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_connectors.configuration import load_json
from demo_connectors.messages import ConfigError, StreamKey


@dataclass(frozen=True, slots=True)
class ConfiguredStream:
    key: StreamKey
    sync_mode: str = "full_refresh"
    destination_sync_mode: str = "append"
    is_resumable: bool = False
    generation_id: int | None = None
    minimum_generation_id: int | None = None
    sync_id: int | None = None

    @property
    def resumes(self) -> bool:
        """Whether a later attempt of the source goes on where its last committed state says."""
        return self.sync_mode == "incremental" or self.is_resumable


def load_catalog(path: Path) -> tuple[ConfiguredStream, ...]:
    raw = load_json(path, "catalog")
    try:
        streams = tuple(_stream(each) for each in raw["streams"])
    except (KeyError, TypeError, AttributeError) as err:
        raise ConfigError(f"the catalog is not a configured catalog: {err!r} in one of its streams") from err
    if len({stream.key for stream in streams}) < len(streams):
        raise ConfigError("the catalog lists a stream twice")
    return streams


def _stream(raw: dict[str, Any]) -> ConfiguredStream:
    if not raw["stream"]["name"]:
        raise ConfigError("the catalog has a stream without a name")
    return ConfiguredStream(
        key=StreamKey.of(raw["stream"]),
        sync_mode=raw.get("sync_mode", "full_refresh"),
        destination_sync_mode=raw.get("destination_sync_mode", "append"),
        is_resumable=bool(raw["stream"].get("is_resumable")),
        generation_id=raw.get("generation_id"),
        minimum_generation_id=raw.get("minimum_generation_id"),
        sync_id=raw.get("sync_id"),
    )
