"""How our programs end, asked of real processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from airbyte_workers.programs import exit_code

ENDS = ("import sys; sys.exit(3)", 3), ("pass", 0), ("import sys; sys.exit()", 0), ("1 / 0", 1)
HALF_GONE = """
import atexit
from airbyte_workers import programs
atexit.register(print, "taken apart")
programs.run(lambda: print("done"))
"""


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def ended(text: str, into: str = "cat") -> subprocess.CompletedProcess[str]:
    """What became of a program whose output a shell's pipe takes."""
    words = f'"$0" -c "$1" | {into}; exit ${{PIPESTATUS[0]}}' if into[0].isalpha() else f'"$0" -c "$1" {into}'
    return subprocess.run(
        ["bash", "-c", words, sys.executable, text],
        timeout=60,
        text=True,
        check=False,
        capture_output=True,
        env=BUFFERED,
    )


@pytest.mark.parametrize(("text", "code"), ENDS, ids=[text for text, _ in ENDS])
def test_a_program_ends_as_python_would_end_it(text: str, code: int) -> None:
    wrapped = f"from airbyte_workers import programs\nprograms.run(lambda: exec({text!r}))"
    alone, ours = ended(text), ended(wrapped)
    assert ours.returncode == alone.returncode == code
    assert ("ZeroDivisionError" in ours.stderr) is ("ZeroDivisionError" in alone.stderr) is ("/" in text)


def test_a_sentence_to_exit_with_is_printed() -> None:
    wrapped = "import sys\nfrom airbyte_workers import programs\nprograms.run(lambda: sys.exit('no such thing'))"
    ours = ended(wrapped)
    assert (ours.returncode, ours.stderr) == (1, "no such thing\n")


def test_all_output_is_there_and_python_is_not_taken_apart() -> None:
    ours = ended(HALF_GONE)
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, "done\n", "")


def test_output_that_cannot_be_written_is_an_error() -> None:
    ours = ended(HALF_GONE, into=">/dev/full")
    assert (ours.returncode, ours.stderr) == (1, "error: cannot write the output: No space left on device\n")


def test_a_program_whose_reader_has_gone_ends_as_it_would_have() -> None:
    ours = ended("import time; time.sleep(0.3)" + HALF_GONE, into="true")
    assert (ours.returncode, ours.stderr) == (0, "")


def test_a_program_without_streams_ends() -> None:
    assert ended(HALF_GONE, into=">&- 2>&-").returncode == 0


def test_a_programs_exit_code_is_known_before_it_ends() -> None:
    assert exit_code(lambda: sys.exit(7)) == 7
