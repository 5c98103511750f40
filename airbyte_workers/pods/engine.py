"""A container engine: its API's calls in threads, each with a time limit, errors as sentences for people.

Lifecycle only: not one byte of a sync goes through the engine (architecture.md section 5).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException

from airbyte_workers.pods import engine_calls
from airbyte_workers.pods.engine_calls import DOCKER, Endpoint
from airbyte_workers.pods.pod import LauncherAway

T = TypeVar("T")
LATE = 4
"""How many times longer than its caller a thread waits for an answer: what was made late must be known to be undone."""
Act = Callable[[docker.APIClient], T]


class EngineError(LauncherAway):
    """The engine refused, or did not answer. `status` is its answer's HTTP status, None when there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def away(self) -> bool:
        """Whether the engine could not be reached, rather than said no."""
        return self.status is None

    @property
    def passing(self) -> bool:
        """Whether the same call may work later."""
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class Engine:
    """The calls of one process to one engine. End it with `aclose`."""

    def __init__(self, *, timeout_s: float, calls: int, pulls: int, endpoint: Endpoint = DOCKER) -> None:
        self.name = endpoint.name
        self._connection = endpoint.connection
        self._timeout = timeout_s
        self._calls = asyncio.Semaphore(calls)
        self._pulls = asyncio.Semaphore(pulls)  # of their own: a registry that hangs must not hide the engine
        self._idle: list[docker.APIClient] = []
        self._closed = False

    async def ask(self, what: str, act: Act[T]) -> T:
        """Run `act`, which changes nothing, in a thread. Raises EngineError."""
        return await self._run(what, act, self._calls, self._timeout)

    async def _run(self, what: str, act: Act[T], places: asyncio.Semaphore, limit: float) -> T:
        try:
            async with asyncio.timeout(limit):
                await places.acquire()
                return await asyncio.shield(self._begin(what, act, places))
        except TimeoutError:
            raise EngineError(f"{self.name} did not {what} within {limit:g} s") from None

    async def do(self, what: str, act: Act[T]) -> T:
        """The same for what changes something: a cancelled caller waits for its end, to know what was done."""
        work = asyncio.ensure_future(self.ask(what, act))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            work.add_done_callback(_forget)
            raise

    def _begin(self, what: str, act: Act[T], places: asyncio.Semaphore) -> asyncio.Future[T]:
        """A thread of its own that this process does not wait for at its end: a pull may hang for ever."""
        loop = asyncio.get_running_loop()
        work: asyncio.Future[T] = loop.create_future()
        work.add_done_callback(_forget)

        def run() -> None:
            try:
                answer = self._act(what, act)
            except BaseException as error:  # whatever it is, it is the caller's
                _tell(loop, places.release, partial(work.set_exception, error))
            else:
                _tell(loop, places.release, lambda: work.set_result(answer))

        threading.Thread(target=run, name=f"docker: {what}", daemon=True).start()
        return work

    async def aclose(self) -> None:
        """Let go of the connections; a call that hangs is left alone."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    # --- the engine and its images ---

    async def version(self) -> str:
        """The engine's version: proof that one answers."""
        seen = await self.ask("answer", lambda client: client.version())
        return str(seen.get("Version", "unknown"))

    async def image(self, name: str) -> dict[str, Any] | None:
        """What the engine knows of a local image."""
        return await self._or_none(f"inspect image {name}", lambda client: client.inspect_image(name))

    async def in_registry(self, name: str, *, timeout_s: float) -> bool:
        """Whether a registry has the image for us; nothing is pulled. Raises EngineError with the registry's words."""
        what = f"ask the registry for {name}"
        return await self._run(what, lambda client: engine_calls.asked(client, name), self._pulls, timeout_s)

    async def pull(self, name: str, *, timeout_s: float) -> None:
        """Pull with this host's `docker login`, helpers included; a name without a tag is `latest`."""
        await self._run(f"pull {name}", lambda client: engine_calls.pulled(client, name), self._pulls, timeout_s)

    # --- containers ---

    async def create(self, name: str, config: Mapping[str, Any]) -> str:
        """The id of a new container. One that the engine makes when we have given it up goes at once."""
        given_up = threading.Event()

        def act(client: docker.APIClient) -> str:
            created = str(client.create_container_from_config(dict(config), name)["Id"])
            if given_up.is_set():
                client.remove_container(created, v=True, force=True)
            return created

        try:
            return await self.do(f"create container {name}", act)
        except EngineError:
            given_up.set()
            raise

    async def start(self, container: str, name: str) -> None:
        """Start it; `name` is what people know it by."""
        await self.do(f"start container {name}", lambda client: client.start(container))

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """What the engine knows of a container, by id or name."""
        return await self._or_none("inspect the container", lambda client: client.inspect_container(container))

    async def list(self, labels: Sequence[str]) -> Sequence[dict[str, Any]]:
        """Every container that carries all these labels (`name` or `name=value`), running or not."""
        filters = {"label": list(labels)}
        return await self.ask("list containers", lambda client: engine_calls.listed(client, filters))

    async def signal(self, container: str, signal: str) -> None:
        """Signal the container's first process; one that does not run needs none."""
        with suppress_status(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            await self.do(f"signal the container ({signal})", lambda client: client.kill(container, signal))

    async def remove(self, container: str) -> None:
        """End and delete a container with its anonymous volumes; one that is gone, or is just going, is no error."""
        with suppress_status(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            await self.do("remove the container", lambda client: client.remove_container(container, v=True, force=True))

    # --- files in containers and volumes ---

    async def put(self, container: str, archive: bytes) -> None:
        """Unpack a tar archive at the root of a container, running or not."""
        await self.do("put files into the container", lambda client: client.put_archive(container, "/", archive))

    async def get(self, container: str, path: str, *, longest: int = engine_calls.MAX_FILE_BYTES) -> bytes | None:
        """The first so many bytes of a file; None when there is none. A link's content is empty."""
        return await self._or_none(f"read {path}", lambda client: engine_calls.read(client, container, path, longest))

    async def has(self, container: str, path: str) -> bool:
        """Whether there is something at this path of a container."""
        return await self.ask(f"look for {path}", lambda client: engine_calls.has(client, container, path))

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        await self.do(f"create volume {name}", lambda client: client.create_volume(name, labels=dict(labels)))

    async def volumes(self, labels: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """The labels of the volumes that carry all these, by name."""
        filters = {"label": list(labels)}
        found = await self.ask("list volumes", lambda client: client.volumes(filters=filters))
        return {str(each["Name"]): each.get("Labels") or {} for each in found.get("Volumes") or ()}

    async def remove_volume(self, name: str) -> None:
        """Delete a volume; one that is gone is no error."""
        with suppress_status(HTTPStatus.NOT_FOUND):
            await self.do(f"remove volume {name}", lambda client: client.remove_volume(name))

    # --- small print ---

    async def _or_none(self, what: str, act: Act[T]) -> T | None:
        with suppress_status(HTTPStatus.NOT_FOUND):
            return await self.ask(what, act)
        return None

    def _act(self, what: str, act: Act[T]) -> T:
        try:
            with self._client() as client:
                return act(client)
        except APIError as error:
            raise EngineError(f"{self.name} could not {what}: {engine_calls.said(error)}", error.status_code) from error
        except engine_calls.PullFailed as error:
            raise EngineError(f"{self.name} could not {what}: {error}", HTTPStatus.BAD_REQUEST) from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise EngineError(f"{self.name} did not {what}: {engine_calls.unreachable(error)}") from error

    @contextmanager
    def _client(self) -> Iterator[docker.APIClient]:
        """One client a call at a time: a session of `requests` is not made to be shared. They are used again."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = docker.APIClient(**self._connection(), version="auto", timeout=LATE * self._timeout)
        try:
            yield client
        finally:
            if self._closed:
                client.close()
            else:
                self._idle.append(client)


class suppress_status(suppress):  # in lower case because it reads as `suppress` does
    """Pass over an EngineError with one of these statuses."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(EngineError)
        self._statuses = statuses

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return isinstance(error, EngineError) and error.status in self._statuses


def is_conflict(error: EngineError) -> bool:
    """Whether the name is taken."""
    return error.status == HTTPStatus.CONFLICT


def _tell(loop: asyncio.AbstractEventLoop, *steps: Callable[[], object]) -> None:
    """Do these on the loop; one that has ended meanwhile needs no telling."""

    def act() -> None:
        for step in steps:
            step()

    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act)


def _forget(work: asyncio.Future[Any]) -> None:
    """Its caller may have gone: then an error of it is nobody's news."""
    if not work.cancelled():
        work.exception()
