"""The check of the key that encrypts stored configs: it is there, closed to others, and opens what is stored."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from airbyte_workers.doctor import workers
from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import apart
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, read_seal

SEALED: Mapping[str, str] = {
    "connections": "select spec from connections order by updated_at desc limit 1",
    "jobs": "select input from jobs order by id desc limit 1",
    "connector_configs": "select sealed from connector_configs order by stored_at desc limit 1",
}
HANDED = "select sealed from handed_configs order by created_at desc limit 1"
_PUBLISHED = "select public_key from public_keys limit 1"
_OTHERS_READ, _OTHERS_WRITE = stat.S_IRGRP | stat.S_IROTH, stat.S_IWGRP | stat.S_IWOTH
_TAKEN = stat.S_IROTH | _OTHERS_WRITE
"""What `--fix` takes away: that a group reads the key may be how a worker in a container gets it."""


@dataclass(frozen=True)
class Stored:
    """What the database holds that only the key opens: the newest of each kind, and the public key."""

    published: bytes | None = None
    own: Sequence[bytes] = ()
    handed: Sequence[bytes] = ()

    @property
    def is_empty(self) -> bool:
        return self.published is None and not self.own and not self.handed


@dataclass(frozen=True)
class KeyFile:
    """The file as it is; `seal` is the key itself, which nothing here tells, or why there is none.

    `is_ours`: it is in our home, so nobody else has set it up. `is_needed`: this host serves the database, or somebody
    named the file; a client needs none, and may have one of an embedded stack that it once ran.
    """

    path: Path
    mode: int
    seal: Seal | SealError
    is_ours: bool = True
    is_needed: bool = True


async def look_at_key(means: Means) -> Sequence[Finding]:
    path = means.settings.key_file
    key = await apart(lambda: _key_file(path, means.home.path))
    stored, needed = Stored(), means.embedded or means.settings.secrets_key_file is not None
    with suppress(Skip):
        db = await means.database.through()
        stored = await _stored(db)
        needed = needed or await workers.served_from(db, means.settings.dataplane)
    if key is None:
        return judge_absent(path, stored, embedded=means.embedded)
    return judge_key(replace(key, is_needed=needed), stored)


def _key_file(path: Path, home: Path) -> KeyFile | None:
    """Never made here: the key that takes the place of a lost one opens nothing."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        return KeyFile(path, 0, SealError(f"cannot read the key file {path}: {error.strerror}"))
    ours = path.resolve().is_relative_to(home.resolve())
    try:
        return KeyFile(path, mode, read_seal(path), ours)
    except SealError as error:
        return KeyFile(path, mode, error, ours)


async def _stored(db: asyncpg.Pool) -> Stored:
    async with db.acquire() as session:

        async def newest(query: str) -> bytes | None:
            with suppress(asyncpg.UndefinedTableError):  # it is not migrated yet
                found: bytes | None = await session.fetchval(query)
                return found
            return None

        own = [await newest(query) for query in SEALED.values()]
        handed = await newest(HANDED)
        return Stored(await newest(_PUBLISHED), tuple(filter(None, own)), tuple(filter(None, [handed])))


def judge_absent(path: Path, stored: Stored, *, embedded: bool) -> Sequence[Finding]:
    """Clients of a stack of one's own need no key; the embedded stack's worker is on this host."""
    if stored.is_empty:
        return [ok(f"{path} is made on first use")]
    seen = f"there is no key file {path}, and the database holds what was encrypted with one"
    advice = (
        "put the key of the other Temporal workers there, or that of a backup (SECRETS_KEY_FILE); no new one opens it"
    )
    if embedded:
        return [fault(seen, advice)]
    return [warning(f"{seen}: a Temporal worker cannot start here", f"{advice}. Clients need none")]


def judge_key(key: KeyFile, stored: Stored) -> Sequence[Finding]:
    if isinstance(key.seal, SealError):
        return [_useless(key, str(key.seal), "let SECRETS_KEY_FILE name the file with the key, 64 hex digits")]
    found = [*_opened_to_others(key)]
    if not _opens(key.seal, stored):
        seen = f"the key in {key.path} does not open what the database holds: it was encrypted with another one"
        advice = "let SECRETS_KEY_FILE name the file with the key that it was encrypted with"
        found.append(_useless(key, seen, advice))
    opened = "" if stored.is_empty else ", and opens what the database holds"
    return found or [ok(f"{key.path} is closed to others{opened}")]


def _useless(key: KeyFile, seen: str, advice: str) -> Finding:
    if key.is_needed:
        return fault(seen, advice)
    return warning(f"{seen}; a Temporal worker cannot start here", f"{advice}. Clients need none")


def _opened_to_others(key: KeyFile) -> Iterator[Finding]:
    """Who can write it decides with which key configs are stored. That others read it is how some set-ups hand it over:
    a mounted secret has mode 0440 or 0444."""
    mode = stat.S_IMODE(key.mode)
    fixable = key.is_ours and bool(mode & _TAKEN)
    seen = f"{key.path} has mode {mode:04o}: others than its owner may"
    if mode & _OTHERS_WRITE:
        advice = f"chmod {mode & ~_TAKEN:o} {key.path}, or whatever the Temporal worker's user needs to read it"
        yield fault(f"{seen} write it", advice, fixable=fixable)
    elif mode & _OTHERS_READ:
        advice = (
            f"if they need not: chmod 600 {key.path}, by its owner; where it is mounted: give it to the user or the "
            "group of the Temporal worker alone"
        )
        yield warning(f"{seen} read it", advice, fixable=fixable)


def _opens(seal: Seal, stored: Stored) -> bool:
    if stored.published is not None and stored.published != seal.public_key:
        return False
    tries: list[tuple[Callable[[bytes], Any], bytes]] = [(seal.open, each) for each in stored.own]
    tries += [(seal.open_handed, each) for each in stored.handed]
    try:
        for act, sealed in tries:
            act(sealed)
    except SealError:
        return False
    return True


async def close_key(means: Means) -> str:
    """Take the others' rights away, but for the group's to read; nothing else of the key is touched."""
    path = means.settings.key_file

    def close() -> None:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_TAKEN)

    await apart(close)
    return f"took the others' rights to {path} away"
