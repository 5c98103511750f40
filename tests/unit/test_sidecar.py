"""The sidecar of a connector pod, with a real folder: its result, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from airbyte_lines import RememberedLog, error, line, log

from airbyte_workers.models import ConnectorResult, FailureOrigin, FailureType
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.orchestrator.leg import Leg
from airbyte_workers.orchestrator.pipes import try_open_writer
from airbyte_workers.orchestrator.sidecar import Sidecar
from airbyte_workers.settings import Settings

SPEC = line({"type": "SPEC", "spec": {"connectionSpecification": {}}})
SETTINGS = Settings(
    connector_start_timeout_s=0.05, shutdown_grace_period_s=0.05, shutdown_term_period_s=0.05, exit_code_timeout_s=0.05
)
Run = Callable[..., "Ended"]


class Ended:
    """How a connector's operation ended: what the sidecar read, what the wrapper wrote."""

    def __init__(self, folder: Path, operation: str, origin: str) -> None:
        self.log = RememberedLog()
        self._leg = Leg(Role.MAIN, folder)
        given = ConnectorInput(pod="p", settings={}, operation=operation, origin=origin, log_prefix="logs")  # type: ignore[arg-type]
        self.sidecar = Sidecar(given, SETTINGS, self._leg, self.log)  # type: ignore[arg-type]
        self._folder = folder

    async def after(self, *said: bytes, code: bytes | None = b"0\n", killed: bytes | None = None) -> ConnectorResult:
        writer = try_open_writer(self._folder / "out")
        assert writer is not None
        writer.write_now(b"".join(said))
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
    return lambda operation="spec", origin="destination": Ended(tmp_path, operation, origin)


async def test_a_result_is_a_success_whatever_the_exit_code(connector: Run) -> None:
    result = await connector().after(log("hello"), SPEC, code=b"1\n")
    assert (result.status, result.result, result.exit_code) == ("succeeded", {"connectionSpecification": {}}, 1)


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
    (failure,) = result.failures
    assert (result.status, result.exit_code) == ("failed", 137)
    assert (failure.origin, failure.type) == (FailureOrigin(origin), FailureType.OUT_OF_MEMORY)
    assert failure.message.startswith(f"the {origin} exited with code 137: ")
    assert words in failure.message


async def test_what_it_said_itself_comes_before_its_end(connector: Run) -> None:
    result = await connector().after(error("no luck"), code=b"1\n", killed=b"536870912\n")
    assert [failure.type for failure in result.failures] == [FailureType.SYSTEM_ERROR, FailureType.OUT_OF_MEMORY]


async def test_a_result_before_the_kernel_killed_it_is_a_success(connector: Run) -> None:
    assert (await connector().after(SPEC, code=b"137\n", killed=b"536870912\n")).status == "succeeded"


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
    (failure,) = (await connector().after(code=code, killed=killed)).failures
    assert (failure.origin, failure.type) == (FailureOrigin.DESTINATION, FailureType.SYSTEM_ERROR)
    assert words in failure.message


async def test_a_connector_that_never_starts_is_told_of(connector: Run) -> None:
    result = await connector().after(code=None)
    assert [failure.type for failure in result.failures] == [FailureType.NEVER_OPENED]
