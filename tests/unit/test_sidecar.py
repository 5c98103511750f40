"""The sidecar of a connector pod, with a real folder: its result, or why there is none (V1 to V6, V10).

Left out of V: V7 (what becomes of a catalog is the activities'), V8 and V9 (`test_disclosure.py`, with the whole
program), V11 (a sidecar has no heartbeat).
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airbyte_lines import RememberedLog, error, line, log, record, stream_state

from airbyte_workers.jobs.failures import MAX_MESSAGE
from airbyte_workers.models import ConnectorResult, Failure, FailureOrigin, FailureType
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.desk import Desk
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.orchestrator.leg import Leg
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.orchestrator.pipes import try_open_writer
from airbyte_workers.orchestrator.sidecar import Sidecar
from airbyte_workers.protocol.messages import MESSAGE_TYPES
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.store.connector_configs import opened
from airbyte_workers.store.objects import Objects
from airbyte_workers.store.sealing import Seal

SECRET = "hunter2&hunter3"
SPEC = line({"type": "SPEC", "spec": {"connectionSpecification": {}}})
CATALOG = line({"type": "CATALOG", "catalog": {"streams": [{"name": "users"}]}})
DESTINATION_CATALOG = line({"type": "DESTINATION_CATALOG", "destination_catalog": {"operations": [{"n": 1}]}})
CONTROL = line({"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": {}}}})
SETTINGS = Settings(
    connector_start_timeout_s=0.05, shutdown_grace_period_s=0.05, shutdown_term_period_s=0.05, exit_code_timeout_s=0.05
)
OPERATIONS = ("spec", "check", "discover")
Run = Callable[..., "Ended"]


def status(value: Any = "SUCCEEDED", **more: Any) -> bytes:
    return line({"type": "CONNECTION_STATUS", "connectionStatus": {"status": value} | more})


ANSWERS = {"spec": SPEC, "check": status(), "discover": CATALOG}


class Log(RememberedLog):
    """A job log that knows one secret; what it is told is redacted by the real one, not by this."""

    redact = Redactor([SECRET])
    reads = 1_000


class Ended:
    """How a connector's operation ended: what the sidecar read, what the wrapper wrote."""

    def __init__(self, folder: Path, operation: str, origin: str, **more: Any) -> None:
        self.log = Log()
        self.log.redact = Redactor([SECRET])  # one of its own: it learns
        self._leg = Leg(Role.MAIN, folder)
        told = {"pod": "p", "settings": {}, "operation": operation, "origin": origin, "log_prefix": "logs"}
        given = ConnectorInput.model_validate(told | more)
        markers = Markers(Objects(folder.as_uri(), timeout=1), "p")
        self.sidecar = Sidecar(given, Desk(SETTINGS, markers, self.log), self._leg)  # type: ignore[arg-type]  # a log of the test
        self._folder = folder

    async def after(
        self, *said: bytes, code: bytes | None = b"0\n", killed: bytes | None = None, stderr: bytes = b""
    ) -> ConnectorResult:
        for pipe, content in (("out", b"".join(said)), ("err", stderr)):
            writer = try_open_writer(self._folder / pipe)
            assert writer is not None
            writer.write_now(content)
            writer.close()
        for name, written in (("out_of_memory", killed), ("exit_code", code)):
            if written is not None:
                (self._folder / name).write_bytes(written)
        try:
            return await self.sidecar.run()
        finally:
            self._leg.close()


@pytest.fixture
def connector(tmp_path: Path) -> Callable[..., Ended]:
    for name in ("out", "err", "control"):
        os.mkfifo(tmp_path / name)
    return lambda operation="spec", origin="destination", **more: Ended(tmp_path, operation, origin, **more)


def only(result: ConnectorResult) -> Failure:
    (failure,) = result.failures
    assert (result.status, result.result) == ("failed", None)
    return failure


# --- a result ---


@pytest.mark.parametrize("body", [{"status": "SUCCEEDED", "message": "working"}, {"status": "FAILED", "message": "no"}])
async def test_a_check_that_answers_is_a_result_whatever_the_answer(connector: Run, body: dict[str, str]) -> None:
    """V1"""
    result = await connector("check").after(line({"type": "CONNECTION_STATUS", "connectionStatus": body}))
    assert result == ConnectorResult(status="succeeded", result=body, exit_code=0)


@pytest.mark.parametrize("code", [b"0\n", b"1\n", b"143\n", b"nonsense\n"])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_result_is_a_success_whatever_else_is_said_and_however_it_ends(
    connector: Run, operation: str, code: bytes
) -> None:
    said = (log("hello"), b"not a message\n", error("no luck"), CONTROL, ANSWERS[operation], error("still no luck"))
    result = await connector(operation).after(*said, code=code)
    assert (result.status, result.failures) == ("succeeded", ())
    assert result.result in json.loads(ANSWERS[operation]).values()


@pytest.mark.parametrize("kind", sorted(MESSAGE_TYPES - {"SPEC", "TRACE", "LOG"}))
async def test_what_was_not_asked_for_is_passed_over_without_a_word(connector: Run, kind: str) -> None:
    asked = connector("spec")
    await asked.after(line({"type": kind}))
    assert asked.log.lines == []


async def test_a_result_before_the_kernel_killed_it_is_a_success(connector: Run) -> None:
    assert (await connector().after(SPEC, code=b"137\n", killed=b"536870912\n")).status == "succeeded"


async def test_the_first_of_several_results_counts(connector: Run) -> None:
    result = await connector("check").after(status(message="first"), status("FAILED", message="second"))
    assert result.result == {"status": "SUCCEEDED", "message": "first"}


@pytest.mark.parametrize(
    ("said", "member"), [((CATALOG, DESTINATION_CATALOG), "streams"), ((DESTINATION_CATALOG, CATALOG), "operations")]
)
async def test_a_discover_takes_the_catalog_of_a_source_or_of_a_destination_whichever_comes_first(
    connector: Run, said: tuple[bytes, ...], member: str
) -> None:
    result = await connector("discover").after(*said)
    assert result.result is not None
    assert list(result.result) == [member]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_results_of_other_operations_are_none(connector: Run, operation: str) -> None:
    others = [answer for name, answer in ANSWERS.items() if name != operation]
    assert "without an output" in only(await connector(operation).after(*others)).message


@pytest.mark.parametrize(
    ("operation", "unsound"),
    [
        ("check", status("succeeded")),
        ("check", status("MAYBE")),
        ("check", status(None)),
        ("check", status(["SUCCEEDED"])),
        ("check", line({"type": "CONNECTION_STATUS", "connectionStatus": {"message": "hm"}})),
        ("check", line({"type": "CONNECTION_STATUS", "connectionStatus": "SUCCEEDED"})),
        ("check", line({"type": "CONNECTION_STATUS"})),
        ("spec", line({"type": "SPEC", "spec": {"documentationUrl": "x"}})),
        ("spec", line({"type": "SPEC", "spec": {"connectionSpecification": "x"}})),
        ("spec", line({"type": "SPEC", "spec": None})),
        ("discover", line({"type": "CATALOG", "catalog": {}})),
        ("discover", line({"type": "CATALOG", "catalog": {"streams": {}}})),
        ("discover", line({"type": "CATALOG", "catalog": [{"streams": []}]})),
        ("discover", line({"type": "CATALOG", "streams": []})),
        ("discover", line({"type": "DESTINATION_CATALOG", "destination_catalog": {"streams": []}})),
        ("discover", b'{"type":"CATALOG","catalog":{"streams":[' + b"[" * 300 + b"]" * 300 + b"]}}\n"),
    ],
)
async def test_an_unsound_result_is_skipped_and_told_and_a_sound_one_after_it_counts(
    connector: Run, operation: str, unsound: bytes
) -> None:
    ended = connector(operation)
    result = await ended.after(unsound, ANSWERS[operation])
    assert result.status == "succeeded"
    assert result.result in json.loads(ANSWERS[operation]).values()
    (told,) = ended.log.texts("WARN")
    assert told.startswith("skipped an answer without a valid ")
    assert unsound.decode().strip() in told


async def test_an_unsound_result_alone_is_none(connector: Run) -> None:
    failure = only(await connector("check").after(status("MAYBE")))
    assert failure.message == "destination: check exited successfully without an output"


@pytest.mark.parametrize(
    "schema",
    [
        '"half \\ud800"',
        "12345678901234567890123456789",
        "0.1",
        "1e999",
        "[" * 150 + "]" * 150,
        '{"a":1,"a":2}',
        '"\\u0000"',
    ],
)
async def test_whoever_reads_the_marker_can_read_every_result(connector: Run, schema: str) -> None:
    said = f'{{"type":"SPEC","spec":{{"connectionSpecification":{{"x":{schema}}}}}}}\n'.encode()
    result = await connector().after(said)
    assert result.status == "succeeded"
    read = ConnectorResult.model_validate_json(result.model_dump_json())
    assert read.model_dump_json() == result.model_dump_json()


ODD = (
    "NaN",
    "1e999",
    "null",
    "[]",
    '"text"',
    '{"message":7}',
    '{"level":[],"message":"\\ud800"}',
    '{"type":"ERROR","error":"\\udfff"}',
    '{"type":"ERROR","error":' + "[" * 10_000 + "]" * 10_000 + "}",
    "[" * 10_000 + "]" * 10_000,
    "[" * 10_000,
    '{"message":"\xff"}',
)
"""What a message of any type may hold instead of its own; all of it at once fits in a pipe."""


@pytest.mark.parametrize("kind", ["SPEC", "LOG", "TRACE", "RECORD", "STATE", "CONTROL", "NO_SUCH_TYPE"])
async def test_no_line_is_odd_enough_to_stop_the_sidecar(connector: Run, kind: str) -> None:
    odd = [f'{{"type":"{kind}","{kind.lower()}":{body}}}\n'.encode("latin-1") for body in ODD]
    assert (await connector().after(*odd, SPEC)).result == {"connectionSpecification": {}}


# --- no result ---


@pytest.mark.parametrize("code", [b"0\n", b"1\n"])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_without_a_result_the_first_error_trace_is_the_failure_and_no_exit_code_overrides_it(
    connector: Run, operation: str, code: bytes
) -> None:
    """V3, and an exit code of 0 after a trace, which upstream takes for an empty success."""
    said = error("no such host", failure_type="config_error", internal_message="getaddrinfo")
    failure = only(await connector(operation, "source").after(log("hello"), said, code=code))
    assert (failure.origin, failure.type) == (FailureOrigin.SOURCE, FailureType.CONFIG_ERROR)
    assert (failure.message, failure.internal_message) == ("no such host", "getaddrinfo")
    assert failure.command == operation


async def test_of_several_error_traces_the_first_decides_and_all_are_told(connector: Run) -> None:
    """V5"""
    ended = connector("check")
    said = (CONTROL, record(), record(), stream_state(), error("first"), error("second", failure_type="config_error"))
    assert only(await ended.after(*said)).message == "first"
    assert ended.log.texts() == ["first", "second"]


@pytest.mark.parametrize("trace", [{"type": "ERROR"}, {"type": "ERROR", "error": 5}])
async def test_an_error_trace_without_a_message_is_a_failure_too(connector: Run, trace: dict[str, Any]) -> None:
    failure = only(await connector("check").after(line({"type": "TRACE", "trace": trace})))
    assert failure.message == "the connector gave no message"


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_silence_is_a_failure_that_names_the_exit_code(connector: Run, operation: str) -> None:
    """V2"""
    failure = only(await connector(operation, "source").after(log("hello"), code=b"1\n"))
    assert failure.command == operation
    assert (failure.origin, failure.type) == (FailureOrigin.SOURCE, FailureType.SYSTEM_ERROR)
    assert failure.message == f"source: {operation} exited with code 1 without an output"


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_silence_is_a_failure_even_with_a_good_exit_code(connector: Run, operation: str) -> None:
    """V4"""
    failure = only(await connector(operation, "source").after())
    assert (failure.origin, failure.type) == (FailureOrigin.SOURCE, FailureType.NO_RESULT)
    assert failure.message == f"source: {operation} exited successfully without an output"


@pytest.mark.parametrize(
    ("code", "killed", "words"),
    [
        (b"0\n", b"536870912\n", "spec exited successfully without an output"),
        (b"3\n", None, "spec exited with code 3 without an output"),
        (b"137\n", b"536870912", "spec exited with code 137 without an output"),
        (b"nonsense\n", b"536870912\n", "spec ended without an output, and nobody knows its exit code"),
    ],
)
async def test_an_end_without_an_output_and_without_a_killing_is_told_as_such(
    connector: Run, code: bytes, killed: bytes | None, words: str
) -> None:
    failure = only(await connector().after(code=code, killed=killed))
    kind = FailureType.NO_RESULT if code == b"0\n" else FailureType.SYSTEM_ERROR
    assert (failure.origin, failure.type) == (FailureOrigin.DESTINATION, kind)
    assert words in failure.message


@pytest.mark.parametrize("origin", ["source", "destination"])
@pytest.mark.parametrize(
    ("killed", "words"),
    [
        (b"536870912\n", "it ran out of memory, its limit is 512 MiB"),
        (b"max\n", "this machine ran out of memory and the kernel killed it"),
    ],
)
async def test_a_connector_that_ran_out_of_memory_is_told_of(
    connector: Run, origin: str, killed: bytes, words: str
) -> None:
    result = await connector("discover", origin).after(log("hello"), code=b"137\n", killed=killed)
    failure = only(result)
    assert result.exit_code == 137
    assert (failure.origin, failure.type) == (FailureOrigin(origin), FailureType.OUT_OF_MEMORY)
    assert failure.command == "discover"
    assert failure.message.startswith(f"the {origin} exited with code 137: ")
    assert words in failure.message


async def test_what_it_said_itself_comes_before_its_end(connector: Run) -> None:
    result = await connector().after(error("no luck"), code=b"1\n", killed=b"536870912\n")
    assert [failure.type for failure in result.failures] == [FailureType.SYSTEM_ERROR, FailureType.OUT_OF_MEMORY]


async def test_a_connector_that_never_starts_is_told_of_and_what_it_said_by_then_is_kept(connector: Run) -> None:
    """V10"""
    ended = connector()
    failure = only(await ended.after(code=None, stderr=b"starting\nno such fi"))
    assert (failure.origin, failure.type) == (FailureOrigin.DESTINATION, FailureType.NEVER_OPENED)
    assert failure.message == "destination: did not start within 0.05 s"
    assert ended.log.lines == [("destination", "INFO", "starting"), ("destination", "INFO", "no such fi")]


# --- its words ---


async def test_its_stderr_is_kept_beside_its_messages_under_the_same_name(connector: Run) -> None:
    ended = connector(origin="source")
    await ended.after(log("hello", "WARN"), SPEC, stderr=b"on stderr\n")
    assert sorted(ended.log.lines) == [("source", "INFO", "on stderr"), ("source", "WARN", "hello")]


async def test_a_stack_trace_is_for_the_log_and_not_for_the_failure(connector: Run) -> None:
    ended = connector()
    failure = only(await ended.after(error("no luck", stack_trace="at line 1")))
    assert failure.message == "no luck"
    assert ended.log.texts("ERROR") == ["no luck\nat line 1"]


async def test_what_looks_like_data_is_told_without_its_content(connector: Run) -> None:
    ended = connector("check")
    await ended.after(b'{"type":"RECORD","record":{"stream":"users","data":{"name":"Ann"\n')
    assert "Ann" not in "".join(ended.log.texts())
    assert "looks like a record" in "".join(ended.log.texts("WARN"))


async def test_what_a_check_says_holds_no_secret(connector: Run) -> None:
    result = await connector("check").after(status("FAILED", message=f"cannot sign in with {SECRET}"))
    assert result.result == {"status": "FAILED", "message": f"cannot sign in with {MASK}"}


@pytest.mark.parametrize("message", [None, 7, {"text": "hm"}])
async def test_a_check_may_say_nothing_or_something_odd(connector: Run, message: Any) -> None:
    result = await connector("check").after(status(message=message))
    assert result.result == {"status": "SUCCEEDED"}


@pytest.mark.parametrize("operation", ["spec", "discover"])
async def test_a_spec_and_a_catalog_are_data_and_stay_as_they_are(connector: Run, operation: str) -> None:
    answer = json.loads(ANSWERS[operation])
    member = "spec" if operation == "spec" else "catalog"
    body = answer[member] | {"message": SECRET, "password": "a property's name"}
    assert (await connector(operation).after(line(answer | {member: body}))).result == body


@pytest.mark.parametrize("before", range(MAX_MESSAGE - len(SECRET) - 12, MAX_MESSAGE + 1, 3))
async def test_a_failure_is_redacted_before_it_is_cut(connector: Run, before: int) -> None:
    said = "x" * before + SECRET + "x" * MAX_MESSAGE
    (failure,) = (await connector().after(error(said[:60_000], internal_message=f"{SECRET}!"))).failures
    assert set(failure.message.removesuffix(" [cut]")) <= set("x*")
    assert len(failure.message) == MAX_MESSAGE
    assert failure.internal_message == f"{MASK}!"


# --- a new config (V6) ---

LAUNCHED = {"typed": '{"token":"first"}', "config": '{"token":"first"}', "based_on": "b"}
SEAL = Seal(b"k" * 32)


def renewed(token: str) -> bytes:
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": {"token": token}}}
    return line({"type": "CONTROL", "control": body})


def launched(public_key: str = SEAL.public_key.hex()) -> dict[str, Any]:
    return {"launched": {"source": LAUNCHED | {"public_key": public_key}}, "secret_names": ["token"]}


@pytest.mark.parametrize("operation", ["check", "discover"])
@pytest.mark.parametrize("good", [True, False])
async def test_v6_the_newest_config_goes_out_sealed_whatever_the_answer(
    connector: Run, operation: str, good: bool
) -> None:
    asked = connector(operation, "source", **launched())
    said = [renewed("second"), renewed("third"), ANSWERS[operation] if good else error("no")]
    result = await asked.after(*said)
    assert result.new_config is not None
    kept = opened(SEAL, b64decode(result.new_config))
    assert (json.loads(kept.config), kept.based_on) == ({"token": "third"}, "b")
    assert "third" not in result.model_dump_json()
    words = "the source sent a new config (token refresh): stored, used from the next launch"
    assert [text for text in asked.log.texts() if "config" in text] == [words]


async def test_v6_one_that_equals_what_it_was_launched_with_is_none(connector: Run) -> None:
    asked = connector("check", "source", **launched())
    assert (await asked.after(renewed("first"), status())).new_config is None
    assert asked.log.lines == []


async def test_v6_of_no_connection_it_is_not_kept_and_that_is_said(connector: Run) -> None:
    asked = connector("check", "source", **launched(public_key=""))
    assert (await asked.after(renewed("second"), status())).new_config is None
    assert asked.log.texts("WARN") == [
        "the source sent a new config (token refresh): it is of no connection, so it is not stored"
    ]


async def test_v6_a_spec_says_nothing_of_a_config(connector: Run) -> None:
    asked = connector("spec", "source", **launched())
    assert (await asked.after(renewed("second"), SPEC)).new_config is None
    assert asked.log.lines == []
