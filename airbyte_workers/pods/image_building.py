"""Docker images of what is installed on this host: no registry, no Dockerfile, no network."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from airbyte_workers.pods import host_root
from airbyte_workers.pods.environments import Executable
from airbyte_workers.pods.image_content import Entry, fingerprint, folder, stream, tree, with_parents

CONTENT_LABEL = "airbyte-workers.content"
"""What an image was made of; an image with the right value is not made again."""
CLIENT_TIMEOUT_S = 600
"""For the `docker.APIClient` that is passed in: the engine is silent while it stores a gigabyte."""


class ImageBuildFailed(Exception):
    """An image could not be made; the text is one sentence with what the engine or this host said."""


@dataclass(frozen=True)
class PythonImage:
    """A program of this host's Python as an image.

    `words` start it: they become the ENTRYPOINT and, quoted for a shell, AIRBYTE_ENTRYPOINT. `folders` of this host
    are in the image under the same path, so that environments run unchanged; `placed` are under the path given.
    `base` is another image made here; without it there is Python and a shell.
    """

    tag: str
    words: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    placed: Mapping[str, Path] = field(default_factory=dict)
    base: str | None = None
    user: str = "1000:1000"
    workdir: str = "/local"
    variables: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def of_environment(tag: str, executable: Executable) -> PythonImage:
    """The image of a connector that is installed in an environment of this very Python. Raises ImageBuildFailed."""
    script = Path(executable.words[0])
    python = (script.parent / "python").resolve()
    if host_root.PREFIX.resolve() not in python.parents:
        raise ImageBuildFailed(f"image {tag} cannot be made: {script} runs with {python}, not with {host_root.PREFIX}")
    path = f"{script.parent}:{host_root.VARIABLES['PATH']}"
    words = (str(script.parent / "python"), str(script))  # whatever interpreter the script's first line names
    return PythonImage(tag, words, folders=(script.parent.parent,), variables={"PATH": path})


def base_image(client: docker.APIClient, tag: str | None = None, *, pip: bool = False) -> str:
    """Make the image of this host's Python and shell unless it is there; returns its tag. Raises ImageBuildFailed."""
    tag = tag or f"airbyte-workers/python:{host_root.VERSION}{'-pip' if pip else ''}"
    with _explained(tag):
        _only_on_linux()
        content = host_root.identity(pip=pip)
        known = _found(client, tag)
        if known is None or known.content != content:
            _import(client, tag, content, host_root.entries(pip=pip))
            _remove_if_replaced(client, tag, known)
        return tag


def build(client: docker.APIClient, image: PythonImage) -> str:
    """Make the image unless it is there with this content; returns its id. Raises ImageBuildFailed."""
    base = image.base or base_image(client)
    with _explained(image.tag):
        below = _found(client, base)
        if below is None:
            raise ImageBuildFailed(f"image {image.tag} cannot be made: there is no image {base} to begin with")
        content = _content(image, below)
        known = _found(client, image.tag)
        if known is not None and known.content == content:
            return known.id
        built = _commit(client, image, below.id, content)
        _remove_if_replaced(client, image.tag, known)
        return built


@dataclass(frozen=True)
class _Found:
    id: str
    content: str


def _found(client: docker.APIClient, tag: str) -> _Found | None:
    try:
        image = client.inspect_image(tag)
    except ImageNotFound:
        return None
    labels = image["Config"].get("Labels") or {}
    return _Found(image["Id"], labels.get(CONTENT_LABEL, ""))


def _entries(image: PythonImage) -> Iterator[Entry]:
    for source in image.folders:
        yield from tree(source, source)
        yield from host_root.aliases(source)
    for target, source in image.placed.items():
        yield from tree(source, target)
    if image.workdir.lstrip("/") not in host_root.existing_folders():
        yield folder(image.workdir, mode=0o1777)


def _content(image: PythonImage, below: _Found) -> str:
    files = fingerprint(_entries(image))
    variables, labels = sorted(image.variables.items()), sorted(image.labels.items())
    said = (image.words, image.user, image.workdir, variables, labels, below.content or below.id, files)
    return sha256(repr(said).encode()).hexdigest()


def _commit(client: docker.APIClient, image: PythonImage, base: str, content: str) -> str:
    """A container that never runs takes the files; what it would have run as is what the image says."""
    container = client.create_container(
        base,
        entrypoint=list(image.words),
        user=image.user,
        working_dir=image.workdir,
        environment={**image.variables, "AIRBYTE_ENTRYPOINT": shlex.join(image.words)},
        labels={**image.labels, CONTENT_LABEL: content},
        use_config_proxy=False,
    )["Id"]
    try:
        files = list(_entries(image))
        if files:
            client.put_archive(container, "/", stream(with_parents(files, host_root.existing_folders())))
        repository, tag = _split(image.tag)
        return str(client.commit(container, repository, tag, pause=False)["Id"])
    finally:
        with suppress(APIError):
            client.remove_container(container, force=True, v=True)


def _import(client: docker.APIClient, tag: str, content: str, entries: Iterator[Entry]) -> None:
    variables = [f"ENV {name}={_quoted(value)}" for name, value in host_root.VARIABLES.items()]
    changes = [*variables, f"LABEL {CONTENT_LABEL}={content}", 'CMD ["python"]']
    repository, version = _split(tag)
    data = stream(with_parents(entries, existing=()))
    said = client.import_image_from_data(data, repository, version, changes)
    last = json.loads(said.strip().rpartition("\n")[2])
    if "error" in last:
        raise ImageBuildFailed(f"image {tag} cannot be made: {_one_line(last['error'])}")


def _quoted(value: str) -> str:
    return json.dumps(value).replace("$", r"\$")


def _split(tag: str) -> tuple[str, str]:
    repository, _, version = tag.rpartition(":")
    if not repository or "/" in version:
        return tag, "latest"
    return repository, version


def _remove_if_replaced(client: docker.APIClient, tag: str, before: _Found | None) -> None:
    """An image that lost its tag to a newer one goes, unless something still uses it."""
    after = _found(client, tag)
    if before and after and before.id != after.id:
        with suppress(APIError):
            client.remove_image(before.id)


@contextmanager
def _explained(tag: str) -> Iterator[None]:
    """Failures of the engine and of this host, as one sentence."""
    try:
        yield
    except APIError as error:
        raise ImageBuildFailed(f"image {tag} cannot be made: {_one_line(error.explanation or error)}") from error
    except (DockerException, OSError) as error:
        raise ImageBuildFailed(f"image {tag} cannot be made: {_one_line(error)}") from error


def _one_line(said: object) -> str:
    return " ".join(str(said).split())[:500]


def _only_on_linux() -> None:
    if platform.system() != "Linux":
        raise OSError(f"images are made of what is installed on a Linux host, and this is {platform.system()}")
    if shutil.which("ldd") is None:
        raise OSError("this host has no `ldd`, which names the libraries that a program needs")
