"""The compose files as somebody has them who cloned the repository: in a folder of its own, with `.env`, secrets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from e2e_support import Ended, Place

from airbyte_workers.pods.container_plan import STACK_LABEL
from tests import images

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-with-compose.md"
SECRETS = ("postgres_password", "s3_secret_key", "grafana_password")
PORTS = ("POSTGRES_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")


@dataclass(frozen=True)
class Stack:
    """One project of the compose files, with a name, ports and secrets of its own; no developer's .env counts."""

    folder: Path
    name: str = field(default_factory=lambda: f"awtest-{uuid4().hex[:8]}")

    @property
    def local(self) -> Path:
        """Connectors' /local, which nobody has made."""
        return self.folder / "local"

    def mark(self, name: str) -> str:
        """What of a secret stays the same wherever it is quoted."""
        return f"{name.replace('_', '-')}/of:{self.name}"

    def secret(self, name: str) -> str:
        return self.mark(name) + ('%\\"' if name == "s3_secret_key" else "%")

    def prepare(self, settings: Mapping[str, str]) -> None:
        for file in ROOT.glob("docker-compose*.yml"):
            if file.name != "docker-compose.override.yml":
                shutil.copy(file, self.folder)
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        asked = self.folder / "deploy" / "compose" / "prometheus.yml"
        asked.write_text(asked.read_text().replace("15s", "1s"))  # no test waits for the next look
        variables = {
            "COMPOSE_PROJECT_NAME": self.name,
            "AIRBYTE_WORKERS_IMAGE": images.PRODUCT,
            "DOCKER_GID": str(Path("/var/run/docker.sock").stat().st_gid),
            "LOCAL_ROOT": str(self.local),
            **dict.fromkeys(PORTS, "0"),
            "HEALTH_INTERVAL": "1s",
            **{f"{name.upper()}_FILE": str(self.secret_file(name)) for name in SECRETS},
            **settings,
        }
        for name in SECRETS:
            self.secret_file(name).write_text(self.secret(name) + "\n")
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))

    def secret_file(self, name: str) -> Path:
        return self.folder / name

    def run(self, *words: str, seconds: float = 60.0) -> Ended:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        done = subprocess.run(
            words, cwd=self.folder, env=mine, capture_output=True, text=True, timeout=seconds, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def compose(self, *words: str, seconds: float = 60.0) -> str:
        done = self.run("docker", "compose", *words, seconds=seconds)
        assert done.code == 0, f"{words}: {done.out} {done.err} {self.run('docker', 'compose', 'logs').out}"
        return done.out

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each service's container."""
        names = self.compose("ps", "-aq").split()
        found = json.loads(self.run("docker", "inspect", *names).out)
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def host_place(self) -> Place:
        """Where a person of this host types commands."""
        variables = {
            "DATABASE_URL": f"postgresql://airbyte@{self.port('postgresql', 5432)}/airbyte",
            "DATABASE_PASSWORD_FILE": str(self.secret_file("postgres_password")),
            "TEMPORAL_ADDRESS": self.port("temporal", 7233),
        }
        return Place(self.local, self.folder / "home", variables)

    def port(self, service: str, port: int) -> str:
        return self.compose("port", service, str(port)).strip()

    def pods(self) -> list[str]:
        """Containers and volumes of pods."""
        return self._labelled(f"{STACK_LABEL}={self.name}")

    def left(self) -> list[str]:
        """Everything that the engine has of this project and of its pods."""
        return [*self.pods(), *self._labelled(f"com.docker.compose.project={self.name}")]

    def _labelled(self, label: str) -> list[str]:
        lists = (("ps", "-a", "--format", "{{.Names}}"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
        return [
            name for words in lists for name in self.run("docker", *words, "--filter", f"label={label}").out.split()
        ]


@contextmanager
def running(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """The stack as `docker compose up` leaves it; whatever the tests do, nothing of it stays."""
    stack = Stack(folder)
    if stack.run("docker", "compose", "version").code != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("these tests need `docker compose`, and there is none")
        pytest.skip("no docker compose")
    stack.prepare(settings or {})
    try:
        stack.compose("up", "-d", "--wait", seconds=180)
        yield stack
    finally:
        for words in removal(stack.name) if stack.left() else ():
            stack.run("sh", "-c", words, seconds=120)


def removal(name: str) -> list[str]:
    """The lines that the page says to type, for this project."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Remove")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = block[1].strip().splitlines()
    return [line.replace(f"{STACK_LABEL}=airbyte-workers", f"{STACK_LABEL}={name}") for line in lines]
