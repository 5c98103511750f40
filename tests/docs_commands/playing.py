"""Play a page: its files are written, its commands typed and its programs run, from its top to its bottom."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs_commands import otherwise
from tests.docs_commands.desk import LOCAL, READY, Desk, desk, filled, started_local
from tests.docs_commands.otherwise import Otherwise
from tests.docs_commands.pages import Command, File, Fragment, Program, Shown, Step, steps
from tests.docs_commands.shell import START_S, Lasting, Overdue
from tests.docs_commands.shown import missing
from tests.docs_commands.surroundings import of_page

COMMAND_S = 240.0
SERVING = {LOCAL: READY, "airbyte-workers worker": "polling "}
"""Commands that go on until Ctrl-C, and what they say once they are at work: as if each had a terminal of its own."""


@dataclass
class Tally:
    """How a page's commands and programs were run."""

    as_it_stands: int = 0
    otherwise: int = 0
    left_out: int = 0

    def __str__(self) -> str:
        return f"{self.as_it_stands} as they stand, {self.otherwise} otherwise, {self.left_out} not"


class PageFailed(AssertionError):
    """A page's command does not do what its page says."""


def play(page: str, said: Callable[[str], object] = lambda _: None) -> Tally:
    """`said` is told of each command. Raises PageFailed at the first thing that is not as the page says."""
    needs = of_page(page)
    with desk(needs) as place:
        player = Player(page, place, said)
        try:
            player.begin()
            for step in steps(page):
                player.do(step)
            player.end()
        finally:
            for text in needs.after:
                place.shell.run(filled(text, place.values), seconds=COMMAND_S)
    return player.tally


@dataclass
class Player:
    """One page on its way."""

    page: str
    desk: Desk
    said: Callable[[str], object]
    tally: Tally = field(default_factory=Tally)
    _lasting: dict[str, Lasting] = field(default_factory=dict)
    _said: str = ""
    _speaker: Lasting | None = None
    _shown: bool = False

    def begin(self) -> None:
        """What the page takes for granted."""
        needs = of_page(self.page)
        if needs.stack:
            self._lasting["the stack"] = started_local(self.desk)
        if needs.numbers:
            self.desk.number(needs.numbers)
        for text in needs.before:
            self._run(Command(0, text), filled(text, self.desk.values), Otherwise(self.page, text, ""))

    def do(self, step: Step) -> None:
        how = otherwise.of_command(self.page, step.name) or Otherwise(self.page, step.name, "")
        if isinstance(step, File):
            self._write(step)
        elif isinstance(step, Shown):
            self._compare(step)
        elif not how.run:
            self.tally.left_out += 1
            if isinstance(step, Fragment):
                compile(step.text, self.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        else:
            self._type(step, how)

    def end(self) -> None:
        """Whatever still runs ends in order, once the page's proof was seen."""
        for text in of_page(self.page).proof:
            self._run(Command(0, text), filled(text, self.desk.values), Otherwise(self.page, text, ""))
        for job in list(self._lasting.values()):
            self._interrupt(job)

    def filled(self, text: str) -> str:
        """With the values of this machine."""
        for value in otherwise.values(self.page):
            text = text.replace(value.text, value.by)
        return filled(text, self.desk.values)

    def _write(self, step: File) -> None:
        folder = self.desk.shell.run("pwd", seconds=START_S).output.strip()
        path = Path(folder) / self.filled(step.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if path.name == ".env" else "w") as file:  # of .env a page shows the lines that come to it
            file.write(self.filled(step.text))

    def _type(self, step: Step, how: Otherwise) -> None:
        text = filled(how.instead, self.desk.values) or self.filled(step.text)
        known = any(value.text in step.text for value in otherwise.values(self.page))
        if how.reason or known:
            self.tally.otherwise += 1
        else:
            self.tally.as_it_stands += 1
        if isinstance(step, Program | Fragment):
            text = self._program(step, text)
        self._run(step, text, how)

    def _run(self, step: Step, text: str, how: Otherwise) -> None:
        self.said(text)
        self.desk.tell_temporal()
        ready = next((said for words, said in SERVING.items() if f"{text} ".startswith(f"{words} ")), "")
        if ready:
            self._serve(step, text, ready)
        else:
            self._finish(step, text, how)

    def _program(self, step: Step, text: str) -> str:
        file = self.desk.root / f"line-{step.line}.py"
        file.write_text(text)
        runner = "-m tests.docs_commands.fragment " if isinstance(step, Fragment) else ""
        return f"{sys.executable} {runner}{file}"

    def _serve(self, step: Step, text: str, ready: str) -> None:
        """Until the page shows the same again, or ends. A stack that runs before it is shown has been a help only."""
        for name in ("the stack", text) if text == LOCAL else (text,):
            if name in self._lasting:
                self._interrupt(self._lasting.pop(name))
        self._lasting[text] = job = self.desk.shell.begin(text)
        try:
            job.until_said(ready, START_S)
        except Overdue as error:
            raise self._failed(step, f"{error}: {job.said()}") from None
        self._hear(job.said(), job)

    def _interrupt(self, job: Lasting) -> None:
        job.interrupt()
        ended = self.desk.shell.ended(job)
        if ended.code != 0:
            raise self._failed(Step(0, job.text), f"exit code {ended.code} after Ctrl-C: {ended.output}")

    def _finish(self, step: Step, text: str, how: Otherwise) -> None:
        try:
            if how.interrupt_at:
                job = self.desk.shell.begin(text)
                job.until_said(how.interrupt_at, START_S)
                job.interrupt()
                done = self.desk.shell.ended(job)
            else:
                done = self.desk.shell.run(text, seconds=COMMAND_S, typed=how.typed)
        except Overdue as error:
            raise self._failed(step, str(error)) from None
        if done.code != how.code:
            raise self._failed(step, f"exit code {done.code} instead of {how.code}: {done.output[-3000:]}")
        self._hear(done.output)

    def _hear(self, output: str, speaker: Lasting | None = None) -> None:
        self._said = output if self._shown else self._said + output
        self._shown, self._speaker = False, speaker

    def _compare(self, step: Shown) -> None:
        self._shown = True
        lines = "\n".join(line for line in step.text.splitlines() if not otherwise.is_example(self.page, line))
        deadline = time.monotonic() + (START_S if self._speaker else 0)
        while wrong := missing(lines, self._said):
            if time.monotonic() > deadline:
                raise self._failed(step, f"nothing like {wrong} in {self._said[-3000:]}")
            if self._speaker:  # it may say more yet
                self._said = self._speaker.said()
            time.sleep(0.1)

    def _failed(self, step: Step, why: str) -> PageFailed:
        return PageFailed(f"{self.page}:{step.line}: {step.text.strip()}\n{why}")
