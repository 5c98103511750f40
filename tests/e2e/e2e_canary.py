"""Secrets that are found again wherever they are, in any spelling, also cut; and who looks for them."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncpg
from e2e_support import Place
from requests.exceptions import RequestException

from airbyte_workers.pods.container_plan import STACK_LABEL
from tests import images

STEM = "Kanari"
"""Every few characters in every secret: what is cut off of one still has it."""
HAND = "Hering"
"""The same in secrets that are typed into Temporal's own tools, whose history keeps them."""
HOST = "no-secret.example"
"""Stands beside the secrets and is none: whatever tells of a config must have it."""
AROUND = 60
OFTEN = 20
"""Looks at a process until there is time between two: it may still become another program, but hardly does."""


def _spelt(stem: str) -> re.Pattern[bytes]:
    """As it is, or in base64 wherever it begins there: it has no character that other spellings change."""
    spelt = [stem.encode()]
    for before, shared in ((0, 0), (1, 2), (2, 3)):  # a neighbour's bytes, and the characters they have a part in
        whole = (before + len(stem)) * 4 // 3
        spelt.append(b64encode(bytes(before) + stem.encode())[shared:whole])
    return re.compile(b"|".join(map(re.escape, spelt)))


_SPELT = {stem: _spelt(stem) for stem in (STEM, HAND)}


def found(data: bytes, stem: str = STEM) -> list[str]:
    """Every place of a secret with what stands around it."""
    places = _SPELT[stem].finditer(data)
    return [data[max(0, each.start() - AROUND) : each.end() + AROUND].decode(errors="replace") for each in places]


def leaks(places: Mapping[str, bytes], stem: str = STEM) -> list[str]:
    """The places that have a secret: the first of each, as long as a person reads on."""
    return [f"{name}: {len(hits)}, e.g. {hits[0]!r}" for name, data in places.items() if (hits := found(data, stem))]


@dataclass(frozen=True)
class Secrets:
    """The secrets of one way to give them."""

    way: str
    stem: str = STEM
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        few = [self._words(2) for _ in range(3)]
        odd = f"{few[0]}\"ü\\ß{few[1]}/+ &<='€%{few[2]}"
        lines = "\n".join(["-----BEGIN PRIVATE KEY-----", *(self._words(5) for _ in range(3)), "-----END-----"])
        single = {name: self._words(4) for name in ("pin", "opener", "note")}
        self.values.update(single | {"odd": odd, "lines": lines})

    def _words(self, count: int) -> str:
        return "".join(f"{self.stem}{self.way[0]}{secrets.token_hex(2)}" for _ in range(count))

    def config(self, **more: Any) -> dict[str, Any]:
        """As a person writes it; of a plain one nothing tells that `note` was secret, so it is not."""
        given = {name: self._given(name) for name in self.values}
        return {"host": HOST, "way": {"opener": given.pop("opener")}, "line_limit": 2000, **given, **more}

    def _given(self, name: str) -> Any:
        if self.way in ("env", "file"):
            named = f"AIRBYTE_SECRET_{name.upper()}" if self.way == "env" else f"talker/{name}"
            return {"_secret": f"{self.way}:{named}"}
        return "an ordinary note" if name == "note" else self.values[name]

    def variables(self) -> dict[str, str]:
        return {f"AIRBYTE_SECRET_{name.upper()}": value for name, value in self.values.items()}

    def write(self, folder: Path) -> None:
        (folder / "talker").mkdir()
        for name, value in self.values.items():
            (folder / "talker" / name).write_text(value + "\n")


# --- looking while it runs ---


class Watcher:
    """Looks again and again at every process of this host, at the stack's pods and at its containers."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._end = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._processes, self._containers)]
        self._engine = images.client()
        self._mark = str(place.home).encode()
        self._rounds = 0
        self._looks: Counter[str] = Counter()
        self.programs: set[str] = set()
        self.telling: dict[int, str] = {}
        self.files: dict[str, int] = {}
        self.inspected: dict[str, bytes] = {}

    def __enter__(self) -> Watcher:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._engine.close()

    def _processes(self) -> None:
        while not self._end.wait(0.04):
            self._rounds += 1
            for name in os.listdir("/proc"):  # noqa: PTH208  # names are all it takes, many times a second
                if name.isdigit() and (self._looks[name] < OFTEN or self._rounds % OFTEN == 0):
                    self._looks[name] += 1
                    with suppress(OSError):
                        self._look_at(int(name))
            with suppress(OSError):  # folders go away while they are listed
                for path in (self._place.home / "pods").glob("*/*/*"):
                    self._look_into(path)

    def _look_at(self, pid: int) -> None:
        variables, words = (_content(f"/proc/{pid}/{name}") for name in ("environ", "cmdline"))
        if self._mark in variables or b"/airbyte-pod" in words or b"airbyte_workers.orchestrator" in words:
            self.programs.add(words.replace(b"\0", b" ").decode(errors="replace"))
        if pid != os.getpid() and found(variables + words):
            self.telling[pid] = words.replace(b"\0", b" ").decode(errors="replace")

    def _look_into(self, path: Path) -> None:
        seen = path.lstat()
        if stat.S_ISREG(seen.st_mode) and found(path.read_bytes()):
            self.files[path.name] = stat.S_IMODE(seen.st_mode)

    def _containers(self) -> None:
        """Each once in every state it is seen in."""
        label = {"label": f"{STACK_LABEL}={self._place.stack_name}"}
        while not self._end.wait(0.1):
            for each in self._engine.containers(all=True, filters=label):
                name = f"{each['State']} {each['Names'][0]}"
                if name not in self.inspected:
                    with suppress(RequestException):
                        self.inspected[name] = json.dumps(self._engine.inspect_container(each["Id"])).encode()


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


# --- looking afterwards ---


async def database(url: str) -> dict[str, bytes]:
    """Every table of the job database, all its values one after the other."""
    tables = "select format('%I.%I', table_schema, table_name) from information_schema.tables where table_schema"
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(f"{tables} not in ('pg_catalog', 'information_schema')")
        return {name: b"\n".join(_values(await connection.fetch(f"select * from {name}"))) for (name,) in names}
    finally:
        await connection.close()


def _values(rows: list[asyncpg.Record]) -> Iterator[bytes]:
    for row in rows:
        yield from (each if isinstance(each, bytes) else str(each).encode() for each in row.values())


def files(folder: Path) -> dict[str, bytes]:
    """Every file below the folder by its path; one that goes away meanwhile is not there."""
    read: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                read[str(path.relative_to(folder))] = path.read_bytes()
    return read
