"""A real server that speaks S3, for tests: seaweedfs, in a folder and on ports of its own, which stay the same."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

PROGRAM = str(Path(sys.executable).with_name("weed"))
BUCKET = "airbyte"
KEY, SECRET = "tests-key", "tests+secret/that=nobody-may-see"
READER, READER_SECRET = "readers-key", "readers-secret-that-nobody-may-see"
START_S = 60.0
SERVICES = ("master", "volume", "filer", "s3")
_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Read", "Write", "List"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ]
}


def _free_ports() -> dict[str, int]:
    """All of them at once, else the same could come twice."""
    names = [name for service in SERVICES for name in (service, f"{service}.grpc")]
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}


@dataclass
class S3Server:
    """It is killed and started again as a test likes; what was stored stays."""

    folder: Path
    ports: Mapping[str, int] = field(default_factory=_free_ports)
    _process: subprocess.Popen[bytes] | None = None
    _kept: bool = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def variables(self, prefix: str, **changes: str) -> dict[str, str]:
        """The settings, as environment variables, of somebody whose objects are below this prefix of the bucket."""
        told = {
            "STORAGE_URL": f"s3://{BUCKET}/{prefix}",
            "MINIO_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        return told | changes

    def settings(self, prefix: str, **changes: Any) -> dict[str, Any]:
        """The same for `Settings(...)`."""
        return {name.lower(): value for name, value in self.variables(prefix).items()} | changes

    def start(self) -> None:
        """Return once objects can be written; one that runs goes on."""
        if self._process is not None:
            return
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "identities.json").write_text(json.dumps(_IDENTITIES))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._words(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no S3 server: {(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for service, port in self.ports.items():  # it puts them there whatever it is told
            Path(f"/tmp/seaweedfs-{service.replace('.', '-')}-{port}.sock").unlink(missing_ok=True)

    def _words(self) -> list[str]:
        ports = [f"-{service}.port={self.ports[service]}" for service in SERVICES]
        calls = [f"-{service}.port.grpc={self.ports[f'{service}.grpc']}" for service in SERVICES]
        quiet = ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]
        small = ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
        quick = ["-master.resumeState=false", "-master.electionTimeout=1s"]  # else the second start takes 20 s
        config = [f"-dir={self.folder / 'data'}", "-s3", f"-s3.config={self.folder / 'identities.json'}"]
        return [
            PROGRAM,
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *config,
            *ports,
            *calls,
            *quiet,
            *small,
            *quick,
        ]

    def _answers(self) -> bool:
        """The bucket is a folder of its file server."""
        folder = f"http://127.0.0.1:{self.ports['filer']}/buckets/{BUCKET}/"
        try:
            with suppress(urllib.error.HTTPError):  # it is there already
                urllib.request.urlopen(urllib.request.Request(folder, method="POST"), timeout=5).close()
            store = self._store()
            obstore.put(store, "started", b"yes")
            if self._kept:
                obstore.get(store, "kept").bytes()  # what was there is to be had some moments later than new objects
            else:
                obstore.put(store, "kept", b"yes")
                self._kept = True
        except (OSError, BaseError):
            return False
        return True

    def _store(self) -> S3Store:
        told = {"access_key_id": KEY, "secret_access_key": SECRET, "aws_endpoint_url_s3": self.endpoint}
        options = {"allow_http": True, "timeout": timedelta(seconds=5)}
        return S3Store(BUCKET, config=told, client_options=options, retry_config={"max_retries": 0})


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """A server with an empty bucket, until the block ends."""
    server = S3Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
