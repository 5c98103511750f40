"""The ports of the stack: remembered, so that whoever was connected finds it again after a restart."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection

import msgspec

from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import Home, read_json, write_private

FIRST, LAST = 20_000, 32_000
"""Below the range from which the kernel takes ports for outgoing connections."""


class Ports(msgspec.Struct, frozen=True):
    """Where the servers listen on 127.0.0.1."""

    temporal: int
    ui: int
    postgres: int

    @property
    def free(self) -> bool:
        """Whether nobody listens on any of them."""
        return all(map(is_free, (self.temporal, self.ui, self.postgres)))


FAMILIAR = Ports(temporal=7233, ui=8233, postgres=0)
"""What people and the `temporal` command expect; taken by the stack in the foreground."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    if not 0 < port < 65_536:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose_ports(home: Home, preferred: Ports | None = None) -> Ports:
    """Preferred ports where free, else the remembered ones where free, else new ones; remembered for next time."""
    known = [ports for ports in (preferred, read_json(home.ports_file, Ports)) if ports]
    chosen: dict[str, int] = {}
    for name in Ports.__struct_fields__:
        taken = chosen.values()
        wanted = (getattr(ports, name) for ports in known)
        chosen[name] = next((port for port in wanted if port not in taken and is_free(port)), 0) or _new_port(taken)
    ports = Ports(**chosen)
    write_private(home.ports_file, msgspec.json.encode(ports))
    return ports


def _new_port(taken: Collection[int]) -> int:
    for _ in range(1000):
        port = FIRST + secrets.randbelow(LAST - FIRST)
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port between {FIRST} and {LAST} on 127.0.0.1")
