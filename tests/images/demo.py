"""The demo connectors: one image with their code, all others differ from it by what they start."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import docker

import demo_connectors
from airbyte_workers.pods.image_building import PythonImage, build
from demo_connectors import misbehaving

PYTHON = "airbyte-workers-test/python:1"
CODE = "airbyte-workers-test/demo-connectors:1"
MISBEHAVING = "airbyte-workers-test/misbehaving"
PACKAGE = "/opt/demo"
WELL_BEHAVED = ("source-synthetic", "destination-jsonl", "destination-null")


@cache
def programs() -> dict[str, tuple[str, ...]]:
    """What each demo image starts."""
    well = {
        f"airbyte-workers-test/{name}:1": ("python", "-m", f"demo_connectors.{name.replace('-', '_')}")
        for name in WELL_BEHAVED
    }
    modes = sorted({*misbehaving.SOURCES, *misbehaving.DESTINATIONS})
    return well | {f"{MISBEHAVING}:{mode}": ("python", "-m", "demo_connectors.misbehaving", mode) for mode in modes}


def make(engine: docker.APIClient, tag: str) -> str:
    """Returns the image's id."""
    if tag == PYTHON:
        return build(engine, PythonImage(PYTHON, ("python",)))
    code = _code(engine)
    return code if tag == CODE else build(engine, PythonImage(tag, programs()[tag], base=CODE))


def _code(engine: docker.APIClient) -> str:
    package = {f"{PACKAGE}/demo_connectors": Path(demo_connectors.__file__).parent}
    variables = {"PYTHONPATH": PACKAGE, "PYTHONUNBUFFERED": "1"}
    return build(engine, PythonImage(CODE, ("python",), placed=package, variables=variables))
