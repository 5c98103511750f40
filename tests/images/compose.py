"""Stand-ins for the two images of others that docker-compose.yml names, made of what is installed here.

They have what the compose file uses: the same program as entrypoint, user, folders, variables, signals. An image that
somebody has pulled under such a name is the real one, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from airbyte_workers.pods.image_building import CONTENT_LABEL, ImageBuildFailed, base_image
from airbyte_workers.pods.image_content import Entry, copy, fingerprint, stream, text, tree, with_parents
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.pg_binaries import installations
from airbyte_workers.runtime.stack.temporal import find_temporal

POSTGRES = "postgres:17"
TEMPORAL = "temporalio/temporal:1.9.1"
IMAGES = (POSTGRES, TEMPORAL)
CONTEXT = "files"
POSTGRES_START = (Path(__file__).parent / "postgres_start.sh").read_text(encoding="utf-8")
TEMPORAL_LINES = """
RUN echo 'temporal:x:1000:1000::/home/temporal:/bin/sh' >>/etc/passwd && mkdir /home/temporal \\
    && chown 1000:1000 /home/temporal
USER temporal
ENTRYPOINT ["temporal"]
"""
POSTGRES_LINES = """
RUN echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >>/etc/passwd && mkdir -p /var/lib/postgresql/data \\
    && chown -R 999:999 /var/lib/postgresql && chmod 1777 /tmp  # a checkout below /tmp brings a /tmp of its own
ENV PATH="$PATH:{bin}" PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
USER postgres
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/usr/local/bin/postgres_start.sh"]
CMD ["postgres"]
"""


def make(engine: docker.APIClient, tag: str) -> str:
    """Returns the image's id."""
    base = base_image(engine)
    recipe = _recipe(tag)
    content = f"{engine.inspect_image(base)['Id']} {fingerprint(recipe.context(base))}"
    before = _found(engine, tag)
    if before is None or (CONTENT_LABEL in before.labels and before.labels[CONTENT_LABEL] != content):
        _build(engine, tag, recipe.context(base), content)
    after = _found(engine, tag)
    assert after is not None
    if before is not None and before.id != after.id:
        _forget(engine, before.id)
    return after.id


@dataclass(frozen=True)
class _Recipe:
    files: tuple[Entry, ...]
    lines: str

    def context(self, base: str) -> Iterator[Entry]:
        yield text("Dockerfile", f"FROM {base}\nCOPY {CONTEXT}/ /\n{self.lines}")
        yield from with_parents(self.files, existing=())


def _recipe(tag: str) -> _Recipe:
    if tag == TEMPORAL:
        return _Recipe((copy(Path(find_temporal()), f"{CONTEXT}/usr/local/bin/temporal"),), TEMPORAL_LINES)
    try:
        found = installations()
    except StackError as error:
        raise ImageBuildFailed(f"image {tag} cannot be made: {error}") from None
    newest = found[max(found)]
    files = [text(f"{CONTEXT}/usr/local/bin/postgres_start.sh", POSTGRES_START)]
    for folder in (newest.folder, newest.libraries):
        files += tree(folder, f"{CONTEXT}{folder}", without=("include",))
    return _Recipe(tuple(files), POSTGRES_LINES.format(bin=newest.folder / "bin"))


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


def _build(engine: docker.APIClient, tag: str, context: Iterator[Entry], content: str) -> None:
    said = engine.build(
        fileobj=stream(context), custom_context=True, tag=tag, labels={CONTENT_LABEL: content}, rm=True, forcerm=True,
        decode=True,
    )  # fmt: skip
    failed = [each["error"] for each in said if "error" in each]
    if failed:
        raise ImageBuildFailed(f"image {tag} cannot be made: {failed[0]}")


def _forget(engine: docker.APIClient, image: str) -> None:
    with suppress(APIError):  # something may still use it
        engine.remove_image(image)
