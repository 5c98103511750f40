"""Every picture of the documentation is shown somewhere, says in words what is on it, and is small."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.browser.pictures import FOLDER, SIZE_LIMIT, Shown, promised, shown_pictures

SHOWN = list(shown_pictures())


def size(picture: bytes) -> tuple[int, int]:
    """Width and height, as a PNG file says them."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_every_picture_is_shown_and_every_shown_one_exists() -> None:
    assert {shown.file for shown in SHOWN} == set(FOLDER.iterdir())


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: f"{shown.page.name}:{shown.file.name}")
def test_a_picture_is_described_for_who_does_not_see_it(shown: Shown) -> None:
    """Some page says in backquotes what can be read on it: the browser tests look for that when they take it."""
    assert len(shown.text) > 20
    assert promised(shown.file.name)


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: file.name)
def test_a_picture_is_small_and_of_the_one_width(file: Path) -> None:
    picture = file.read_bytes()
    assert len(picture) <= SIZE_LIMIT
    assert size(picture)[0] == 1280
