"""Real connectors asked through both launchers: what we tell is what each says by itself to a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e_support import FAKER, Place, make_images

from tests.images import connectors

pytestmark = [pytest.mark.embedded, pytest.mark.connectors, pytest.mark.timeout(300)]
LAUNCHERS = ("process", pytest.param("docker", marks=pytest.mark.docker))
ROOT, PYTHON = "{root}", "{python}"
"""In a config: the connector's folder, and its Python."""
EMBEDDER = """
import json, sys
print(json.dumps([[float(len(text)), 0.0, 0.0, 1.0] for text in json.load(sys.stdin)]))
"""
TABLE = {"dataset_name": "table", "format": "csv", "provider": {"storage": "local"}}
LAKE = {
    "table_base_path": f"{ROOT}/lake",
    "embed_mode": "cmd",
    "embed_cmd": f"{PYTHON} {ROOT}/embedder.py",
    "text_field": "name",
}


class Asked(NamedTuple):
    """A config that the connector can work with, and one it cannot.

    `refused`: no config that fits its spec can fail, so the bad one does not fit; what is told of it.
    """

    good: dict[str, Any]
    bad: dict[str, Any]
    refused: str = ""


CONNECTORS = {
    FAKER: Asked({"count": 10, "seed": 1}, {"count": 0}, "config.count: must be at least 1"),
    "airbyte/source-hardcoded-records:0.0.48": Asked({"count": 10}, {"count": 0}, "config.count: must be at least 1"),
    "airbyte/source-file:0.5.39": Asked(TABLE | {"url": f"{ROOT}/table.csv"}, TABLE | {"url": f"{ROOT}/no.csv"}),
    "airbyte/source-smoke-test:0.1.2": Asked({}, {"all_fast_streams": False, "scenario_filter": ["none"]}),
    "airbyte/destination-ailake:0.1.16": Asked(LAKE | {"embedding_dim": 4}, LAKE | {"embedding_dim": 5}),
}


class Said(NamedTuple):
    """What answers each command; empty where nothing does, as when a destination is asked what it has."""

    spec: dict[str, Any]
    good: dict[str, Any]
    bad: dict[str, Any]
    catalog: dict[str, Any]


def furnish(root: Path) -> Path:
    """What the configs name."""
    root.mkdir()
    root.chmod(0o1777)  # images have users of their own
    (root / "table.csv").write_text("id,name\n" + "".join(f"{number},name {number}\n" for number in range(5)))
    (root / "embedder.py").write_text(EMBEDDER)
    return root


def written(file: Path, config: dict[str, Any], root: str, python: str) -> str:
    file.write_text(json.dumps(config).replace(ROOT, root).replace(PYTHON, python))
    return str(file)


# --- by itself ---


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Said]:
    """What a connector says; each is asked once, for both launchers."""
    return cache(lambda image: by_itself(image, furnish(tmp_path_factory.mktemp("bare") / "root")))


def by_itself(image: str, root: Path) -> Said:
    asked, words = CONNECTORS[image], connectors.words(image)
    good, bad = (
        written(root / f"{name}.json", getattr(asked, name), str(root), sys.executable) for name in ("good", "bad")
    )
    commands = [("spec",), ("check", "--config", good), ("check", "--config", bad), ("discover", "--config", good)]

    def answer(command: tuple[str, ...]) -> dict[str, Any]:
        done = subprocess.run([*words, *command], cwd=root, capture_output=True, check=False, timeout=200)
        return body(done.stdout.decode().replace(str(root), ROOT))

    with ThreadPoolExecutor(len(commands)) as pool:
        return Said(*pool.map(answer, commands))


def body(out: str) -> dict[str, Any]:
    """What the one message that answers says."""
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    found = [line[name] for line in lines for name in ("spec", "connectionStatus", "catalog") if name in line]
    assert len(found) <= 1
    return dict(found[0]) if found else {}


# --- through us ---


def share_environment(place: Place, image: str) -> None:
    """Let the stack find the connector where it is installed already: how it is installed is another test's."""
    script = Path(connectors.words(image)[0])
    ours = script.parents[1]
    theirs = place.home / "connectors" / ours.name
    if not theirs.exists():
        theirs.symlink_to(ours)


class Told(NamedTuple):
    """An exit code, and the one JSON object on stdout."""

    code: int
    report: dict[str, Any]
    err: str


def ask(place: Place, launcher: str, image: str, command: str, config: str = "") -> Told:
    """Ask with the config of this name."""
    words = [command, image, "--launcher", launcher, "-o", "json"]
    mine = str(place.work / "airbyte_local")
    root, python = ("/local", "python") if launcher == "docker" else (mine, sys.executable)
    if config:
        content = getattr(CONNECTORS[image], config)
        words += ["--config", written(place.work / f"{command}-{config}.json", content, root, python)]
    ended = place.run(*words, seconds=200)
    out = ended.out.replace(root, ROOT) if config else ended.out  # /local is a word of specs, too
    return Told(ended.code, json.loads(out), ended.err)


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("image", CONNECTORS)
def test_we_tell_what_the_connector_says(place: Place, said: Callable[[str], Said], image: str, launcher: str) -> None:
    if launcher == "docker":
        make_images(image)
    else:
        share_environment(place, image)
    furnish(place.work / "airbyte_local")
    asked, bare = CONNECTORS[image], said(image)

    spec = ask(place, launcher, image, "spec")  # the first, so that nobody has to ask for it again
    with ThreadPoolExecutor(3) as pool:
        commands = [("check", "good"), ("check", "bad"), ("discover", "good")]
        good, bad, found = pool.map(lambda each: ask(place, launcher, image, *each), commands)

    assert (spec.code, spec.report) == (0, {"image": image, "spec": bare.spec}), spec.err
    assert (good.code, good.report) == (0, status(bare.good)), good.err
    assert "asking" not in good.err
    if asked.refused:
        assert bare.bad["status"] == "FAILED"
        assert (bad.code, bad.report["error"]["type"]) == (2, "InvalidInput"), bad.err
        assert asked.refused in bad.report["error"]["message"]
    else:
        assert (bad.code, bad.report) == (1, status(bare.bad)), bad.err
        assert bad.report["message"]
    if "destination" in image:
        assert bare.catalog == {}
        told = "discover failed: destination: discover exited with code 2 without an output"
        assert (found.code, found.report) == (1, {"error": {"type": "ConnectorFailed", "message": told}}), found.err
    else:
        assert (found.code, found.report["catalog"]) == (0, bare.catalog), found.err
        assert found.report["streams"] == len(bare.catalog["streams"])


def status(body: dict[str, Any]) -> dict[str, Any]:
    """A CONNECTION_STATUS as we tell it."""
    return {"status": body["status"].lower(), "message": body.get("message", "")}
