"""A shell that can be lent to an image without one: a program that needs nothing of its own system."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from airbyte_workers.pods.pod import LaunchFailed
from airbyte_workers.pods.shells import is_static, static_shell

BUSYBOX = Path("/bin/busybox")


@pytest.fixture
def busybox() -> Path:
    if BUSYBOX.exists():
        return BUSYBOX
    if os.environ.get("CI") == "true":
        pytest.fail(f"there is no {BUSYBOX} (on Debian: apt-get install busybox-static)")
    pytest.skip(f"there is no {BUSYBOX} (on Debian: apt-get install busybox-static)")


def test_a_static_busybox_is_one_and_is_lent(busybox: Path) -> None:
    assert is_static(busybox.read_bytes())
    assert static_shell("airbyte/source-x:1") == Path(shutil.which("busybox") or busybox).read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="ELF programs are Linux's")
@pytest.mark.parametrize("program", ["/bin/sh", "/bin/cat"])
def test_a_program_that_needs_a_loader_is_not_static(program: str) -> None:
    real = Path(program).resolve()
    if real.name.startswith("busybox"):
        pytest.skip(f"{program} is busybox here")
    assert not is_static(real.read_bytes())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"#!/bin/sh\n",
        b"MZ\x90\x00" + bytes(200),
        b"\xcf\xfa\xed\xfe" + bytes(200),  # macOS
        b"\x7fELF\x01\x01" + bytes(200),  # 32 bits
        b"\x7fELF\x02",
        b"\x7fELF\x02\x01" + bytes(40),
        b"\x7fELF\x02\x01" + bytes(26) + b"\xff" * 32,  # its table is said to lie far behind its end
        bytes(200),
    ],
    ids=[
        "nothing",
        "a magic number alone",
        "a script",
        "Windows",
        "macOS",
        "32 bits",
        "a class alone",
        "half a head",
        "a table that is not there",
        "zeros",
    ],
)
def test_what_is_no_64_bit_elf_program_is_not_static(content: bytes) -> None:
    assert not is_static(content)


@pytest.mark.parametrize("there", ["nothing", "a script"])
def test_where_there_is_none_to_lend_the_launch_says_what_to_install(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there == "a script":
        (tmp_path / "busybox").write_text("#!/bin/sh\n")
        (tmp_path / "busybox").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchFailed, match=r"^airbyte/x:1 has no shell .* apt-get install busybox-static"):
        static_shell("airbyte/x:1")
