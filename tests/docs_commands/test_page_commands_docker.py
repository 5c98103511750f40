"""The same of the pages that need a Docker engine: in a module of their own, so that they run beside the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest

from tests.docs_commands.pages import pages
from tests.docs_commands.playing import play
from tests.docs_commands.surroundings import of_page


@pytest.mark.parametrize("page", [page for page in pages() if of_page(page).docker])
@pytest.mark.docker
@pytest.mark.embedded
@pytest.mark.timeout(600)
def test_what_a_page_shows_can_be_done_with_docker(page: str, record_property: Callable[[str, object], None]) -> None:
    """From its top to its bottom, in a folder of its own."""
    record_property("docs commands", asdict(play(page)))
