"""Whether a command says what its page shows: words count, numbers, times, sizes, ids and paths are anybody's."""

from __future__ import annotations

import re


def missing(shown: str, said: str) -> list[str]:
    """The shown lines that nothing of what was said resembles. A line may be cut off by `...`."""
    words = " ".join(said.split())
    return [line for line in shown.splitlines() if not re.search(_pattern(line), words)]


def _pattern(line: str) -> str:
    return r"\s".join(_word(word) for word in line.split() if word != "...")


def _word(word: str) -> str:
    if any(letter.isdigit() for letter in word) or word.startswith("/"):
        return r"\S+"
    return re.escape(word)
