"""Object storage by URL (a local folder, S3, Google, Azure) for markers and logs; a thin cover over obstore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from airbyte_workers.redaction import Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.store.object_access import Access, access_of, google_key_file, open_store, split
from airbyte_workers.store.object_errors import is_absent, said

PAGE = 1000
"""Objects listed or deleted with one request, at most: what S3 takes."""
LOGS, MARKERS = "logs", "state"
"""The folders of the storage; `log_objects.py` and `marker_folder` say what is where below them."""
_CHECK = "check"
"""Where an object is while it is tried whether storage can be used."""
NO_ACCESS = Access()


@dataclass(frozen=True)
class Stored:
    """An object as a listing tells it."""

    key: str
    size: int
    modified: datetime


class StorageError(Exception):
    """Object storage could not be used; the message names the address, never a credential."""


def open_objects(settings: Settings) -> Objects:
    """The objects of logs and markers. Raises StorageError."""
    try:
        access = access_of(settings)
    except ValueError as error:
        raise StorageError(str(error)) from None
    return Objects(settings.storage, timeout=settings.storage_timeout_s, access=access)


def carried(settings: Settings) -> dict[str, str]:
    """What a pod is given in place of the same settings here: a key from a file of this host. Raises StorageError."""
    file = google_key_file(settings)
    if file is None:
        return {}
    try:
        return {"google_application_credentials": file.read_text(encoding="utf-8")}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StorageError(f"GOOGLE_APPLICATION_CREDENTIALS: cannot read {file}: {why}") from None


def marker_folder(pod: str) -> str:
    """Where the markers of a pod are."""
    return f"{MARKERS}/{pod}"


class Objects:
    """Small objects by key. Every request is bounded by `timeout`, seconds."""

    def __init__(self, url: str, *, timeout: float, access: Access = NO_ACCESS) -> None:
        self._timeout = timeout
        self._endpoint = access.endpoint
        self._redact = Redactor(access.secrets)
        self._shown = self._scheme = ""
        try:
            parts = split(url)
            self._scheme, self._shown = parts.scheme, f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
            self._store: ObjectStore = open_store(url, access, timeout)
        except ValueError as error:
            raise StorageError(f"cannot use object storage {self._shown}: {error}") from None
        except (BaseError, OSError) as error:
            raise StorageError(f"cannot use object storage {self._shown}: {self._said(error)}") from None

    @property
    def address(self) -> str:
        """Where they are, without credentials."""
        return self._shown

    async def check(self) -> None:
        """Do once everything that is done with objects. Raises StorageError, and then nothing here will work."""
        key = f"{_CHECK}/object"  # always the same: one that is left over is overwritten by the next
        await self.put(key, b"")
        await self.get(key)
        await self.keys(_CHECK)
        await self.delete(key)

    async def put(self, key: str, body: bytes) -> None:
        """Write or replace an object, whole or not at all. Raises StorageError."""
        try:
            async with self._asking("write", key):
                await self._store.put_async(key, body)
        except FileNotFoundError as error:
            raise self._failed("write", key, error) from None

    async def get(self, key: str) -> bytes | None:
        """The object's bytes; None when there is none. Raises StorageError."""
        try:
            async with self._asking("read", key):
                result = await self._store.get_async(key)
                return bytes(await result.bytes_async())
        except FileNotFoundError:
            return None

    async def part(self, key: str, start: int, end: int) -> bytes | None:
        """The object's bytes from `start` to before `end`, fewer where it is shorter; None when there is none.

        Raises StorageError, also where the object ends at `start` or before.
        """
        try:
            async with self._asking("read", key):
                return bytes(await self._store.get_range_async(key, start=start, end=end))
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Raises StorageError."""
        try:
            async with self._asking("delete", key):
                await self._store.delete_async(key)
        except FileNotFoundError:
            return

    async def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, in order. Raises StorageError."""
        try:
            async with self._asking("list", prefix):
                return sorted([meta["path"] async for page in self._store.list(prefix=prefix) for meta in page])
        except FileNotFoundError:
            return []

    async def pages(self, prefix: str) -> AsyncIterator[Sequence[Stored]]:
        """What is below a prefix, in no order, a page after the other: never all in memory. Raises StorageError."""
        listing = aiter(self._store.list(prefix=prefix, chunk_size=PAGE))
        while True:
            try:
                async with self._asking("list", prefix):
                    page = await anext(listing, None)
            except FileNotFoundError:
                return
            if page is None:
                return
            yield [Stored(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, many with one request where that is possible. Raises StorageError."""
        for begin in range(0, len(keys), PAGE):
            some = keys[begin : begin + PAGE]
            try:
                async with self._asking("delete", some[0]):
                    await self._store.delete_async(some)
            except FileNotFoundError:  # a folder says so of one, and may not have come to the others
                for key in some:
                    await self.delete(key)

    @asynccontextmanager
    async def _asking(self, what: str, key: str) -> AsyncIterator[None]:
        """One request. Raises FileNotFoundError where there is no such object, StorageError for all else.

        obstore's own errors end here, not even as a cause: they would be told in tracebacks and Temporal's history.
        """
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except FileNotFoundError as error:
            if is_absent(error, self._scheme):
                raise
            raise self._failed(what, key, error) from None
        except (BaseError, OSError, TimeoutError) as error:
            raise self._failed(what, key, error) from None

    def _failed(self, what: str, key: str, error: Exception) -> StorageError:
        return StorageError(f"object storage {self._shown}: cannot {what} {key}: {self._said(error)}")

    def _said(self, error: Exception) -> str:
        """What it says, without any of our credentials."""
        return self._redact(said(error, self._scheme, self._endpoint))
