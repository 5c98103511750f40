"""Configs that connectors send anew (CONTROL): which are kept, and that nothing of them is told (V6, G16)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from airbyte_lines import RememberedLog, line, log

from airbyte_workers.models import FailureOrigin
from airbyte_workers.protocol.config_secrets import UNTOLD, renewed_secret_values
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.replication.control import Launched, NewConfigs
from airbyte_workers.replication.destination import DestinationSide
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.source import SourceSide

SOURCE, DESTINATION = FailureOrigin.SOURCE, FailureOrigin.DESTINATION
OLD = {"host": "api.example", "oauth": {"refresh": "old-refresh-1"}}
NEW = {"host": "api.example", "oauth": {"refresh": "new-refresh-2"}}


class Log(RememberedLog):
    """Redacts as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.redact = Redactor()

    def __call__(self, leg: str, level: str, text: str, stream: Any = None) -> None:
        super().__call__(leg, level, self.redact(text, leg=leg), stream)


def control(config: Any, **more: Any) -> bytes:
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1.0, "connectorConfig": {"config": config}}
    return line({"type": "CONTROL", "control": body | more})


class Sync:
    """Both sides of an attempt whose connectors were launched with the old config."""

    def __init__(self, *names: str, typed: Mapping[str, Any] = OLD, most_secrets: int = 100) -> None:
        self.log = Log()
        launched = Launched(typed=json.dumps(typed), config=json.dumps(OLD), based_on="b", public_key="00")
        self.configs = NewConfigs({SOURCE: launched, DESTINATION: launched}, names=names, most_secrets=most_secrets)
        self.wakes = 0
        self.configs.arrived = self._arrived
        ledger = Ledger([("users", None)], self.log, staged_states_bytes=1, configs=self.configs)
        self._source, self._destination = SourceSide(ledger), DestinationSide(ledger)

    def _arrived(self) -> None:
        self.wakes += 1

    def source(self, *lines: bytes) -> bytes:
        return b"".join(self._source.take(b"".join(lines)))

    def destination(self, *lines: bytes) -> None:
        self._destination.take(b"".join(lines))

    def taken(self) -> list[tuple[str, Any]]:
        return [(each.origin, json.loads(each.config)) for each in self.configs.take()]


# --- which are kept (V6) ---


def test_v6_a_config_that_differs_is_there_to_be_kept_as_soon_as_it_is_read() -> None:
    sync = Sync()
    assert sync.source(control(NEW)) == b""
    assert sync.wakes == 1
    assert sync.taken() == [("source", NEW)]
    assert sync.taken() == []


def test_v6_one_that_says_the_same_in_another_order_is_none() -> None:
    sync = Sync()
    sync.source(control(dict(reversed(OLD.items()))))
    assert (sync.wakes, sync.taken()) == (0, [])


def test_both_connectors_send_theirs_and_of_each_the_newest_is_kept() -> None:
    sync = Sync()
    sync.source(control({"n": 1}), control({"n": 2}))
    sync.destination(control({"n": 3}))
    assert sync.taken() == [("source", {"n": 2}), ("destination", {"n": 3})]


def test_one_that_comes_twice_is_kept_once_and_one_that_goes_back_again() -> None:
    sync = Sync()
    sync.source(control(NEW))
    sync.taken()
    sync.source(control(NEW))
    assert sync.taken() == []
    sync.source(control(OLD))
    assert sync.taken() == [("source", OLD)]


def test_the_bytes_of_a_config_stay_as_they_are() -> None:
    sync = Sync()
    sync.source(control(NEW).replace(b'"api.example"', b'"api.example","n": 12345678901234567890123.50'))
    (new,) = sync.configs.take()
    assert b'"n": 12345678901234567890123.50' in new.config


def test_half_a_character_becomes_a_question_mark_because_no_file_could_hold_it() -> None:
    sync = Sync()
    sync.source(control({"note": "\ud83d"}))
    assert sync.taken() == [("source", {"note": "?"})]


# --- what is none (G16) ---


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize(
    "text",
    [
        line({"type": "CONTROL", "state": {}}),
        line({"type": "CONTROL", "control": {}}),
        line({"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "emitted_at": 1}}),
        control(NEW, type="SOMETHING_NEW"),
    ],
)
def test_g16_a_control_message_without_a_new_config_is_passed_over(side: str, text: bytes) -> None:
    sync = Sync()
    getattr(sync, side)(text)
    assert (sync.taken(), sync.log.lines) == ([], [])


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize(
    "text",
    [
        control(["new-refresh-2"]),
        control("new-refresh-2"),
        control(None),
        control(NEW).replace(b'"api.example"', b"1e999"),
        control(NEW)[:-3] + b"\n",
        control(NEW).replace(b"{", b"", 1),
        control(NEW).replace(b"new-", b"\xff"),
        control({"d": 0, "oauth": "new-refresh-2"}).replace(b'"d":0', b'"d":' + DEEP.encode()),
    ],
    ids=["list", "text", "null", "number", "cut", "brace", "bytes", "depth"],
)
def test_one_that_cannot_be_used_is_told_without_its_content(side: str, text: bytes) -> None:
    sync = Sync()
    getattr(sync, side)(text)
    assert sync.taken() == []
    assert sync.log.lines == [(side, "WARN", f"dropped a malformed control message of {len(text)} bytes")]


# --- what is never told ---


def test_a_new_secret_is_masked_in_all_that_is_said_after_it() -> None:
    sync = Sync("refresh")
    sync.source(control(NEW), log("I got new-refresh-2 from api.example"), b"plainly new-refresh-2\n")
    message, plain = sync.log.texts()
    assert (message, plain.endswith(f"plainly {MASK}")) == (f"I got {MASK} from api.example", True)


def test_a_secret_of_the_one_connector_is_masked_in_what_the_other_says() -> None:
    sync = Sync("refresh")
    sync.destination(control(NEW))
    sync.source(log("new-refresh-2"))
    assert sync.log.texts() == [MASK]


def test_what_stands_where_a_reference_stood_is_secret_whatever_it_is_called() -> None:
    sync = Sync(typed={"host": "api.example", "oauth": {"refresh": {"_secret": "env:AIRBYTE_SECRET_R"}}})
    sync.source(control(NEW), log("new-refresh-2"))
    assert sync.log.texts() == [MASK]


def test_of_a_connector_that_told_no_spec_all_that_it_changed_is_secret() -> None:
    sync = Sync(UNTOLD)
    sync.source(control(NEW | {"odd": ["an-odd-one", 12345678, True]}), log("new-refresh-2 an-odd-one 12345678 True"))
    sync.source(log("old-refresh-1 api.example"))
    assert sync.log.texts() == [f"{MASK} {MASK} {MASK} True", "old-refresh-1 api.example"]


def test_of_one_that_told_its_spec_other_values_are_no_secrets() -> None:
    assert renewed_secret_values(OLD, OLD, NEW | {"mode": "full"}, ["refresh"]) == ("new-refresh-2",)
    assert renewed_secret_values(OLD, OLD, NEW | {"mode": "full"}, []) == ()


def test_of_many_new_secrets_the_newest_are_masked() -> None:
    sync = Sync("refresh", most_secrets=2)
    sync.source(*[control({"oauth": {"refresh": f"token-{number}"}}) for number in range(4)])
    sync.source(log("token-0 token-1 token-2 token-3"))
    assert sync.log.texts() == [f"token-0 token-1 {MASK} {MASK}"]


def test_a_pupil_learns_what_its_teacher_learns_and_both_keep_what_they_knew() -> None:
    pupil = Redactor(["first"])
    teacher = Redactor(["second"], pupil=pupil)
    teacher.learn(["third"], 10)
    assert teacher("first second third") == f"first {MASK} {MASK}"
    assert pupil("first second third") == f"{MASK} second {MASK}"


def test_nothing_of_a_config_is_shown_by_the_values_that_hold_it() -> None:
    sync = Sync("refresh")
    sync.source(control(NEW))
    (new,) = sync.configs.take()
    assert "refresh" not in f"{new!r} {sync.configs!r} {sync.log.redact!r}"
