"""Names of images as Python distributions."""

from __future__ import annotations

import pytest

from airbyte_workers.pods.images import requirement
from airbyte_workers.pods.installer import failure
from airbyte_workers.pods.pod import LaunchFailed


@pytest.mark.parametrize(
    ("image", "distribution", "script"),
    [
        ("airbyte/source-faker:7.2.1", "airbyte-source-faker==7.2.1", "source-faker"),
        ("airbyte/source-faker:latest", "airbyte-source-faker", "source-faker"),
        ("airbyte/source-faker", "airbyte-source-faker", "source-faker"),
        ("registry.example.com/airbyte/source-faker:1.0.0rc1", "airbyte-source-faker==1.0.0rc1", "source-faker"),
        ("localhost:5000/airbyte/source-faker:7.2.1", "airbyte-source-faker==7.2.1", "source-faker"),
        ("airbyte/source_my.thing:1", "airbyte-source-my-thing==1", "source_my.thing"),
    ],
)
def test_an_airbyte_image_is_a_distribution(image: str, distribution: str, script: str) -> None:
    wanted = requirement(image)

    assert (str(wanted), wanted.script) == (distribution, script)


@pytest.mark.parametrize(
    "image",
    [
        "acme/source-x:1.0",
        "source-faker:7.2.1",
        "ghcr.io/acme/source-x:1.0",
        "airbyte/source-faker:dev",
        "airbyte/source-faker@sha256:0123",
        "airbyte/source-faker:1 --index-url=http://evil",
        "airbyte/source-faker @ http://evil/x.whl:1",
        "airbyte/--help",
        "airbyte/../x:1",
        "airbyte/:1",
        "",
    ],
)
def test_other_images_are_not_guessed(image: str) -> None:
    with pytest.raises(LaunchFailed, match="it needs Docker") as refusal:
        requirement(image)

    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("said", "expected", "retryable"),
    [
        (
            "Because airbyte-source-x was not found in the package registry and you require airbyte-source-x==1.0",
            "airbyte/source-x is not a Python package; it needs Docker (launcher docker)",
            False,
        ),
        (
            "Because there is no version of airbyte-source-x==1.0 and you require airbyte-source-x==1.0",
            "airbyte/source-x has no version 1.0 on the package index (airbyte-source-x)",
            False,
        ),
        (
            "error: Request failed after 3 retries\n  cause: Failed to fetch: http://u:pw@h/x/\n tcp connect error",
            "installing airbyte-source-x==1.0 failed: error: Request failed after 3 retries cause: Failed to fetch: "
            "http://h/x/ tcp connect error",
            True,
        ),
        (
            "Because other was not found in the package registry",
            "installing airbyte-source-x==1.0 failed: Because other was not found in the package registry",
            False,
        ),
        (
            "Failed to build `x`: error: gcc missing",
            "installing airbyte-source-x==1.0 failed: Failed to build `x`: error: gcc missing",
            False,
        ),
    ],
)
def test_what_the_installer_says_is_a_sentence_and_a_decision(said: str, expected: str, retryable: bool) -> None:
    error = failure(requirement("airbyte/source-x:1.0"), said)

    assert (str(error), error.retryable) == (expected, retryable)
