"""Images for the tests, made of what is installed here and without a registry: `python -m tests.images [IMAGE...]`."""

from __future__ import annotations

import time
from collections.abc import Callable

import docker

from airbyte_workers.pods.image_building import CLIENT_TIMEOUT_S
from tests.images import compose, connectors, demo, product
from tests.images.demo import CODE, PYTHON
from tests.images.product import DEMO_DESTINATION, PRODUCT

__all__ = ["CODE", "DEMO_DESTINATION", "PRODUCT", "PYTHON", "client", "ensure", "misbehaving", "tags"]


def client() -> docker.APIClient:
    """A client with the patience that storing large images needs."""
    return docker.APIClient(version="auto", timeout=CLIENT_TIMEOUT_S)


def misbehaving(mode: str) -> str:
    """The image of a connector that breaks the contract in this way."""
    return f"{demo.MISBEHAVING}:{mode}"


def tags() -> tuple[str, ...]:
    """Every image there is a recipe for."""
    return (PYTHON, CODE, *demo.programs(), *product.TARGETS, *connectors.IMAGES, *compose.IMAGES)


def ensure(engine: docker.APIClient, *wanted: str, said: Callable[[str], object] | None = None) -> None:
    """Make those of the images that are not there as they should be; none named: all. Raises ImageBuildFailed."""
    for tag in wanted or tags():
        started = time.monotonic()
        _make(engine, tag)
        if said is not None:
            said(f"{time.monotonic() - started:6.2f} s  {tag}")


def _make(engine: docker.APIClient, tag: str) -> str:
    if tag in (PYTHON, CODE) or tag in demo.programs():
        return demo.make(engine, tag)
    if tag in product.TARGETS:
        return product.make(engine, tag)
    if tag in connectors.IMAGES:
        return connectors.make(engine, tag)
    if tag in compose.IMAGES:
        return compose.make(engine, tag)
    raise KeyError(f"there is no recipe for the image {tag}")
