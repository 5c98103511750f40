"""No secret of a job leaves the programs of its pod: by no log, no marker, no stderr of their own (V8, V9)."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from airbyte_lines import Attempt, RememberedLog, error, line, log

from airbyte_workers.jobs.failures import MAX_MESSAGE
from airbyte_workers.models import AttemptSummary, ConnectorResult, Failure, FailureOrigin, FailureType
from airbyte_workers.orchestrator import __main__ as program
from airbyte_workers.orchestrator import sidecar
from airbyte_workers.orchestrator.desk import open_desk, own_redactor
from airbyte_workers.orchestrator.input import ConnectorInput, ReplicationInput
from airbyte_workers.orchestrator.own_log import own_log
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.traces import read_trace
from airbyte_workers.replication.words import stream_hint
from airbyte_workers.settings import Settings

SECRET = "hunter2&hunter3"
ESCAPED = "hunter2\\u0026hunter3"
SQL = "INSERT INTO users VALUES (1, 'Ann')"
CATALOG = {"streams": [{"name": "users", "json_schema": {"description": SECRET}}]}


def given_to(tmp_path: Path, operation: str = "discover", **more: Any) -> ConnectorInput:
    settings = Settings(
        home=tmp_path,
        storage_url=(tmp_path / "storage").as_uri(),
        connector_start_timeout_s=30,
        exit_code_timeout_s=5,
    ).model_dump(mode="json", exclude={"database_url"})
    told = {"pod": "p", "settings": settings, "operation": operation, "origin": "source", "log_prefix": "logs/1/0"}
    return ConnectorInput.model_validate({**told, "secrets": [SECRET], "secret_names": ["pin"], **more})


# --- the final marker ---


def failure(message: str, origin: FailureOrigin = FailureOrigin.SOURCE, internal: str | None = None) -> Failure:
    return Failure(origin=origin, type=FailureType.SYSTEM_ERROR, message=message, internal_message=internal)


async def marker_of(tmp_path: Path, result: AttemptSummary | ConnectorResult) -> dict[str, Any]:
    desk = open_desk(given_to(tmp_path))
    assert await desk.finish(result) == 0
    read: dict[str, Any] = json.loads((await desk.markers.read()).body)
    return read


async def test_the_failures_and_warnings_of_an_attempt_are_written_without_secrets(tmp_path: Path) -> None:
    failures = (failure(f"no {SECRET}", internal=f"at {SECRET}"), failure(SQL), failure(SQL, FailureOrigin.DESTINATION))
    summary = AttemptSummary(status="failed", failures=failures, warnings=(f"odd {SECRET}",), peak_memory_bytes=7)
    read = await marker_of(tmp_path, summary)
    shown = [(each["message"], each["internal_message"]) for each in read["failures"]]
    assert shown == [(f"no {MASK}", f"at {MASK}"), (SQL, None), (f"INSERT INTO users VALUES ({MASK}", None)]
    assert read["warnings"] == [f"odd {MASK}"]
    assert AttemptSummary.model_validate(read).peak_memory_bytes == 7


async def test_a_result_is_written_as_the_connector_gave_it(tmp_path: Path) -> None:
    read = await marker_of(tmp_path, ConnectorResult(status="succeeded", result=CATALOG, exit_code=0))
    assert ConnectorResult.model_validate(read) == ConnectorResult(status="succeeded", result=CATALOG, exit_code=0)


async def test_a_failure_that_grew_is_still_within_its_length(tmp_path: Path) -> None:
    long = failure('{"pin":1}' * (MAX_MESSAGE // 9))
    read = await marker_of(tmp_path, ConnectorResult(status="failed", failures=(long,)))
    assert len(read["failures"][0]["message"]) == MAX_MESSAGE


# --- a connector's errors ---


@pytest.mark.parametrize("origin", [FailureOrigin.SOURCE, FailureOrigin.DESTINATION])
@pytest.mark.parametrize("before", range(MAX_MESSAGE - len(SECRET) - 12, MAX_MESSAGE + 1, 3))
def test_an_error_is_redacted_before_it_is_cut(origin: FailureOrigin, before: int) -> None:
    log_of_the_job = RememberedLog()
    log_of_the_job.redact = Redactor([SECRET])
    ledger = Ledger([("users", None)], log_of_the_job, staged_states_bytes=1)
    trace = read_trace(error("x" * before + SECRET + "x" * 100, internal_message=SECRET))
    assert trace is not None
    ledger.trace_error(origin, trace)
    (failed,) = ledger.failures
    assert set(failed.message.removesuffix(" [cut]")) <= set("x*")
    assert failed.internal_message == MASK


def test_what_a_destination_quotes_of_its_data_in_an_error_is_masked_and_a_source_has_none() -> None:
    attempt = Attempt()
    attempt.source(error(SQL))
    attempt.destination(error(SQL))
    assert [each.message for each in attempt.failures] == [SQL, f"INSERT INTO users VALUES ({MASK}"]


def test_the_stream_of_a_message_that_was_too_long_is_named_only_when_the_name_is_whole() -> None:
    assert stream_hint(b'{"type":"RECORD","record":{"stream": "users","data') == " for stream users"
    assert stream_hint(b'{"type":"RECORD","record":{"stream":"hunt') == ""


# --- its own stderr ---


def replication_with(database_url: str, storage_url: str | None = None) -> ReplicationInput:
    settings = {"storage_url": storage_url}
    ids = {"job_id": 1, "attempt": 0, "connection_id": 1, "fence": 1, "connection": "c", "streams": []}
    told = {"pod": "p", "settings": settings, "database_url": database_url, "log_prefix": "l", "secrets": [SECRET]}
    return ReplicationInput.model_validate(told | ids)


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_traceback_holds_no_secret_wherever_it_stands_in_it() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as stream, own_log(Redactor([SECRET])):
        try:
            fail(f"cannot use {SECRET}\nor {SECRET}")
        except ValueError:
            logging.getLogger("ours").exception("failed")
            traceback.print_exc()
        for part in ("half a ", SECRET[:7], SECRET[7:], "\nlast words"):
            sys.stderr.write(part)
            sys.stderr.flush()
    shown = stream.getvalue()
    assert "hunter" not in shown
    assert shown.count(MASK) == 5
    lines = [json.loads(line) for line in shown.splitlines()]
    assert f"ValueError: cannot use {MASK}\nor {MASK}" in lines[0]["exception"]
    assert [line["event"] for line in lines[-2:]] == [f"half a {MASK}", "last words"]


def test_a_secret_of_several_lines_is_found_before_they_become_one() -> None:
    key = "-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----"
    with contextlib.redirect_stderr(io.StringIO()) as stream, own_log(Redactor([key])):
        logging.getLogger("ours").warning("refused: %s", key, extra={"given": key})
    (told,) = map(json.loads, stream.getvalue().splitlines())
    assert (told["event"], told["given"]) == (f"refused: {MASK}", MASK)


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt])
def test_stderr_is_given_back_whatever_happens(exception: type[BaseException]) -> None:
    root = logging.getLogger()

    def stop() -> None:
        with own_log():
            sys.stderr.write("unfinished")
            raise exception

    before = root.handlers, root.level
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        with pytest.raises(exception):
            stop()
        assert sys.stderr is stream
    assert (root.handlers, root.level) == before
    assert json.loads(stream.getvalue())["event"] == "unfinished"


@pytest.mark.parametrize(
    ("database_url", "storage_url"),
    [
        ("postgresql://u:p%40ssw0rd@h/d", None),
        ("postgresql://h/d?user=u&password=p%40ssw0rd", None),
        ("postgresql://h/d", "s3://key:p%40ssw0rd@bucket"),
    ],
)
def test_the_passwords_of_our_own_addresses_are_no_secret_of_the_job_but_not_told_either(
    database_url: str, storage_url: str | None
) -> None:
    redact = own_redactor(replication_with(database_url, storage_url))
    assert redact(f"no {SECRET}") == f"no {MASK}"
    for text in (database_url, storage_url or ""):
        assert "ssw0rd" not in redact(text)


def test_a_password_of_an_address_is_not_told_as_it_is_spelt_there_nor_as_it_is() -> None:
    redact = own_redactor(replication_with("postgresql://u:p%40ss%7eword@h/d"))
    assert redact("sent p@ss~word, or p%40ss%7eword") == f"sent {MASK}, or {MASK}"


@pytest.mark.parametrize("database_url", ["", "not an address", "postgresql://[broken/d", "postgresql://h/d"])
def test_an_address_without_a_password_hides_nothing(database_url: str) -> None:
    assert own_redactor(replication_with(database_url))(f"cannot use {database_url}") == f"cannot use {database_url}"


def test_what_a_program_was_given_shows_no_secret() -> None:
    assert SECRET not in repr(replication_with("postgresql://h/d"))


# --- the whole program ---


class Pod(NamedTuple):
    """A sidecar with one connector, as the process launcher starts them, in one process."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def run(self, given: ConnectorInput, *, out: bytes = b"", err: bytes = b"", code: int = 0) -> int:
        own, main = self.folder / "sidecar", self.folder / "main"
        for folder in (own, main):
            folder.mkdir()
        for name in ("out", "err", "control"):
            os.mkfifo(main / name)
        (own / "input.json").write_text(given.model_dump_json())
        self.monkeypatch.setattr(sys, "argv", ["orchestrator", "sidecar", "--own", str(own), "--main", str(main)])
        gone = threading.Event()
        connector = threading.Thread(
            target=_connector, args=(main, own / "ready", gone, {"err": err, "out": out}, code)
        )
        connector.start()
        try:
            with pytest.raises(SystemExit) as ended:
                program.main()
        finally:
            gone.set()
            connector.join()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    def marker(self, name: str) -> ConnectorResult:
        return ConnectorResult.model_validate_json((self.folder / "storage" / "state" / "p" / name).read_bytes())

    def stored(self) -> bytes:
        return b"".join(path.read_bytes() for path in (self.folder / "storage").rglob("*") if path.is_file())

    def log(self) -> list[str]:
        paths = sorted((self.folder / "storage" / "logs").rglob("*.jsonl"))
        return [json.loads(line)["text"] for path in paths for line in path.read_bytes().splitlines()]


def _connector(folder: Path, ready: Path, gone: threading.Event, said: dict[str, bytes], code: int) -> None:
    """Waits for the sidecar, says what it has to say and ends; a sidecar that gave up is not waited for."""
    while not ready.exists():
        if gone.wait(0.01):
            return
    for name, words in said.items():
        with contextlib.suppress(OSError):
            pipe = os.open(folder / name, os.O_WRONLY | os.O_NONBLOCK)
            os.write(pipe, words)
            os.close(pipe)
    (folder / "exit_code.tmp").write_text(f"{code}\n")
    (folder / "exit_code.tmp").rename(folder / "exit_code")


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    return Pod(tmp_path, monkeypatch)


def test_whatever_a_connector_says_of_a_secret_is_stored_without_it(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        log(f"signing in with {SECRET}", level=SECRET, stack_trace=f"at {SECRET}"),
        log(json.dumps({"config": {"auth": json.dumps({"key": SECRET, "pin": 1234})}})),
        f"plain {SECRET}\n".encode(),
        f'{{"type":"CATALOG","catalog":"{ESCAPED}"}}\n'.encode(),
        error(f"no {SECRET}", internal_message=f"at {SECRET}", stack_trace=f"in {SECRET}"),
    )
    err = f"on stderr {SECRET}\nhalf {SECRET}".encode()
    assert pod.run(given_to(pod.folder), out=b"".join(said), err=err, code=1) == 0
    (failed,) = pod.marker("FAILURE").failures
    assert (failed.message, failed.internal_message) == (f"no {MASK}", f"at {MASK}")
    assert b"hunter" not in pod.stored().lower()
    assert b"1234" not in pod.stored()
    assert {f"on stderr {MASK}", f"half {MASK}", f"Malformed non-Airbyte record: plain {MASK}"} <= set(pod.log())
    assert "hunter" not in capsys.readouterr().err


def test_a_check_that_fails_is_a_success_of_its_pod(pod: Pod) -> None:
    """V8"""
    said = line({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": f"no {SECRET}"}})
    assert pod.run(given_to(pod.folder, "check"), out=said, code=1) == 0
    assert pod.marker("SUCCESS").result == {"status": "FAILED", "message": f"no {MASK}"}


@pytest.mark.parametrize("bug", [MemoryError, RuntimeError])
def test_a_bug_of_the_sidecar_is_a_failure_of_the_platform_without_a_stack_trace(
    pod: Pod, capsys: pytest.CaptureFixture[str], bug: Callable[[str], Exception]
) -> None:
    """V9"""

    def sniff_line(_: bytes) -> None:
        raise bug(f"no room for {SECRET}")

    pod.monkeypatch.setattr(sidecar, "sniff_line", sniff_line)
    said = line({"type": "CATALOG", "catalog": CATALOG})
    assert pod.run(given_to(pod.folder), out=said, err=b"before the bug\n") == 0
    (failed,) = pod.marker("FAILURE").failures
    assert (failed.origin, failed.type) == (FailureOrigin.PLATFORM, FailureType.SYSTEM_ERROR)
    assert failed.message == f"the sidecar failed: {bug.__name__} (its own log has the details)"  # type: ignore[attr-defined]  # of a case above
    assert failed.internal_message is None
    told = capsys.readouterr().err
    assert f"no room for {MASK}" in told
    assert "Traceback" in told


def test_a_program_that_cannot_even_begin_says_why_without_a_secret(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    (pod.folder / "storage").mkdir()
    (pod.folder / "storage" / "state").write_text("a file where a folder should be")
    assert pod.run(given_to(pod.folder, secrets=[str(pod.folder)])) == 1
    told = capsys.readouterr().err
    assert "cannot write state/p/RUNNING" in told
    assert str(pod.folder) not in told
