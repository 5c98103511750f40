"""The log of a pod's own program goes with the pod: whoever watches it repeats it in the worker's log before."""

from __future__ import annotations

from still_launcher import StillLauncher
from structlog.testing import capture_logs

from activities import pod_logs
from airbyte_workers.pods.pod import LauncherAway
from airbyte_workers.telemetry import shape


class Host(StillLauncher):
    """Where a pod's program has logged this; None: nobody answers."""

    def __init__(self, logged: str | None) -> None:
        self._logged = logged

    async def own_log(self, pod: str) -> bytes:
        if self._logged is None:
            raise LauncherAway("no engine answers")
        return self._logged.encode()


async def test_what_a_pod_s_own_program_logged_is_repeated_as_it_was_said() -> None:
    said = {"timestamp": "T", "level": "error", "logger": "o", "event": "failed", "job_id": 7, "exception": "E"}
    with capture_logs() as logs:
        await pod_logs.repeat(Host(f"{shape.in_json(said)}\n\nthread panicked\n{{}}\n"), "p")
    first, *others = logs
    assert first == {name: value for name, value in said.items() if name != "level"} | {
        "log_level": "error",
        "pod": "p",
    }
    raw = {"log_level": "warning", "logger": "stderr", "pod": "p"}
    assert others == [{**raw, "event": event} for event in ("thread panicked", "{}")]


async def test_a_log_that_cannot_be_read_now_keeps_nobody_waiting() -> None:
    with capture_logs() as logs:
        await pod_logs.repeat(Host(None), "p")
    (told,) = logs
    assert (told["event"], told["pod"]) == ("log of the pod's program cannot be read", "p")
