"""Every command of every page is typed, page by page; what is done otherwise than a page shows it is in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest

from tests.docs_commands import otherwise
from tests.docs_commands.pages import Command, Fragment, Program, Step, pages, steps
from tests.docs_commands.playing import play
from tests.docs_commands.surroundings import PAGES, of_page

RUN = (Command, Program, Fragment)


def run_steps(page: str) -> list[Step]:
    return [step for step in steps(page) if isinstance(step, RUN)]


@pytest.mark.parametrize("page", [page for page in pages() if run_steps(page) and not of_page(page).docker])
@pytest.mark.embedded
@pytest.mark.timeout(400)
def test_what_a_page_shows_can_be_done(page: str, record_property: Callable[[str, object], None]) -> None:
    """From its top to its bottom, in a folder of its own."""
    record_property("docs commands", asdict(play(page)))


def test_the_readme_s_program_is_one_to_be_read_at_a_glance() -> None:
    (program,) = (step for step in steps("README.md") if isinstance(step, Program))
    assert len([line for line in program.text.splitlines() if line]) <= 10


def test_every_exception_is_of_something_that_a_page_shows() -> None:
    """An entry that means nothing any more goes."""
    for each in otherwise.COMMANDS:
        assert [step for step in run_steps(each.page) if step.name == each.command], f"{each.page}: {each.command}"
    for value in otherwise.VALUES:
        shown = [*(step.text for step in steps(value.page)), *(getattr(step, "path", "") for step in steps(value.page))]
        assert any(value.text in text for text in shown), f"{value.page}: {value.text}"
    for line in otherwise.OUTPUT:
        assert any(line.text in step.text for step in steps(line.page)), f"{line.page}: {line.text}"
    assert set(PAGES) <= set(pages())


def test_every_exception_says_why() -> None:
    reasons = [each.reason for each in otherwise.COMMANDS]
    reasons += [each.reason for each in otherwise.VALUES] + [each.reason for each in otherwise.OUTPUT]
    assert [reason for reason in reasons if len(reason.split()) < 3] == []
    assert len({(each.page, each.command) for each in otherwise.COMMANDS}) == len(otherwise.COMMANDS)
