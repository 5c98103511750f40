"""Stand-ins for the images of others that the compose files name, made of what is here and of Debian's packages.

They have what the compose files use: the same program as entrypoint, user, folders, variables, signals. An image that
somebody has pulled under such a name is the real one, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import docker
from docker.errors import APIError, ImageNotFound

from airbyte_workers.pods.image_building import CONTENT_LABEL, ImageBuildFailed, base_image
from airbyte_workers.pods.image_content import Entry, fingerprint, stream, text, with_parents
from tests.images import recipes
from tests.images.recipes import CONTEXT, RECIPES, Recipe

POSTGRES = "postgres:17"
TEMPORAL = "temporalio/temporal:1.9.1"
PRODUCTION = ("temporalio/server:1.32.0", "temporalio/admin-tools:1.32.0", "temporalio/ui:2.54.1")
STORAGE = ("chrislusf/seaweedfs:4.48",)
MONITORING = ("prom/prometheus:v3.5.0", "grafana/grafana:12.1.1")
HAPROXY = "haproxy:3.2-alpine"
IMAGES = tuple(RECIPES)


def make(engine: docker.APIClient, tag: str) -> str:
    """Returns the image's id. Raises ImageBuildFailed."""
    base = base_image(engine)
    try:
        recipe = RECIPES[tag]()
    except ImageBuildFailed as error:
        raise ImageBuildFailed(f"image {tag} cannot be made: {error}") from None
    known = fingerprint(_context(base, recipe, recipe.files))
    content = " ".join((engine.inspect_image(base)["Id"], known, *recipe.debian))
    before = _found(engine, tag)
    if before is None or (CONTENT_LABEL in before.labels and before.labels[CONTENT_LABEL] != content):
        _build(engine, tag, recipe, content)
    after = _found(engine, tag)
    assert after is not None
    if before is not None and before.id != after.id:
        _forget(engine, before.id)
    return after.id


def _context(base: str, recipe: Recipe, files: Iterable[Entry]) -> Iterator[Entry]:
    libraries = "ENV LD_LIBRARY_PATH=/usr/lib/standin\n" if recipe.debian else ""
    copied = f"COPY {CONTEXT}/ /\n" if recipe.files or recipe.debian else ""
    yield text("Dockerfile", f"FROM {base}\n{copied}{libraries}{recipe.lines}")
    yield from with_parents(files, existing=())


@dataclass(frozen=True)
class _Found:
    id: str
    labels: dict[str, str]


def _found(engine: docker.APIClient, tag: str) -> _Found | None:
    try:
        image = engine.inspect_image(tag)
    except ImageNotFound:
        return None
    return _Found(image["Id"], image["Config"]["Labels"] or {})


def _build(engine: docker.APIClient, tag: str, recipe: Recipe, content: str) -> None:
    with ExitStack() as stack:
        files = recipe.files
        if recipe.debian:
            files += stack.enter_context(recipes.unpacked(recipe.debian))
        context = _context(base_image(engine), recipe, files)
        said = engine.build(
            fileobj=stream(context), custom_context=True, tag=tag, labels={CONTENT_LABEL: content}, rm=True,
            forcerm=True, decode=True,
        )  # fmt: skip
        failed = [each["error"] for each in said if "error" in each]
    if failed:
        raise ImageBuildFailed(f"image {tag} cannot be made: {failed[0]}")


def _forget(engine: docker.APIClient, image: str) -> None:
    with suppress(APIError):  # something may still use it
        engine.remove_image(image)
