"""A source whose token works once: every launch has the newest one, and nobody finds any of them (CONTROL, V6)."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e_canary import database, files, leaks
from e2e_rotating import make_register, make_valid, new_token
from e2e_scripted import WITHOUT_DELAY
from e2e_support import Ended, Place

from airbyte_workers.redaction import MASK

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]
PROGRAM = [sys.executable, str(Path(__file__).with_name("e2e_rotating.py"))]
STREAMS = [{"name": "people", "sync_mode": "full_refresh", "destination_sync_mode": "append"}]
STORED = "the source sent a new config (token refresh): stored, used from the next launch"


@dataclass(frozen=True)
class Rotating:
    """A connection with such a source, and where its tokens are registered."""

    place: Place
    name: str

    @property
    def register(self) -> Path:
        return self.place.work / f"{self.name}.register"

    def config(self, token: str) -> dict[str, Any]:
        return {"register": str(self.register), "token": token}

    def sync(self, token: str) -> Ended:
        """With this token in the sync file."""
        source = {"command": PROGRAM, "config": self.config(token)}
        both = {"source": source, "destination": self.place.jsonl()}
        return self.place.sync({"connection": self.name, **both, "streams": STREAMS, "retries": WITHOUT_DELAY})

    def check(self, token: str) -> Ended:
        """Of no connection."""
        file = self.place.work / "config.json"
        file.write_text(json.dumps(self.config(token)))
        return self.place.run("check", "--command", " ".join(PROGRAM), "--config", str(file), "-o", "json")

    def asked(self, how: str) -> list[str]:
        """What was asked for with valid tokens (`used`) or others (`refused`) since the last look."""
        register = json.loads(self.register.read_text())
        self.register.write_text(json.dumps(register | {how: []}))
        return list(register[how])


def places(place: Place) -> dict[str, bytes]:
    """All that stays: the stack's folder with both databases, logs and markers, and the tables by themselves."""
    return files(place.home) | asyncio.run(database(place.stack()["database_url"]))


def test_every_launch_has_the_token_of_the_last_one_and_none_is_found_anywhere(place: Place) -> None:
    rotating = Rotating(place, "rotating")
    first = new_token()
    make_register(rotating.register, first)
    ended = rotating.sync(first)
    assert [each["status"] for each in ended.report["attempts"]] == ["failed", "succeeded"]
    once = ["discover", "check", "read", "check", "read"]
    assert (rotating.asked("used"), rotating.asked("refused")) == (once, [])
    job_id = ended.report["job_id"]
    log = place.log(job_id)
    assert log.count(STORED) == once.count("read"), "checks and discovers have logs of their own"
    assert f"instead of {MASK} I have {MASK} now" in log
    again = rotating.sync(first)
    assert (again.report["status"], rotating.asked("refused")) == ("succeeded", [])
    said = {"sync": ended.out + ended.err, "again": again.out + again.err, "log": log}
    said["past"] = json.dumps(place.job(job_id))
    assert STORED in said["past"]
    assert leaks({name: text.encode() for name, text in said.items()} | places(place)) == []


def test_a_token_that_a_person_types_anew_is_the_one_that_counts(place: Place) -> None:
    rotating = Rotating(place, "rotating-typed")
    first, second = new_token(), new_token()
    make_register(rotating.register, first)
    assert rotating.sync(first).code == 0
    make_valid(rotating.register, second)
    ended = rotating.sync(second)
    assert (ended.code, rotating.asked("refused")) == (0, [])
    assert "the source sent it in place of a config that was changed since" in json.dumps(
        place.job(ended.report["job_id"])
    )
    assert rotating.sync(second).code == 0


def test_what_a_check_of_no_connection_sends_is_not_stored_and_that_is_said(place: Place) -> None:
    rotating = Rotating(place, "rotating-alone")
    token = new_token()
    make_register(rotating.register, token)
    ended = rotating.check(token)
    assert (ended.code, rotating.asked("used")) == (0, ["check"])
    newest = max(job["job_id"] for job in place.jobs("-a") if job["kind"] == "check")
    log = place.log(newest)
    assert "the source sent a new config (token refresh): it is of no connection, so it is not stored" in log
    assert leaks({"log": log.encode()} | places(place)) == []
