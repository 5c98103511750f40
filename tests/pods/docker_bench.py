"""The docker launcher on the bench: programs as tiny images, folders as root of this host sees them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docker.errors import APIError, NotFound
from pods_support import Bench

from airbyte_workers.names import Role
from airbyte_workers.pods.container_plan import POD_LABEL, ROLE_LABEL, STACK_LABEL
from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.folders import PodFolders
from airbyte_workers.pods.image_building import PythonImage, build
from airbyte_workers.pods.pod import Program
from airbyte_workers.settings import Settings
from tests import images

CODE = "airbyte-workers-test/code"
STAND_IN = "airbyte-workers-test/stand-in:1"
WORDS = ("python", "-I", "-S")
NOWHERE = Path("/nonexistent")


class Workshop:
    """Images of the programs that the tests run; `close` removes them."""

    def __init__(self, folder: Path) -> None:
        self.client = images.client()
        self._made: set[str] = set()
        images.ensure(self.client, images.PYTHON)
        script = folder / "stand-in"
        script.mkdir()
        shutil.copy(Path(__file__).with_name("stand_in_orchestrator.py"), script)
        self.make(PythonImage(STAND_IN, ("python",), placed={"/opt/stand-in": script}))

    def code(self, code: str) -> str:
        """The image of a Python program."""
        return self.program(*WORDS, "-c", code)

    def program(self, *words: str, user: str = "1000:1000") -> str:
        """An image that differs from Python's in what it starts."""
        tag = f"{CODE}:{hashlib.sha256(repr((words, user)).encode()).hexdigest()[:16]}"
        return self.make(PythonImage(tag, words, base=images.PYTHON, user=user))

    def dockerfile(self, lines: str) -> str:
        """An image on top of Python's."""
        content = f"FROM {images.PYTHON}\n{lines}\n"
        tag = f"{CODE}:{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        if tag not in self._made:
            said = self.client.build(fileobj=io.BytesIO(content.encode()), tag=tag, rm=True, forcerm=True, decode=True)
            errors = [each["error"] for each in said if "error" in each]
            assert errors == []
            self._made.add(tag)
        return tag

    def shellless(self) -> str:
        """An image with one static program and nothing else: it says its first argument and waits."""
        tag = f"{CODE}:shellless"
        if tag not in self._made:
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add("/bin/busybox", "program/busybox")
            words = json.dumps(["/program/busybox", "ash", "-c", "echo $0; /program/busybox sleep 1000"])
            changes = [f"ENTRYPOINT {words}", "USER 1000"]
            said = self.client.import_image_from_data(packed.getvalue(), *tag.split(":"), changes)
            assert "error" not in said
            self._made.add(tag)
        return tag

    def make(self, image: PythonImage) -> str:
        if image.tag not in self._made:
            build(self.client, image)
            self._made.add(image.tag)
        return image.tag

    def close(self) -> None:
        for tag in self._made:
            with suppress(APIError):
                self.client.remove_image(tag, force=True)
        self.client.close()


class DockerBench(Bench):
    """`container_home`: the orchestrator is a container, too."""

    own_files = frozenset({"connector_wrapper.sh"})
    fifo_mode = 0o660
    connector_uid = 1000

    def __init__(self, folder: Path, workshop: Workshop, *, container_home: bool) -> None:
        self.workshop = workshop
        self.client = workshop.client
        self.container_home = container_home
        self.settings = Settings(
            home=folder / "home",
            stack="bench-" + hashlib.sha256(str(folder).encode()).hexdigest()[:8],
            orchestrator_image=STAND_IN if container_home else None,
            orchestrator_start_timeout_s=60,
            docker_network="none",
        )
        self.folders = PodFolders(self.settings.pods_dir)
        super().__init__(folder)

    def make(self) -> DockerLauncher:
        return DockerLauncher(self.settings, orchestrator_command=self.stand_in)

    @property
    def stand_in(self) -> tuple[str, ...]:
        """What is started in the place of the orchestrator."""
        script = "/opt/stand-in" if self.container_home else str(Path(__file__).parent)
        python = "python" if self.container_home else shutil.which("python3") or "python3"
        return (python, "-I", "-S", f"{script}/stand_in_orchestrator.py")

    @property
    def docker(self) -> DockerLauncher:
        assert isinstance(self.launcher, DockerLauncher)
        return self.launcher

    def python(self, code: str) -> Program:
        return Program(image=self.workshop.code(code))

    def folder(self, pod: str, role: Role) -> Path:
        if not self.container_home:
            return self.settings.pods_dir / pod / role
        with suppress(NotFound, IndexError):
            if role in (Role.ORCHESTRATOR, Role.SIDECAR):
                seen = self.inspect(pod, role)
                return Path(seen["GraphDriver"]["Data"]["UpperDir"]) / "airbyte-pod" / role
            volume = self.client.inspect_volume(f"{pod}-{role}-{self.settings.stack_name}")
            return Path(volume["Mountpoint"])
        return NOWHERE

    def containers(self, pod: str, role: Role | None = None) -> list[dict]:  # type: ignore[type-arg]  # the API's own JSON
        labels = [f"{STACK_LABEL}={self.settings.stack_name}", f"{POD_LABEL}={pod}"]
        labels += [f"{ROLE_LABEL}={role}"] if role else []
        return list(self.client.containers(all=True, filters={"label": labels}))

    def inspect(self, pod: str, role: Role) -> dict:  # type: ignore[type-arg]  # the API's own JSON
        return dict(self.client.inspect_container(self.containers(pod, role)[0]["Id"]))

    async def destroy(self, pod: str, role: Role) -> None:
        if role is Role.ORCHESTRATOR and not self.container_home:
            record = self.folders.read(pod)
            assert record is not None
            os.killpg(record.processes[role].pid, signal.SIGKILL)
        else:
            self.client.kill(self.containers(pod, role)[0]["Id"])

    async def clean(self) -> None:
        await super().clean()
        assert self.everything() == []
        for launcher in self.launchers:
            assert isinstance(launcher, DockerLauncher)
            await launcher.aclose()

    def everything(self) -> list[str]:
        """What the engine has of this stack."""
        filters = {"label": f"{STACK_LABEL}={self.settings.stack_name}"}
        containers = [each["Names"][0] for each in self.client.containers(all=True, filters=filters)]
        volumes = [each["Name"] for each in self.client.volumes(filters=filters)["Volumes"] or ()]
        return containers + volumes


@contextmanager
def open_workshop(folder: Path) -> Iterator[Workshop]:
    workshop = Workshop(folder)
    try:
        yield workshop
    finally:
        workshop.close()
