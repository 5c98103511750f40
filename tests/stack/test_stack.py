"""The embedded stack with real servers; only the Temporal workers are a stand-in."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import psutil
import pytest
from stack_support import Lab, eventually, kill_all, query
from temporalio.client import Client as TemporalClient

from airbyte_workers.runtime.stack import StackError, connection
from airbyte_workers.runtime.stack.home import Home
from airbyte_workers.runtime.stack.state import Phase, StackState, read_state

pytestmark = pytest.mark.embedded


def state_of(lab: Lab) -> StackState:
    state = read_state(Home(lab.home))
    assert state is not None
    return state


async def test_leaves_nothing_and_keeps_the_data(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    monkeypatch.setenv("PGPORT", "1")
    async with lab.connected() as stack:
        assert psutil.Process(stack.pid).terminal() is None
        assert os.getsid(stack.pid) != os.getsid(0)
        await query(stack, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert await query(stack, "SHOW server_encoding") == "UTF8"
        assert await query(stack, "SHOW fsync") == "on"
        client = await TemporalClient.connect(stack.temporal_address, namespace="default")
        assert client.namespace == "default"
        first = stack
    assert lab.processes() == []
    assert not (lab.home / "stack.json").exists()
    async with lab.connected() as stack:
        assert (stack.temporal_address, stack.database_url) == (first.temporal_address, first.database_url)
        assert await query(stack, "SELECT answer FROM kept") == 42
    assert lab.processes() == []
    await asyncio.sleep(0.05)  # sdk-python #300


async def test_is_closed_to_others(lab: Lab) -> None:
    async with lab.connected() as stack:
        for path in (lab.home, *lab.home.glob("*")):
            if path.name not in ("jobs", "serving"):
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        listening = {c.laddr.ip for p in lab.processes() for c in p.net_connections() if c.status == "LISTEN"}
        assert listening == {"127.0.0.1"}
        user, at, rest = stack.database_url.partition("@")
        for url in (f"{user}x{at}{rest}", f"postgresql://airbyte_workers@{rest}"):
            with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
                await asyncpg.connect(url, passfile="/nonexistent")
        assert "password" not in repr(stack)
        assert stack.database_url not in repr(stack)


async def test_two_clients_at_once_share_one(lab: Lab) -> None:
    async with lab.client() as one, lab.client() as other:
        first, second = await asyncio.gather(one.said(), other.said())
        assert json.loads(first) == json.loads(second)
        assert len(lab.servers()) == 2
        await one.leave()
        await asyncio.sleep(1)
        assert psutil.pid_exists(json.loads(first)["pid"])
        assert len(lab.servers()) == 2
        await other.leave()
        assert lab.processes() == []


async def test_killed_supervisor_is_replaced_on_the_same_ports(lab: Lab) -> None:
    async with lab.connected() as first:
        await query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        old = {process.pid for process in lab.servers()}
        os.kill(first.pid, signal.SIGKILL)
        await eventually(lambda: not psutil.pid_exists(first.pid))
        assert {process.pid for process in lab.servers()} == old
        async with lab.connected() as second:
            assert second.pid != first.pid
            assert second.temporal_address == first.temporal_address
            assert second.database_url == first.database_url
            assert await query(first, "SELECT answer FROM kept") == 42
            new = {process.pid for process in lab.servers()}
            assert len(new) == 2
            assert not new & old
    assert lab.processes() == []


async def test_a_client_brings_back_a_supervisor_that_was_killed(lab: Lab) -> None:
    async with lab.connected() as stack:
        os.kill(stack.pid, signal.SIGKILL)
        await eventually(lambda: not psutil.pid_exists(stack.pid))
        await eventually(lambda: (lab.home / "stack.json").exists() and state_of(lab).owner.pid != stack.pid)
        await eventually(lambda: state_of(lab).phase is Phase.READY)
        assert await query(stack, "SELECT 1") == 1
    assert lab.processes() == []


async def test_last_client_ends_what_a_killed_supervisor_left(lab: Lab) -> None:
    async with lab.connected() as stack:
        os.kill(stack.pid, signal.SIGKILL)
        await eventually(lambda: not psutil.pid_exists(stack.pid))
        assert lab.servers()
    assert lab.processes() == []


async def test_damaged_state_file_of_a_killed_supervisor(lab: Lab) -> None:
    async with lab.connected() as first:
        old = {process.pid for process in lab.servers()}
        os.kill(first.pid, signal.SIGKILL)
        await eventually(lambda: not psutil.pid_exists(first.pid))
        (lab.home / "stack.json").write_text('{"owner": {"pid": 1')
        (lab.home / "ports.json").write_bytes(b"\x00\xff")
        async with lab.connected():
            new = {process.pid for process in lab.servers()}
            assert len(new) == 2
            assert not new & old
    assert lab.processes() == []


async def test_state_file_of_a_recycled_pid(lab: Lab) -> None:
    async with lab.connected():
        state = json.loads((lab.home / "stack.json").read_text())
    state["owner"]["pid"] = os.getpid()
    (lab.home / "stack.json").write_text(json.dumps(state))
    async with lab.connected() as stack:
        assert stack.pid != os.getpid()
    assert lab.processes() == []


async def test_an_active_job_keeps_the_stack(lab: Lab) -> None:
    async with lab.connected() as stack:
        job = lab.home / "jobs" / "1"
        job.touch()
    assert state_of(lab).kept_by == "1 active job"
    assert len(lab.servers()) == 2
    async with lab.connected() as again:
        assert again.pid == stack.pid
        await eventually(lambda: state_of(lab).kept_by is None)
    job.unlink()
    await eventually(lambda: not lab.processes())
    assert not (lab.home / "serving").exists()


async def test_a_killed_client_does_not_keep_it(lab: Lab) -> None:
    async with lab.client() as client:
        await client.said()
        client.process.kill()
        await eventually(lambda: not lab.processes())


async def test_a_server_that_dies_is_started_again(lab: Lab) -> None:
    async with lab.connected() as stack:
        await query(stack, "CREATE TABLE kept AS SELECT 42 AS answer")
        old = {process.pid for process in lab.servers()}
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: len({process.pid for process in lab.servers()} - old) == 2)
        await eventually(lambda: set(state_of(lab).servers.values()) == {p.pid for p in lab.servers()})
        assert await query(stack, "SELECT answer FROM kept") == 42
    assert lab.processes() == []


async def test_a_port_taken_meanwhile(lab: Lab) -> None:
    async with lab.connected() as first:
        pass
    with socket.create_server(("127.0.0.1", int(first.temporal_address.rpartition(":")[2]))):
        async with lab.connected() as stack:
            assert stack.temporal_address != first.temporal_address
            assert stack.database_url == first.database_url
    assert lab.processes() == []


async def test_deleted_folder_ends_it(lab: Lab) -> None:
    async with lab.connected() as stack:
        shutil.rmtree(lab.home)
        await eventually(lambda: not psutil.pid_exists(stack.pid))
    await eventually(lambda: not lab.processes())


async def test_workers_that_do_not_start(lab: Lab) -> None:
    lab.home.mkdir()
    (lab.home / "broken").touch()
    with pytest.raises(StackError, match=r"ValueError: the stand-in is broken[\s\S]*stack\.log"):
        async with lab.connected():
            pass
    await eventually(lambda: not lab.processes())
    (lab.home / "broken").unlink()
    async with lab.connected():
        pass


async def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="AIRBYTE_WORKERS_HOME"):
        async with Lab(tmp_path / "file" / "home").connected():
            pass


async def test_full_disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(StackError, match=r"MiB are free.*AIRBYTE_WORKERS_HOME"):
        async with lab.connected():
            pass


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("version.json", '{"layout": 99, "postgres": 18}', "layout 99.*move"),
        ("version.json", "garbage", "delete that one file"),
        ("postgres/data/PG_VERSION", "15", "PostgreSQL 15, but only .*18.* move"),
        ("postgres/password", None, "incomplete.*move"),
    ],
)
async def test_folder_of_another_version(lab: Lab, file: str, content: str | None, message: str) -> None:
    for name in ("postgres/data/PG_VERSION", "postgres/password"):
        (lab.home / name).parent.mkdir(parents=True, exist_ok=True)
        (lab.home / name).write_text("18")
    (lab.home / file).unlink() if content is None else (lab.home / file).write_text(content)
    with pytest.raises(StackError, match=message):
        async with lab.connected():
            pass
    await eventually(lambda: not lab.processes())


async def test_takes_too_long(lab: Lab) -> None:
    with pytest.raises(StackError, match=r"not ready within 0\.3 s"):
        async with lab.connected(stack_start_timeout_s=0.3):
            pass
    await eventually(lambda: bool(lab.processes()))
    await eventually(lambda: not lab.processes())


async def test_folder_with_a_long_name(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30) / ("long" * 30)
    try:
        async with Lab(home).connected() as stack:
            assert await query(stack, "SELECT 1") == 1
        assert Lab(home).processes() == []
    finally:
        kill_all(home)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
async def test_foreground_runs_until_told(lab: Lab, how: signal.Signals) -> None:
    async with lab.program("stack_foreground.py") as local:
        assert (await local.said()).startswith("ready")
        async with lab.connected() as stack:
            assert stack.pid == local.process.pid
        await asyncio.sleep(0.5)
        assert len(lab.servers()) == 2
        local.process.send_signal(how)
        assert await local.said() == "stopped"
        assert await local.process.wait() == 0
        assert lab.processes() == []


async def test_foreground_breaks_off_its_start(lab: Lab) -> None:
    async with lab.program("stack_foreground.py") as local:
        await eventually((lab.home / "stack.json").exists)
        local.process.send_signal(signal.SIGTERM)
        assert await local.said() == "stopped"
        assert await local.process.wait() == 0
        assert lab.processes() == []


async def test_foreground_joins_one_in_the_background(lab: Lab) -> None:
    async with AsyncExitStack() as exits:
        async with lab.connected() as stack:
            local = await exits.enter_async_context(lab.program("stack_foreground.py"))
            assert await local.said() == f"ready {stack.pid}"
        assert len(lab.servers()) == 2
        local.process.send_signal(signal.SIGINT)
        assert await local.said() == "stopped"
        assert await local.process.wait() == 0
        assert lab.processes() == []


async def test_stacks_in_the_foreground_that_start_at_once_have_servers_of_their_own(tmp_path: Path) -> None:
    """All want the familiar ports and find them free; what answers there is one's only."""
    labs = [Lab(tmp_path / f"home-{number}") for number in range(3)]
    try:
        async with AsyncExitStack() as exits:
            running = [await exits.enter_async_context(lab.program("stack_foreground.py")) for lab in labs]
            for local in running:
                assert (await local.said()).startswith("ready")
            addresses = set()
            for lab in labs:
                async with lab.connected() as stack:
                    assert await query(stack, "SELECT 1") == 1
                    addresses.add(stack.temporal_address)
                assert len(lab.servers()) == 2
            assert len(addresses) == 3
            for local in running:
                local.process.send_signal(signal.SIGTERM)
                assert await local.said() == "stopped"
    finally:
        for lab in labs:
            kill_all(lab.home)
