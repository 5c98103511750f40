"""Commands are listed without importing them, and what the lists say of them is what they say themselves."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from airbyte_workers.cli.groups import LazyGroup
from airbyte_workers.cli.jobs import jobs
from airbyte_workers.cli.main import main

HEAVY = {"asyncio", "asyncpg", "docker", "jsonschema", "pydantic", "rich", "structlog", "temporalio"}
IMPORTED = """
import sys
from airbyte_workers.cli.main import main
try:
    main()
finally:
    print("imported:", *sys.modules)
"""


def run(*words: str) -> tuple[str, set[str]]:
    """What a command line prints, and the modules that were imported for it."""
    done = subprocess.run([sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, check=True)
    shown, _, imported = done.stdout.partition("imported:")
    return shown, set(imported.split())


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("jobs", "--help")], ids=" ".join)
def test_what_only_lists_commands_imports_no_large_library(words: tuple[str, ...]) -> None:
    shown, imported = run(*words)
    assert shown
    assert imported & HEAVY == set()


def test_a_command_that_reads_the_database_alone_shows_its_help_without_the_sdk_and_the_engine() -> None:
    shown, imported = run("jobs", "list", "--help")
    assert "--connection" in shown
    assert imported & {"docker", "temporalio"} == set()


@pytest.mark.parametrize("group", [main, jobs], ids=lambda group: str(group.name))
def test_a_list_says_of_a_command_what_its_own_help_says_first(group: LazyGroup) -> None:
    context = click.Context(group)
    real = {name: group.get_command(context, name) for name in group.list_commands(context)}
    said = {name: command.get_short_help_str(1000) for name, command in real.items() if command is not None}
    assert {name: command.help for name, command in group.commands.items()} == said


def test_a_word_that_is_not_listed_works_all_the_same() -> None:
    context = click.Context(main)
    assert "reset" not in main.list_commands(context)
    assert main.get_command(context, "reset") is main.get_command(context, "clear")


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(click.UsageError) as refused:
        main.resolve_command(click.Context(main), ["sycn"])
    assert "Did you mean 'sync'" in refused.value.format_message()
