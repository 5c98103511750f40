"""Who may start a workflow cannot read the Temporal workers' host; without the key nobody reads a stored config."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from e2e_addressed import addressed, working
from e2e_canary import HAND, HOST, STEM, Secrets, database, files, found, leaks
from e2e_support import Ended, Place
from e2e_told import IMAGE, end_all, make_talker

from airbyte_workers.client import Client
from airbyte_workers.runtime.database import DatabaseUnusable
from airbyte_workers.runtime.stack.temporal import find_temporal
from airbyte_workers.settings import Settings

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.timeout(180)]
PLAIN = Secrets("plain", HAND).config(end="good", at="check")
PASSWD = b"root:x:0"


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    """A stack by its addresses, as an administrator has it, in whose host there is something to find."""
    host = alone.home.parent
    (host / "secrets").mkdir()
    (host / "secrets" / "good").write_text(f"{STEM}-good\n")
    (host / "secrets" / "out").symlink_to("/etc/passwd")
    (host / "secrets" / "folder").symlink_to(host)
    (host / "beside").write_text(f"{STEM}-beside\n")
    (host / f"{STEM}-home").mkdir()
    theirs = {"HOME": str(host / f"{STEM}-home"), "SECRETS_DIR": str(host / "secrets"), "ALLOW_LOCAL_COMMANDS": "false"}
    with addressed(alone) as place, ExitStack() as stack:
        stack.callback(end_all, alone)
        yield replace(place, variables=place.variables | theirs)


def execute(place: Place, kind: str, content: dict[str, Any]) -> Ended:
    """`temporal workflow execute`, as anybody runs it who reaches Temporal."""
    path = place.work / f"{uuid4()}.json"
    path.write_text(json.dumps(content))
    words = ("workflow", "execute", "--type", kind, "--task-queue", "airbyte", "--input-file", str(path))
    with place.started(*words, program=find_temporal()) as command:
        return command.ended()


def check(reference: str, **more: Any) -> dict[str, Any]:
    return {"image": IMAGE, "launcher": "docker", "config": PLAIN | {"note": {"_secret": reference}}} | more


def sync(**source: Any) -> dict[str, Any]:
    destination = {"image": IMAGE, "config": PLAIN}
    return {"connection": f"people-{uuid4()}", "source": {"image": IMAGE} | source, "destination": destination}


REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "env:HOME": ("Check", "only variables that begin with AIRBYTE_SECRET_", check("env:HOME")),
    "env:DATABASE_URL": ("Check", "only variables that begin with AIRBYTE_SECRET_", check("env:DATABASE_URL")),
    "env:AIRBYTE_SECRET_": ("Check", "has no such variable", check("env:AIRBYTE_SECRET_")),
    "file:/etc/passwd": ("Check", "only files below", check("file:/etc/passwd")),
    "file:/etc/nothing": ("Check", "only files below", check("file:/etc/nothing")),
    "file:../beside": ("Check", "only files below", check("file:../beside")),
    "file:x/../../beside": ("Check", "only files below", check("file:x/../../beside")),
    "a link to a file": ("Check", "only files below", check("file:out")),
    "a link to a folder": ("Check", "only files below", check("file:folder/beside")),
    "the folder": ("Check", "only files below", check("file:.")),
    "no scheme": ("Check", "begins with env: or file:", check("/etc/passwd")),
    "command": ("Check", "commands may not run on this stack", {"command": ["cat", "/etc/passwd"]}),
    "local_root": ("Check", "paths of the host may not be chosen", check("file:good", local_root="/")),
    "config_file": ("Check", "config_file is read by the command line", {"image": IMAGE, "config_file": "/etc/passwd"}),
    "image ../../x": ("Check", "../../x", check("file:good", image="../../x")),
    "image ../../x as a process": ("Check", "../../x", check("file:good", image="../../x", launcher="process")),
    "image --privileged": ("Check", "--privileged", check("file:good", image="--privileged")),
    "image -v": ("Check", "-v/:/host", check("file:good", image="-v/:/host")),
    "image /bin/cat as a process": ("Check", "/bin/cat", check("file:good", image="/bin/cat", launcher="process")),
    "image of the host": (
        "Check",
        "is not a Python package",
        check("file:good", image="airbyte/../../../../../bin/cat:1", launcher="process"),
    ),
    "another's config": ("Check", "nothing is stored under the id", {"image": IMAGE, "config_id": str(uuid4())}),
    "no config's id": ("Check", "config_id: must be a UUID", {"image": IMAGE, "config_id": "../x"}),
    "sync": ("Sync", "source.config.note: secret env:HOME", sync(config=PLAIN | {"note": {"_secret": "env:HOME"}})),
    "sync's command": ("Sync", "source.command: commands may not", sync(image=None, command=["cat", "/etc/passwd"])),
    "spec": ("Spec", "commands may not run on this stack", {"command": ["cat", "/etc/passwd"]}),
}


def test_who_may_start_a_workflow_cannot_read_the_host(shared: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    make_talker(tmp_path_factory.mktemp("talker"))
    with working(shared), ThreadPoolExecutor(4) as threads:
        good = execute(shared, "Check", check("file:good"))
        assert (good.code, HOST in good.out, found(good.out.encode())) == (0, True, []), good
        tried = {name: threads.submit(execute, shared, kind, asked) for name, (kind, _, asked) in REFUSED.items()}
        answers = {name: each.result() for name, each in tried.items()}
    assert {name: each.code for name, each in answers.items()} == dict.fromkeys(answers, 1)
    unsaid = [name for name, (_, words, _) in REFUSED.items() if words not in answers[name].err + answers[name].out]
    assert unsaid == []
    told = {name: (each.out + each.err).encode() for name, each in answers.items()}
    told |= files(shared.home) | asyncio.run(database(shared.variables["DATABASE_URL"]))
    assert leaks(told) == []
    assert [name for name, text in told.items() if PASSWD in text] == []
    there, nowhere = (told[f"file:/etc/{name}"].replace(name.encode(), b"") for name in ("passwd", "nothing"))
    assert reasons(there) == reasons(nowhere), "it can be learned which files there are"


def reasons(answer: bytes) -> list[bytes]:
    return [line.strip() for line in answer.splitlines() if b"Message:" in line]


async def test_a_config_waits_encrypted_for_a_worker_that_has_the_key(
    shared: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_talker(tmp_path_factory.mktemp("talker"))
    url, key = shared.variables["DATABASE_URL"], shared.home / "secrets.key"
    settings = Settings(home=shared.home, database_url=url, temporal_address=shared.variables["TEMPORAL_ADDRESS"])
    asked = {"image": IMAGE, "launcher": "docker", "config": PLAIN}
    async with Client.connect(settings) as client:
        with pytest.raises(DatabaseUnusable, match="the database is not migrated yet"):
            await client.start_check(asked)
        with working(shared):
            pass
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        run = await client.start_check(asked)
        waiting = await database(url)
        assert waiting["public.handed_configs"] != b""
        assert leaks(waiting | files(shared.home), HAND) == []
        await asyncio.to_thread(refuses_to_start, shared)
        with working(shared):
            assert (await run.result()).status == "succeeded"
    after = await database(url)
    assert (after["public.handed_configs"], leaks(after | files(shared.home), HAND)) == (b"", [])


def refuses_to_start(place: Place) -> None:
    """A worker with another key than the database's, or with one that is none."""
    other = str(place.work / "other.key")
    ended = place.run("worker", SECRETS_KEY_FILE=other)
    assert (ended.code, "polling" in ended.err) == (1, False)
    assert ended.error.startswith(
        "this database's configs are encrypted with another key than this Temporal worker has"
    )
    Path(other).write_text("not a key\n")
    ended = place.run("worker", SECRETS_KEY_FILE=other)
    assert (ended.code, ended.error) == (1, f"the key file {other} must hold 32 bytes as 64 hex digits")
