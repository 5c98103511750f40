"""The check of the key that encrypts stored configs: it is there, closed to others, and opens what is stored."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from airbyte_workers.doctor.apart import apart
from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, read_seal

SEALED: Mapping[str, str] = {
    "connections": "select spec from connections order by updated_at desc limit 1",
    "jobs": "select input from jobs order by id desc limit 1",
    "connector_configs": "select sealed from connector_configs order by stored_at desc limit 1",
}
HANDED = "select sealed from handed_configs order by created_at desc limit 1"
_PUBLISHED = "select public_key from public_keys limit 1"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


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
    """The file as it is; `seal` is the key itself, which nothing here tells, or why there is none."""

    path: Path
    mode: int
    seal: Seal | SealError


async def look_at_key(means: Means) -> Sequence[Finding]:
    path = means.settings.key_file
    key = await apart(lambda: _key_file(path))
    stored = Stored()
    with suppress(Skip):
        stored = await _stored(await means.database.through())
    return judge_absent(path, stored, embedded=means.embedded) if key is None else judge_key(key, stored)


def _key_file(path: Path) -> KeyFile | None:
    """Never made here: the key that takes the place of a lost one opens nothing."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        return KeyFile(path, 0, SealError(f"cannot read the key file {path}: {error.strerror}"))
    try:
        return KeyFile(path, mode, read_seal(path))
    except SealError as error:
        return KeyFile(path, mode, error)


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
        return [fault(str(key.seal), "let SECRETS_KEY_FILE name the file with the key, 64 hex digits")]
    found = list[Finding]()
    if open_to := stat.S_IMODE(key.mode) & _OTHERS:
        seen = f"{key.path} has mode {stat.S_IMODE(key.mode):04o}: others than its owner may use it ({open_to:03o})"
        found.append(fault(seen, f"chmod 600 {key.path}", fixable=True))
    if not _opens(key.seal, stored):
        seen = f"the key in {key.path} does not open what the database holds: it was encrypted with another one"
        found.append(fault(seen, "let SECRETS_KEY_FILE name the file with the key that it was encrypted with"))
    opened = "" if stored.is_empty else ", and opens what the database holds"
    return found or [ok(f"{key.path} is closed to others{opened}")]


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
    """Take the others' rights away; nothing else of the key is touched."""
    path = means.settings.key_file

    def close() -> None:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)

    await apart(close)
    return f"took the others' rights to {path} away"
