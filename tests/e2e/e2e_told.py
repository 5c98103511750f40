"""A stack whose connectors tell all they know, and everything that can be seen of it while it runs and afterwards."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e_canary import HAND, Secrets, Watcher, database, files
from e2e_support import QUICK, TEST_IMAGES, Ended, Place, kill_all

from airbyte_workers.client import Client, ClientError
from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.pods.image_building import PythonImage, build
from airbyte_workers.runtime.stack.temporal import find_temporal
from airbyte_workers.settings import Settings
from tests import images

TALKER = Path(__file__).with_name("e2e_talker.py")
IMAGE = f"{TEST_IMAGES}/talker:1"
STREAMS = [{"name": "people", "sync_mode": "full_refresh", "destination_sync_mode": "append"}]
LIMITS = {"AIRBYTE_WORKERS_MAX_LOG_LINE_BYTES": "2000", "MAX_MESSAGE_BYTES": "500000"}
AT_ONCE = 4


def make_talker(folder: Path) -> None:
    """The talker as an image."""
    shutil.copy2(TALKER, folder)
    engine = images.client()
    try:
        images.ensure(engine, images.PYTHON)
        build(engine, PythonImage(IMAGE, ("python", f"/talker/{TALKER.name}"), placed={"/talker": folder}))
    finally:
        engine.close()


@dataclass
class Told:
    """What is known of the stack: what commands said, what was seen of it, what is in its database and its folder."""

    place: Place
    launcher: str
    ways: dict[str, Secrets]
    ended: dict[str, Ended] = field(default_factory=dict)
    by_hand: dict[str, Ended] = field(default_factory=dict)
    client: dict[str, str] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    running: dict[str, bytes] = field(default_factory=dict)
    left: dict[str, bytes] = field(default_factory=dict)
    owner: int = 0
    remains: list[str] = field(default_factory=list)
    watcher: Watcher | None = None

    @property
    def commands(self) -> dict[str, bytes]:
        """What commands and the client gave out."""
        said = {name: (each.out + each.err).encode() for name, each in self.ended.items()}
        return said | {name: text.encode() for name, text in self.client.items()}

    # --- what is asked ---

    def connector(self, way: str, at: str, end: str = "good", *, hand: bool = False) -> dict[str, Any]:
        """The talker, asked `at`: check, discover, read or write."""
        secrets = Secrets("plain", HAND) if hand else self.ways[way]
        config = secrets.config(end=end, at=at, path=f"{self.launcher}-{way}-{end}.jsonl")
        how = {"image": IMAGE} if self.launcher == "docker" else {"command": [sys.executable, str(TALKER)]}
        return {**how, "config": config}

    def sync(self, name: str, source: dict[str, Any], destination: dict[str, Any]) -> dict[str, Any]:
        both = {"source": source, "destination": destination}
        return {"connection": f"{self.launcher}-{name}", **both, "streams": STREAMS, "retries": 0, **self.where()}

    def where(self) -> dict[str, Any]:
        """Which launcher, and what connectors see as /local."""
        return {"local_root": str(self.place.work), "launcher": self.launcher}

    def ask(self, kind: str, way: str, end: str, *options: str) -> Ended:
        """`airbyte-workers check ...`."""
        connector = self.connector(way, kind, end)
        config = self.place.work / f"{kind}-{way}-{end}-{len(options)}.json"
        config.write_text(json.dumps(connector["config"]))
        how = [IMAGE] if self.launcher == "docker" else ["--command", f"{sys.executable} {TALKER}"]
        return self.place.run(kind, *how, "--launcher", self.launcher, "--config", str(config), *options)

    def run(self, way: str, end: str, *options: str, at: str = "read") -> Ended:
        """`airbyte-workers sync`; one of both connectors ends so."""
        ends = {"read": "good", "write": "good", at: end}
        both = [self.connector(way, each, ends[each]) for each in ("read", "write")]
        content = self.sync(f"{way}-{end}-{at}", both[0], both[1])
        return self.place.run("sync", "-f", str(self.place.write(content)), *options)

    def type(self, kind: str, content: dict[str, Any]) -> Ended:
        """`temporal workflow execute`: what is typed there stays there."""
        path = self.place.work / f"by-hand-{kind}.json"
        path.write_text(json.dumps(content))
        address = ("--address", self.place.stack()["temporal_address"])
        words = ("workflow", "execute", "--type", kind, "--task-queue", "airbyte", "--input-file", str(path), *address)
        with self.place.started(*words, program=find_temporal()) as command:
            return command.ended()

    async def by_client(self, kind: str, way: str, end: str) -> str:
        """The same by the Python client: what it returns or raises, with all it holds."""
        if kind == "sync":
            both = (self.connector(way, "read", end), self.connector(way, "write"))
            asked = self.sync(f"client-{way}-{end}", *both)
        else:
            asked = self.connector(way, kind, end) | self.where()
        async with Client.connect(Settings(home=self.place.home)) as client:
            try:
                return repr(await getattr(client, kind)(asked))
            except ClientError as error:
                return f"{error!r} {vars(error)}"

    # --- all of it ---

    def ask_everything(self) -> None:
        """Every kind of job, good and bad ends, secrets given in every way."""
        asked = {
            "check good": lambda: self.ask("check", "plain", "good"),
            "check no": lambda: self.ask("check", "env", "no", "-o", "json"),
            "check error": lambda: self.ask("check", "file", "error"),
            "discover good": lambda: self.ask("discover", "file", "good", "-o", "json"),
            "discover error": lambda: self.ask("discover", "plain", "error", "-o", "json"),
            "sync good": lambda: self.run("env", "good"),
            "sync error": lambda: self.run("plain", "error", "-o", "json"),
            "sync error at the destination": lambda: self.run("file", "error", at="write"),
        }
        clients = [("check", "plain", "good"), ("sync", "plain", "crash"), ("discover", "env", "error")]
        clients += [("sync", "plain", "stream"), ("sync", "file", "long")]
        hand = self.connector("plain", "check", "no", hand=True)
        good = self.connector("plain", "check", "good", hand=True)
        by_hand = {
            "Check": lambda: self.type("Check", hand | self.where()),
            "Sync": lambda: self.type("Sync", self.sync("by-hand", good, good)),
        }
        self._ask(asked, clients, by_hand)

    def ask_little(self) -> None:
        """What differs where connectors run elsewhere: how they are given their configs, and by whom they are heard."""
        asked = {
            "check no": lambda: self.ask("check", "env", "no", "-o", "json"),
            "discover error": lambda: self.ask("discover", "plain", "error"),
            "sync good": lambda: self.run("file", "good"),
            "sync error": lambda: self.run("plain", "error", "-o", "json"),
        }
        self._ask(asked, [("check", "plain", "good")], {})

    def _ask(
        self,
        asked: Mapping[str, Callable[[], Ended]],
        clients: Sequence[tuple[str, str, str]],
        by_hand: Mapping[str, Callable[[], Ended]],
    ) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            running = {f"{self.launcher} {name}": threads.submit(each) for name, each in asked.items()}
            typed = {name: threads.submit(each) for name, each in by_hand.items()}
            told = {each: threads.submit(asyncio.run, self.by_client(*each)) for each in clients}
            self.ended |= {name: each.result() for name, each in running.items()}
            self.by_hand |= {name: each.result() for name, each in typed.items()}
            self.client |= {f"{self.launcher} client {' '.join(each)}": ended.result() for each, ended in told.items()}

    def look_back(self) -> None:
        """What `jobs` says of one job of each kind and end, and what their logs say."""
        listed = self.place.run("jobs", "list", "-a", "--limit", "1000", "-o", "json")
        chosen = {(job["kind"], job["status"]): str(job["job_id"]) for job in json.loads(listed.out)}
        asked = [("jobs", "show", job) for job in chosen.values()]
        asked += [("jobs", "show", job, "-o", "json") for (_, end), job in chosen.items() if end == "failed"]
        asked += [("jobs", "report", job, "--html", "-") for job in chosen.values()]
        asked += [("jobs", "logs", job) for (kind, end), job in chosen.items() if kind == "check" or end == "failed"]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = list(threads.map(lambda words: self.place.run(*words), asked))
        self.ended |= {"list": listed} | dict(zip(map(" ".join, asked), answers, strict=True))


def end_all(place: Place) -> None:
    """The last resort of a failed test: of one that did not fail there is nothing left."""
    kill_all(place.home.parent)
    engine = images.client()
    label = {"label": f"{STACK_LABEL}={place.stack_name}"}
    for container in engine.containers(all=True, filters=label):
        engine.remove_container(container["Id"], force=True, v=True)
    for volume in engine.volumes(filters=label)["Volumes"] or ():
        engine.remove_volume(volume["Name"])
    engine.close()


def new_place(root: Path, installed: Path) -> Place:
    """A working directory and a folder in which no stack runs yet."""
    home, work = root / "home", root / "work"
    home.mkdir(mode=0o700)
    work.mkdir()
    (home / "connectors").symlink_to(installed)
    return Place(work, home, dict(QUICK))


@contextmanager
def told_stack(root: Path, installed: Path, launchers: Sequence[str], variables: dict[str, str]) -> Iterator[Told]:
    """The stack has run and is gone; the folder is still there."""
    ways = {way: Secrets(way) for way in ("plain", "env", "file")}
    (root / "secrets").mkdir()
    ways["file"].write(root / "secrets")
    theirs = LIMITS | variables | {"SECRETS_DIR": str(root / "secrets")}
    place = new_place(root, installed)
    place.work.chmod(0o1777)
    told = Told(place, "", ways)
    try:
        with place.started("local", **theirs, **ways["env"].variables()) as local:
            local.until_said("ready; Ctrl-C stops it")
            told.owner = local.process.pid
            with Watcher(place) as told.watcher:
                for told.launcher in launchers:
                    told.ask_everything() if told.launcher == "process" else told.ask_little()
            told.look_back()
            told.tables = asyncio.run(database(place.stack()["database_url"]))
            told.running = files(place.home)
            told.remains = place.pods_left()
            local.process.send_signal(signal.SIGTERM)
            told.ended["local"] = local.ended()
        told.left = files(place.home)
        yield told
    finally:
        end_all(place)
