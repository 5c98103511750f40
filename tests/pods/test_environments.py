"""Connector environments, with a stand-in for uv and, marked, with the real one and real connectors."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_workers.pods import installer
from airbyte_workers.pods.environments import Environments
from airbyte_workers.pods.pod import LaunchFailed, Program
from airbyte_workers.settings import Settings

UV = """
import json, os, sys, time
from pathlib import Path
here = Path(__file__).parent
plan = json.loads((here / "plan.json").read_text())
words = sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(words[0] + ("" if words[0] == "venv" else " " + words[1]) + "\\n")
if plan.get("hang"):
    time.sleep(600)
if plan.get("fail"):
    sys.exit(plan["fail"])
if words[:2] == ["pip", "compile"]:
    print(sys.stdin.read() + "==" + plan["newest"])
elif words[0] == "venv":
    folder = Path(words[-1])
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
else:
    folder = Path(words[words.index("--python") + 1]).parent.parent
    name, version = words[-1].split("==")
    info = folder / "lib" / "python3" / "site-packages" / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    (info / "entry_points.txt").write_text(
        "[console_scripts]\\n" + "".join(f"{script} = x:y\\n" for script in plan["scripts"]))
    for script in plan["scripts"]:
        (folder / "bin" / script).write_text("#!/bin/sh\\n")
        (folder / "bin" / script).chmod(0o755)
"""


@dataclass
class Index:
    """What the stand-in for uv does next, and what it was asked."""

    folder: Path
    settings: Settings
    clock: float = 1_000_000.0

    def plan(self, **plan: object) -> None:
        (self.folder / "plan.json").write_text(json.dumps({"scripts": ["source-x"], "newest": "1.0"} | plan))

    @property
    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def environments(self) -> Environments:
        return Environments(self.settings, now=lambda: self.clock)

    async def script(self, image: str = "airbyte/source-x:1.0") -> Path:
        return Path((await self.environments().executable(Program(image=image))).words[0])


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    (tmp_path / "uv.py").write_text(UV)
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {tmp_path / "uv.py"} "$@"\n')
    uv.chmod(0o755)
    monkeypatch.setattr(installer, "_uv_program", lambda: str(uv))
    index = Index(tmp_path, Settings(home=tmp_path / "home", install_timeout_s=60))
    index.plan()
    return index


async def test_an_environment_is_made_once(index: Index) -> None:
    script = await index.script()

    assert script.name == "source-x"
    assert index.calls == ["venv", "pip install"]
    assert await index.script() == script
    assert len(index.calls) == 2


async def test_its_own_programs_come_first_on_its_path(index: Index) -> None:
    executable = await index.environments().executable(Program(image="airbyte/source-x:1.0"))

    assert executable.folders == (Path(executable.words[0]).parent,)


async def test_two_installers_at_once_make_one_environment(index: Index) -> None:
    first, second = await asyncio.gather(index.script(), index.script())

    assert first == second
    assert index.calls == ["venv", "pip install"]


@pytest.mark.parametrize("breakage", ["ready.json", "bin/source-x", "bin/python"])
async def test_a_broken_environment_is_made_again(index: Index, breakage: str) -> None:
    folder = (await index.script()).parent.parent
    (folder / breakage).unlink()
    (folder / "left-over").touch()

    await index.script()

    assert index.calls == ["venv", "pip install"] * 2
    assert not (folder / "left-over").exists()


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (["other", "source-x", "airbyte-source-x"], "source-x"),
        (["other", "airbyte-source-x"], "airbyte-source-x"),
        (["source_x", "other"], "source_x"),
        (["anything"], "anything"),
    ],
)
async def test_which_console_script_is_the_connector(index: Index, scripts: list[str], expected: str) -> None:
    index.plan(scripts=scripts)

    assert (await index.script()).name == expected


@pytest.mark.parametrize("scripts", [[], ["one", "two"]])
async def test_no_script_to_choose(index: Index, scripts: list[str]) -> None:
    index.plan(scripts=scripts)

    with pytest.raises(LaunchFailed, match=f"has {len(scripts)} console scripts"):
        await index.script()


async def test_latest_is_asked_for_again_after_a_day(index: Index) -> None:
    first = await index.script("airbyte/source-x:latest")
    index.plan(newest="2.0")
    index.clock += 23 * 3600
    assert await index.script("airbyte/source-x") == first

    index.clock += 2 * 3600
    second = await index.script("airbyte/source-x")

    assert second != first
    assert first.exists(), "a pod may still run it"
    assert second == await index.script("airbyte/source-x:2.0")


async def test_latest_works_offline_once_it_is_installed(index: Index) -> None:
    first = await index.script("airbyte/source-x")
    index.clock += 25 * 3600
    index.plan(fail="error: Request failed: dns error")

    assert await index.script("airbyte/source-x") == first
    calls = len(index.calls)
    assert await index.script("airbyte/source-x") == first
    assert len(index.calls) == calls, "it is not asked at every launch while the index is away"


async def test_offline_without_an_environment_may_work_later(index: Index) -> None:
    index.plan(fail="error: Request failed: dns error")

    for image in ("airbyte/source-x", "airbyte/source-x:1.0"):
        with pytest.raises(LaunchFailed, match="dns error") as failure:
            await index.script(image)
        assert failure.value.retryable
    assert not [each for each in (index.settings.home / "connectors").iterdir() if each.is_dir()]


async def test_an_installation_is_bounded_and_leaves_no_process(index: Index) -> None:
    index.settings = index.settings.model_copy(update={"install_timeout_s": 0.5})
    index.plan(hang=True)

    with pytest.raises(LaunchFailed, match=r"took longer than 0\.5 s") as failure:
        await index.script()

    assert failure.value.retryable
    index.settings = index.settings.model_copy(update={"install_timeout_s": 60})
    index.plan()
    assert (await index.script()).exists(), "the lock is free again"


async def test_without_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LaunchFailed, match="pip install uv"):
        await Environments(Settings(home=tmp_path)).executable(Program(image="airbyte/source-x:1.0"))


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real environments are large: made once, and kept where the caller says (CI caches them)."""
    kept = os.environ.get("AIRBYTE_WORKERS_TEST_HOME")
    return Path(kept) if kept else tmp_path_factory.mktemp("connectors")


@pytest.mark.connectors
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("image", "script"),
    [
        ("airbyte/source-faker:7.2.1", "source-faker"),
        ("airbyte/source-hardcoded-records:0.0.48", "source-hardcoded-records"),
        ("airbyte/destination-ailake:0.1.16", "airbyte-destination-ailake"),
        ("airbyte/source-file:0.5.39", "source-file"),
    ],
)
async def test_real_connectors_are_installed_and_answer_spec(shared_home: Path, image: str, script: str) -> None:
    environments = Environments(Settings(home=shared_home))

    executable = await environments.executable(Program(image=image))

    assert Path(executable.words[0]).name == script
    said = await asyncio.to_thread(subprocess.run, [*executable.words, "spec"], capture_output=True, check=True)
    assert any(json.loads(line)["type"] == "SPEC" for line in said.stdout.splitlines() if line.startswith(b"{"))


@pytest.mark.connectors
async def test_the_newest_version_is_a_version(shared_home: Path) -> None:
    environments = Environments(Settings(home=shared_home))

    executable = await environments.executable(Program(image="airbyte/source-faker"))

    assert Path(executable.words[0]).name == "source-faker"


@pytest.mark.connectors
@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("airbyte/source-postgres:3.6.0", "airbyte/source-postgres is not a Python package; it needs Docker"),
        ("airbyte/source-postgres", "airbyte/source-postgres is not a Python package; it needs Docker"),
        ("airbyte/source-faker:99.1.0", "has no version 99.1.0 on the package index"),
    ],
)
async def test_what_the_package_index_does_not_have(shared_home: Path, image: str, message: str) -> None:
    with pytest.raises(LaunchFailed, match=message) as failure:
        await Environments(Settings(home=shared_home)).executable(Program(image=image))

    assert not failure.value.retryable


@pytest.mark.connectors
async def test_a_package_index_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    with pytest.raises(LaunchFailed, match="failed") as failure:
        await Environments(Settings(home=tmp_path)).executable(Program(image="airbyte/source-faker:7.2.1"))

    assert failure.value.retryable
