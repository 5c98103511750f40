"""Object storage by URL (a local folder, S3, Google, Azure) for markers and logs; a thin cover over obstore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

PAGE = 1000
"""Objects listed or deleted with one request, at most: what S3 takes."""
LOGS, MARKERS = "logs", "state"
"""The folders of the storage; `log_objects.py` and `marker_folder` say what is where below them."""


@dataclass(frozen=True)
class Stored:
    """An object as a listing tells it."""

    key: str
    size: int
    modified: datetime


class StorageError(Exception):
    """Object storage could not be used; the message names the address, never a credential."""


class StorageSettings(Protocol):
    """The settings that say where objects are: those of a Temporal worker, or of a pod."""

    @property
    def storage(self) -> str: ...
    @property
    def storage_timeout_s(self) -> float: ...


def open_objects(settings: StorageSettings) -> Objects:
    """The objects of logs and markers. Raises StorageError."""
    return Objects(settings.storage, timeout=settings.storage_timeout_s)


def marker_folder(pod: str) -> str:
    """Where the markers of a pod are."""
    return f"{MARKERS}/{pod}"


class Objects:
    """Small objects by key. Every request is bounded by `timeout`, seconds."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._timeout = timeout
        parts = urlsplit(url)
        self._shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        self._store = self._open(url)

    @property
    def address(self) -> str:
        """Where they are, without credentials."""
        return self._shown

    async def put(self, key: str, body: bytes) -> None:
        """Write or replace an object, whole or not at all. Raises StorageError."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._store.put_async(key, body)
        except (BaseError, OSError, TimeoutError) as error:
            raise self._failed("write", key, error) from error

    async def get(self, key: str) -> bytes | None:
        """The object's bytes; None when there is none. Raises StorageError."""
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._store.get_async(key)
                return bytes(await result.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError, TimeoutError) as error:
            raise self._failed("read", key, error) from error

    async def part(self, key: str, start: int, end: int) -> bytes | None:
        """The object's bytes from `start` to before `end`, fewer where it is shorter; None when there is none.

        Raises StorageError, also where the object ends before `start`.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return bytes(await self._store.get_range_async(key, start=start, end=end))
        except FileNotFoundError:
            return None
        except (BaseError, OSError, TimeoutError) as error:
            raise self._failed("read", key, error) from error

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Raises StorageError."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._store.delete_async(key)
        except FileNotFoundError:
            return
        except (BaseError, OSError, TimeoutError) as error:
            raise self._failed("delete", key, error) from error

    async def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, in order. Raises StorageError."""
        try:
            async with asyncio.timeout(self._timeout):
                found = [meta["path"] async for page in self._store.list(prefix=prefix) for meta in page]
        except FileNotFoundError:
            return []
        except (BaseError, OSError, TimeoutError) as error:
            raise self._failed("list", prefix, error) from error
        return sorted(found)

    async def pages(self, prefix: str) -> AsyncIterator[Sequence[Stored]]:
        """What is below a prefix, in no order, a page after the other: never all in memory. Raises StorageError."""
        listing = aiter(self._store.list(prefix=prefix, chunk_size=PAGE))
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    page = await anext(listing, None)
            except FileNotFoundError:
                return
            except (BaseError, OSError, TimeoutError) as error:
                raise self._failed("list", prefix, error) from error
            if page is None:
                return
            yield [Stored(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, many with one request where that is possible. Raises StorageError."""
        for begin in range(0, len(keys), PAGE):
            some = keys[begin : begin + PAGE]
            try:
                async with asyncio.timeout(self._timeout):
                    await self._store.delete_async(some)
            except FileNotFoundError:  # a folder says so of one, and may not have come to the others
                for key in some:
                    await self.delete(key)
            except (BaseError, OSError, TimeoutError) as error:
                raise self._failed("delete", some[0], error) from error

    def _open(self, url: str) -> ObjectStore:
        parts = urlsplit(url)
        try:
            if parts.scheme == "file":
                return LocalStore(Path(unquote(parts.path)), mkdir=True, automatic_cleanup=True)
            return from_url(url)
        except (BaseError, OSError, ValueError) as error:
            raise StorageError(f"cannot use object storage {self._shown}: {error}") from error

    def _failed(self, what: str, key: str, error: Exception) -> StorageError:
        said = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return StorageError(f"object storage {self._shown}: cannot {what} {key}: {said}")
