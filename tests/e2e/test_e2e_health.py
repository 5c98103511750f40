"""`worker --health-file`: a file that is there, and fresh, only while the worker can do its work."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace

import pytest
from e2e_addressed import SERVERS
from e2e_support import Place, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]


def test_the_file_is_there_as_long_as_the_worker_can_work(alone: Place) -> None:
    file = alone.work / "healthy"
    with alone.started(SERVERS, program=sys.executable) as servers:
        servers.until_said("ready")
        told = alone.stack()
        addresses = {"DATABASE_URL": told["database_url"], "TEMPORAL_ADDRESS": told["temporal_address"]}
        place = replace(alone, variables=alone.variables | addresses | {"LAUNCHER": "process"})
        with place.started("worker", "--health-file", str(file)) as stopped:
            until(file.exists, "a healthy worker")
            stopped.process.send_signal(signal.SIGTERM)
            assert stopped.ended().code == 0, stopped.err
            assert not file.exists()
        no_engine = {"LAUNCHER": "docker", "DOCKER_HOST": f"unix://{alone.work}/no.sock"}
        with place.started("worker", "--health-file", str(file), **no_engine) as useless:
            useless.until_said("the Docker engine did not answer")
            assert not file.exists()
        with place.started("worker", "--health-file", str(file)) as deserted:
            until(file.exists, "a healthy worker")
            servers.process.send_signal(signal.SIGTERM)
            deserted.until_said("not healthy")
            until(lambda: not file.exists(), "the end of the file")
        assert servers.ended().code == 0, servers.err


def test_a_health_file_that_cannot_be_written_is_bad_input(alone: Place) -> None:
    addresses = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    ended = alone.run("worker", "--health-file", str(alone.work / "nowhere" / "healthy"), **addresses)
    assert (ended.code, "--health-file: cannot write" in ended.error) == (2, True)
