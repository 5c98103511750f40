"""`airbyte-workers doctor`: what keeps this stack from its work, and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, show, show_json
from airbyte_workers.cli.tables import terminal_width
from airbyte_workers.doctor.examination import examined, mended
from airbyte_workers.doctor.findings import Finding, Verdict, has_fault, summary
from airbyte_workers.settings import Settings

_COLOURS: Mapping[Verdict, str] = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAULT: "red",
    Verdict.SKIPPED: "bright_black",
}
_MARK = max(map(len, Verdict))
_NARROW = 60
"""Characters of a line below which what was seen stands under its check's name."""


@click.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended without losing anything, and look again.")
@OUTPUT
@click.pass_context
def doctor(context: click.Context, output: Shape, *, fix: bool) -> None:
    """Look for what keeps this host, or the stack that is set, from running syncs.

    Nothing is started for it. It ends with 0 where all is well, warnings allowed, and with 1 where there is a fault.
    """

    async def command(settings: Settings) -> Exit:
        found = await examined(settings)
        if fix:
            found = await mended(settings, found)
        if output == "json":
            show_json([{"check": each.check, **asdict(each)} for each in found])
        else:
            for line in lines(found, terminal_width()):
                show(line)
        return Exit.FAILED if has_fault(found) else Exit.DONE

    context.exit(run(command, output))


def lines(findings: Sequence[Finding], width: int | None) -> Iterator[str]:
    """One for each finding; under it what was done and what to do; within `width` characters, if it is given."""
    names = max((len(each.check) for each in findings), default=0)
    for each in findings:
        mark = click.style(each.verdict.ljust(_MARK), fg=_COLOURS[each.verdict])
        if width is not None and width < _NARROW:
            yield f"{mark}  {each.check}"
            yield from _wrapped(each.seen, "  ", width)
            indent = "  "
        else:
            indent = " " * (_MARK + names + 4)
            first, *rest = list(_wrapped(each.seen, indent, width)) or [indent]
            yield f"{mark}  {each.check.ljust(names)}  {first[len(indent) :]}".rstrip()
            yield from rest
        if each.done:
            yield from _wrapped(f"mended: {each.done}", indent, width)
        if each.advice:
            yield from _wrapped(f"-> {each.advice}", indent, width)
    yield summary(findings)


def _wrapped(text: str, indent: str, width: int | None) -> Iterator[str]:
    """A line, or several; no word is broken: it may be a path, or a part of a command."""
    plain = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    if width is None:
        yield indent + plain
        return
    yield from textwrap.wrap(
        plain, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
