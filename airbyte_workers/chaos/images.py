"""Images of the two demo connectors, made on the engine of the cases: no registry is asked."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import docker

from airbyte_workers import __version__
from airbyte_workers.pods.image_building import CLIENT_TIMEOUT_S, ImageBuildFailed, PythonImage, build

SOURCE, DESTINATION = "demo_connectors.source_synthetic", "demo_connectors.destination_jsonl"
_CODE = "/opt/demo"


def image_of(module: str) -> PythonImage:
    """The image that runs this program of the demo connectors. Raises ImageBuildFailed."""
    package, _, name = module.rpartition(".")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ImageBuildFailed("the demo connectors are not installed")
    return PythonImage(
        f"airbyte-workers/{name.replace('_', '-')}:{__version__}",
        ("python", "-m", module),
        placed={f"{_CODE}/{package}": Path(found.submodule_search_locations[0])},
        variables={"PYTHONPATH": _CODE},
    )


def make_images(address: str) -> None:
    """Have both on the engine at this address. Blocks. Raises ImageBuildFailed."""
    client = docker.APIClient(base_url=address, version="auto", timeout=CLIENT_TIMEOUT_S)
    try:
        for module in (SOURCE, DESTINATION):
            build(client, image_of(module))
    finally:
        client.close()
