"""Which Python distribution an image's name stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airbyte_workers.pods.pod import LaunchFailed

NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
VERSION = re.compile(r"v?[0-9][A-Za-z0-9.+!_-]{0,63}")


@dataclass(frozen=True)
class Requirement:
    """A distribution on the package index; `version` None: the newest. `script` is the console script to expect."""

    image: str
    distribution: str
    version: str | None
    script: str

    def __str__(self) -> str:
        return f"{self.distribution}=={self.version}" if self.version else self.distribution


def needs_docker(image: str) -> LaunchFailed:
    """The one sentence for an image that has no Python distribution."""
    return LaunchFailed(f"{image} is not a Python package; it needs Docker (launcher docker)")


def requirement(image: str) -> Requirement:
    """`[registry/]airbyte/source-faker:7.2.1` is `airbyte-source-faker==7.2.1`; other namespaces are not guessed."""
    repository, _, digest = image.partition("@")
    path, slash, last = repository.rpartition("/")
    name, _, tag = last.partition(":")
    namespace = path.rpartition("/")[2]
    untagged = f"{path}{slash}{name}"
    if digest or namespace != "airbyte" or not NAME.fullmatch(name):
        raise needs_docker(untagged[:200])
    if tag in {"", "latest"}:
        version = None
    elif VERSION.fullmatch(tag):
        version = tag
    else:
        raise LaunchFailed(
            f"the tag of {untagged[:200]} is not a version of a Python package; it needs Docker (launcher docker)"
        )
    script = re.sub(r"[._-]+", "-", name)
    return Requirement(image=untagged, distribution=f"airbyte-{script}", version=version, script=name)
