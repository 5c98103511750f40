"""A shell for images that have none: a static busybox of this host, put into the container's own folder."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from airbyte_workers.pods.pod import LaunchFailed

_INTERPRETER = 3  # PT_INTERP: the program needs a loader, and so the libraries of its own system


def static_shell(image: str) -> bytes:
    """The shell's program. Raises LaunchFailed where this host has none to lend."""
    found = shutil.which("busybox")
    content = Path(found).read_bytes() if found else b""
    if not is_static(content):
        raise LaunchFailed(
            f"{image} has no shell (/bin/sh), and there is no static busybox on the Temporal worker's host to lend "
            "it one (on Debian: apt-get install busybox-static)"
        )
    return content


def is_static(program: bytes) -> bool:
    """Whether this is a 64-bit ELF program that needs no loader."""
    if program[:5] != b"\x7fELF\x02":
        return False
    order = "<" if program[5:6] == b"\x01" else ">"
    try:
        (table,) = struct.unpack_from(f"{order}Q", program, 0x20)
        size, count = struct.unpack_from(f"{order}HH", program, 0x36)
        kinds = [struct.unpack_from(f"{order}I", program, table + number * size)[0] for number in range(count)]
    except (struct.error, OverflowError):  # cut off, or a table that is said to lie beyond it
        return False
    return _INTERPRETER not in kinds
