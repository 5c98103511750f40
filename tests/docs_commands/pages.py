"""What there is to do on a page, from its top to its bottom: commands, files, programs, and what commands say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELL = frozenset({"sh", "bash", "shell", "console"})
PROGRAM = "asyncio.run("
"""What a Python block has that is a program of its own, and not a piece of one."""
_FENCE = re.compile(r"^( *)(```+)(\w*)[^\n]*\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (\S*(?:\w\.\w+|/[\w@]+|\.env)|Dockerfile)$")
_REMARK = re.compile(r"\s+# .*")
_PROMPT = "$ "


@dataclass(frozen=True)
class Step:
    """A piece of a page."""

    line: int
    text: str

    @property
    def name(self) -> str:
        """What the tables call it by: its first line, without the remark at its end."""
        return _REMARK.sub("", self.text.partition("\n")[0])


class Command(Step):
    """Something to type in a shell; over several lines where it is so long."""


@dataclass(frozen=True)
class File(Step):
    """A file with this content."""

    path: str = ""


class Program(Step):
    """A Python program."""


class Fragment(Step):
    """A piece of a Python program; `await` may stand outside of functions."""


class Shown(Step):
    """What the commands before it say."""


def pages() -> list[str]:
    """Every page, by its path in the repository."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(page.relative_to(ROOT)) for page in found]


def steps(page: str) -> list[Step]:
    """In the page's order. A block of text that follows a shell block at once is what its commands say."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[Step] = []
    shell_ended = -1
    for block in _FENCE.finditer(text):
        line = text.count("\n", 0, block.start(4)) + 1
        language, content = block[3], _outdented(block[4], len(block[1]))
        follows_shell = shell_ended >= 0 and not text[shell_ended : block.start()].strip()
        new = list(_steps(language, content, line, follows_shell))
        found += new
        shell_ended = block.end() if any(isinstance(step, Command) for step in new) else -1
    return found


def _outdented(content: str, spaces: int) -> str:
    return "".join(line[min(spaces, len(line) - len(line.lstrip(" "))) :] for line in content.splitlines(keepends=True))


def _steps(language: str, content: str, line: int, follows_shell: bool) -> Iterator[Step]:
    if named := _FILE.match(content.partition("\n")[0]):
        yield File(line, content, named[1])
        if PROGRAM in content:
            yield Command(line, f"python {named[1]}")
    elif language in SHELL:
        yield from _typed(content, line, prompts=content.startswith(_PROMPT))
    elif language == "python":
        yield (Program if PROGRAM in content else Fragment)(line, content)
    elif language == "text" and follows_shell:
        yield Shown(line, content)


def _typed(content: str, first: int, *, prompts: bool) -> Iterator[Step]:
    """Commands end where the shell says so. Comments after a command, and lines without a prompt, are what it said."""
    open_lines: list[str] = []
    for line, text in enumerate(content.splitlines(), first):
        if not open_lines and (text.startswith("# ") or (prompts and not text.startswith(_PROMPT))):
            yield Shown(line, text.removeprefix("# "))
        elif open_lines or text.strip():
            open_lines.append(text if open_lines or not prompts else text.removeprefix(_PROMPT))
            if _is_whole("\n".join(open_lines)):
                yield Command(line - len(open_lines) + 1, "\n".join(open_lines))
                open_lines = []
    if open_lines:
        raise AssertionError(f"a command that never ends begins at line {line - len(open_lines) + 1}: {open_lines[0]}")


def _is_whole(text: str) -> bool:
    if text.endswith("\\"):
        return False
    done = subprocess.run(["bash", "-n"], input=text + "\n", capture_output=True, text=True, check=False, timeout=10)
    return not done.stderr
