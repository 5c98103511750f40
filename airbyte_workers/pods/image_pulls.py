"""Having the images: what is here is used, what is not is pulled; a failure says whose it is and what to do."""

from __future__ import annotations

import re

from airbyte_workers.pods.container_plan import ImageFacts
from airbyte_workers.pods.engine import Engine, EngineError
from airbyte_workers.pods.pod import LaunchFailed
from airbyte_workers.settings import Settings

_PASSING = re.compile(
    r"no such host|server misbehaving|timeout|timed out|connection (?:refused|reset)|network is unreachable"
    r"|too ?many ?requests|unexpected eof|tls handshake|service unavailable|no space left",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"not found|no such image|manifest unknown|name unknown|repository name not known|does not exist", re.IGNORECASE
)
_DENIED = re.compile(r"unauthorized|authentication required|denied|no basic auth credentials", re.IGNORECASE)


class Images:
    """The images of one engine."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def have(self, name: str) -> ImageFacts:
        """The image, pulled where the policy says so. Raises LaunchFailed."""
        policy = self._settings.image_pull_policy
        try:
            seen = await self._engine.image(name) if policy != "Always" else None
            if seen is None and policy != "Never":
                await self._engine.pull(name, timeout_s=self._settings.image_pull_timeout_s)
                seen = await self._engine.image(name)
        except EngineError as error:
            raise pull_failed(name, error) from error
        if seen is None:
            raise LaunchFailed(
                f"image {name} is not on this host, and images are not pulled (image pull policy {policy})"
            )
        return ImageFacts.of(name, seen)

    async def here(self, name: str) -> ImageFacts | None:
        """The image, if it is on this host. Raises EngineError."""
        seen = await self._engine.image(name)
        return None if seen is None else ImageFacts.of(name, seen)

    async def known(self, name: str) -> bool:
        """Whether the image is here, or a registry has it for us. Raises EngineError with what the registry said."""
        if await self._engine.image(name) is not None:
            return True
        if self._settings.image_pull_policy == "Never":
            return False
        return await self._engine.in_registry(name, timeout_s=self._settings.registry_timeout_s)


def pull_failed(name: str, error: EngineError) -> LaunchFailed:
    """A pull's failure: the network and the disk may be better later, a name that is wrong will not."""
    said = str(error)
    if _PASSING.search(said) or error.away:
        return LaunchFailed(f"image {name} could not be pulled: {said}", retryable=True)
    if _DENIED.search(said) or _UNKNOWN.search(said):
        return LaunchFailed(
            f"image {name} is not on this host, and its registry does not give it to us: the name may be wrong, or "
            f"`docker login` is missing for the user of the Temporal worker ({said})"
        )
    return LaunchFailed(f"image {name} could not be pulled: {said}", retryable=error.passing)
