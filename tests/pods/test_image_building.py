"""Images made of what is installed here, and run: who they run as, what they start, when they are made again."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
import venv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from airbyte_workers.pods import host_root
from airbyte_workers.pods.environments import Executable
from airbyte_workers.pods.image_building import ImageBuildFailed, PythonImage, base_image, build, of_environment
from airbyte_workers.pods.image_content import copy, stream

pytestmark = pytest.mark.docker

PROGRAM = "import os, sys; print(os.getuid(), os.getcwd(), os.environ['HOME'], *sys.argv[1:])"


@pytest.fixture
def engine() -> Iterator[docker.APIClient]:
    client = docker.APIClient(version="auto", timeout=60)
    yield client
    client.close()


@pytest.fixture
def tag(engine: docker.APIClient) -> Iterator[str]:
    """The name of an image that does not outlive the test."""
    name = f"airbyte-workers-test/made-here:{uuid.uuid4().hex}"
    yield name
    if engine.images(name):
        engine.remove_image(name, force=True)


def run(image: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
    command = ("docker", "run", "--rm", "--network", "none", *options, image, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(folder: Path, code: str = PROGRAM) -> tuple[str, ...]:
    folder.mkdir(exist_ok=True)
    script = folder / "program.py"
    script.write_text(code)
    script.chmod(0o600)
    return ("python", str(script))


def test_a_program_of_this_host_runs_in_its_image(engine: docker.APIClient, tag: str, tmp_path: Path) -> None:
    """Under its own path, as its own user, who can write to the working and the home folder; files are root's."""
    words = program(tmp_path / "program")
    build(engine, PythonImage(tag, words, folders=(tmp_path / "program",)))
    assert run(tag, "spec") == "1000 /local /home/airbyte spec\n"
    look = f"touch ~/a /local/b /tmp/c && stat -c '%u %a' {tmp_path}/program {tmp_path}/program/program.py"
    assert run(tag, "-c", look, options=("--entrypoint", "sh")) == "0 755\n0 644\n"


def test_user_folder_variables_and_labels_are_those_asked_for(engine: docker.APIClient, tag: str) -> None:
    """What is asked for is in the image, beside what Airbyte's launchers look for."""
    wanted = PythonImage(tag, ("env",), user="10001:10001", workdir="/work/here", variables={"A": "b c"})
    build(engine, replace(wanted, labels={"of": "a test"}))
    assert {"A=b c", "AIRBYTE_ENTRYPOINT=env"} <= {*run(tag).splitlines()}
    assert run(tag, "pwd") == "/work/here\n"
    assert run(tag, "id", "-u") == "10001\n"
    assert engine.inspect_image(tag)["Config"]["Labels"]["of"] == "a test"


def test_words_with_blanks_and_quotes_survive(engine: docker.APIClient, tag: str) -> None:
    """As they are in the ENTRYPOINT, and through a shell that is given AIRBYTE_ENTRYPOINT."""
    words = ("a b", "it's", 'say "no"', "$HOME", "")
    build(engine, PythonImage(tag, ("python", "-c", "import sys; print(sys.argv[1:])", *words)))
    assert run(tag) == f"{list(words)}\n"
    through_a_shell = ("-c", 'eval "exec $AIRBYTE_ENTRYPOINT"')
    assert run(tag, *through_a_shell, options=("--entrypoint", "sh")) == f"{list(words)}\n"


def test_what_is_there_is_not_made_again(engine: docker.APIClient, tag: str, tmp_path: Path) -> None:
    """The same image, at once; bytecode that appears beside the code changes nothing."""
    image = PythonImage(tag, program(tmp_path / "program"), folders=(tmp_path / "program",))
    first = build(engine, image)
    (tmp_path / "program" / "__pycache__").mkdir()
    (tmp_path / "program" / "__pycache__" / "program.cpython-311.pyc").write_bytes(b"x")
    started = time.monotonic()
    assert build(engine, image) == first
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("change", ["content", "words"])
def test_a_change_makes_another_image(engine: docker.APIClient, tag: str, tmp_path: Path, change: str) -> None:
    """In place of the one before, which goes."""
    folder = tmp_path / "program"
    image = PythonImage(tag, program(folder), folders=(folder,))
    first = build(engine, image)
    if change == "content":
        program(folder, "print('changed', end='')")
    else:
        image = replace(image, words=("echo", "-n", "changed"))
    second = build(engine, image)
    assert second != first
    assert run(tag) == "changed"
    with pytest.raises(docker.errors.ImageNotFound):
        engine.inspect_image(first)


def test_an_environment_of_this_host_runs_unchanged(engine: docker.APIClient, tag: str, tmp_path: Path) -> None:
    """Its scripts begin with the path of its interpreter, a link to the one both have in the same place."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    script = folder / "bin" / "source-x"
    script.write_text(f"#!{folder}/bin/python\nimport sys; print(sys.prefix, sys.argv[1])\n")
    script.chmod(0o755)
    build(engine, of_environment(tag, Executable((str(script),), (script.parent,))))
    assert run(tag, "spec") == f"{folder} spec\n"


def test_an_environment_knows_this_python_by_another_name(engine: docker.APIClient, tag: str, tmp_path: Path) -> None:
    """uv makes environments on `cpython-3.12-linux`, a link that survives the interpreter's updates."""
    other_name = tmp_path / "cpython-link"
    other_name.symlink_to(host_root.PREFIX)
    folder = tmp_path / "environment"
    python = other_name / "bin" / f"python{host_root.VERSION}"
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", folder], check=True, timeout=60)
    build(engine, PythonImage(tag, (str(folder / "bin" / "python"),), folders=(folder,)))
    assert run(tag, "-c", "import sys, json; print(sys.prefix)") == f"{folder}\n"


def test_an_environment_of_another_python_is_refused(tmp_path: Path) -> None:
    """It would not start in the image."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    with pytest.raises(ImageBuildFailed, match=f"runs with {tmp_path}/bin/python, not with {sys.base_prefix}"):
        of_environment("x:1", Executable((str(tmp_path / "bin" / "source-x"),)))


def test_images_are_made_of_images(engine: docker.APIClient, tag: str, tmp_path: Path) -> None:
    """Another program in the same files; a change of the files reaches it."""
    code, above = PythonImage(tag, ("python",), placed={"/opt/code": tmp_path / "code"}), f"{tag}-above"
    program(tmp_path / "code")
    build(engine, code)
    image = PythonImage(above, ("python", "/opt/code/program.py", "above"), base=tag)
    try:
        build(engine, image)
        assert run(above) == "1000 /local /home/airbyte above\n"
        program(tmp_path / "code", "print('changed')")
        build(engine, code)
        build(engine, image)
        assert run(above) == "changed\n"
    finally:
        engine.remove_image(above, force=True)


def test_a_host_without_busybox_lends_its_own_tools(
    engine: docker.APIClient, tag: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The shell and what a pod's wrapper calls are there with their libraries."""
    monkeypatch.setattr(host_root, "BUSYBOX", tmp_path / "none")
    base_image(engine, tag)
    script = (
        "mkdir /tmp/a && echo x > /tmp/a/b && mv /tmp/a/b /tmp/c && cat /tmp/c && sleep 0 && setsid env true && ls /tmp"
    )
    assert run(tag, "sh", "-c", script) == "x\na\nc\n"
    assert "busybox" not in run(tag, "ls", "/usr/bin")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tag": "Upper/case:1"}, "image Upper/case:1 cannot be made: .*must be lowercase"),
        ({"base": "airbyte-workers-test/none:1"}, "there is no image airbyte-workers-test/none:1 to begin with"),
        ({"folders": (Path("/no/such/folder"),)}, "No such file or directory: '/no/such/folder'"),
    ],
)
def test_what_the_engine_says_is_one_sentence(
    engine: docker.APIClient, tag: str, change: dict[str, object], said: str
) -> None:
    """And no container is left over."""
    with pytest.raises(ImageBuildFailed, match=said) as raised:
        build(engine, replace(PythonImage(tag, ("python",), labels={"made-for": tag}), **change))
    assert "\n" not in str(raised.value)
    assert engine.containers(all=True, filters={"label": f"made-for={tag}"}) == []


def test_an_engine_that_does_not_answer_is_one_sentence() -> None:
    """Nobody listens there."""
    client = docker.APIClient(base_url="tcp://127.0.0.1:9", version="1.41")
    with pytest.raises(ImageBuildFailed, match=r"image airbyte-workers/python:\S+ cannot be made: .*refused"):
        base_image(client)
    client.close()


@pytest.mark.parametrize("missing", ["system", "ldd"])
def test_a_host_that_cannot_make_images_says_so(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked of the engine."""
    changes: dict[str, tuple[str, Callable[..., object]]] = {
        "system": ("platform.system", lambda: "Darwin"),
        "ldd": ("shutil.which", lambda name: None),
    }
    monkeypatch.setattr(f"airbyte_workers.pods.image_building.{changes[missing][0]}", changes[missing][1])
    with pytest.raises(ImageBuildFailed, match=r"a Linux host, and this is Darwin|this host has no `ldd`"):
        base_image(None)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """The archive would be out of step from there on."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    entry = copy(file, "file")
    file.write_bytes(b"x")
    with pytest.raises(OSError, match="became shorter while it was read"):
        list(stream([entry]))
