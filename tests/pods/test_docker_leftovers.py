"""Pods of which no container is left: they are still listed, with whose they were, and can be removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from docker_bench import DockerBench

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]
LABELS = {"job": "7", "run": "r", "database": "d"}


async def test_a_pod_whose_containers_are_gone_is_listed_with_its_labels_until_it_is_removed(
    bench: DockerBench,
) -> None:
    spec = replace(bench.spec(), labels=LABELS)
    await bench.launcher.launch(spec)
    for container in bench.containers(spec.name):
        bench.client.remove_container(container["Id"], force=True)

    (seen,) = await bench.launcher.list()
    assert (seen.name, seen.labels) == (spec.name, LABELS)
    assert {each.role for each in seen.containers} == set(spec.roles)

    await bench.launcher.remove(spec.name)
    assert await bench.launcher.list() == []
    assert await bench.launcher.remains(spec.name) == ()
