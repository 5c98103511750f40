"""The product's own images, from the Dockerfile that everybody uses, on a base that needs no registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import docker
from docker.errors import APIError, ImageNotFound

from airbyte_workers.pods.image_building import CONTENT_LABEL, ImageBuildFailed, base_image
from airbyte_workers.pods.image_content import Entry, copy, fingerprint, tree

PRODUCT = "airbyte-workers:test"
DEMO_DESTINATION = "airbyte-workers/destination-jsonl:local"
"""The name that deploy/compose/demo.yaml has for it."""
TARGETS = {PRODUCT: "product", DEMO_DESTINATION: "destination-jsonl"}
ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "README.md", "LICENSE")
PACKAGES = ("airbyte_workers", "workflows", "activities", "demo_connectors")


def make(engine: docker.APIClient, tag: str = PRODUCT) -> str:
    """Returns the image's id."""
    base = base_image(engine, pip=True)
    content = f"{engine.inspect_image(base)['Id']} {fingerprint(_inputs())}"
    before = _labelled(engine, tag)
    if before is None or before.content != content:
        _build(engine, tag, base, content)
        if before is not None:
            with suppress(APIError):  # something may still use it
                engine.remove_image(before.id)
    return str(engine.inspect_image(tag)["Id"])


def _inputs() -> Iterator[Entry]:
    for name in FILES:
        yield copy(ROOT / name, name)
    for name in PACKAGES:
        yield from tree(ROOT / name, name)


class _Made(NamedTuple):
    id: str
    content: str


def _labelled(engine: docker.APIClient, tag: str) -> _Made | None:
    try:
        image = engine.inspect_image(tag)
    except ImageNotFound:
        return None
    return _Made(image["Id"], (image["Config"]["Labels"] or {}).get(CONTENT_LABEL, ""))


def _build(engine: docker.APIClient, tag: str, base: str, content: str) -> None:
    lines = engine.build(
        path=str(ROOT),
        tag=tag,
        target=TARGETS[tag],
        buildargs={"BASE": base},
        labels={CONTENT_LABEL: content},
        rm=True,
        forcerm=True,
    )
    said = [json.loads(line) for block in lines for line in block.splitlines() if line.strip()]
    failed = next((each["error"] for each in said if "error" in each), None)
    if failed:
        output = "".join(each.get("stream", "") for each in said)[-2000:]
        raise ImageBuildFailed(f"image {tag} cannot be made: {failed}\n{output}")
