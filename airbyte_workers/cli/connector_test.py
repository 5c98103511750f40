"""`airbyte-workers connector test`: which connector will hang, and which will lose data."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.interrupts import every_signal_heard
from airbyte_workers.cli.options import LAUNCHER, OUTPUT
from airbyte_workers.cli.output import Exit, Problem, Shape, bad_input, say, show, show_json
from airbyte_workers.cli.sync_file import parse_object, read_object
from airbyte_workers.cli.tables import terminal_width
from airbyte_workers.conformance.kit import Kind, KindUnknown, Report, Subject, examine
from airbyte_workers.conformance.verdicts import Level, Verdict
from airbyte_workers.inputs import checked
from airbyte_workers.models import Connector
from airbyte_workers.names import LauncherChoice
from airbyte_workers.pods.choice import Choice
from airbyte_workers.pods.host import search_path
from airbyte_workers.pods.pod import LauncherAway, LaunchFailed, RemovalFailed
from airbyte_workers.quantities import duration
from airbyte_workers.settings import Settings
from airbyte_workers.store.secrets import SecretError

_INDENT = " " * 9


@click.command()
@click.argument("tested", metavar="IMAGE|COMMAND", required=False)
@click.option("--command", "words", metavar="COMMAND", help="A command of this machine, however it looks.")
@click.option("--config", metavar="FILE|JSON", help="A file, YAML or JSON, or JSON itself; - reads standard input.")
@click.option("--source", "kind", flag_value="source", help="It is a source. Left out: by its name, else by its spec.")
@click.option("--destination", "kind", flag_value="destination", help="It is a destination.")
@LAUNCHER
@OUTPUT
@click.pass_context
def test(context: click.Context, /, output: Shape, **typed: Any) -> None:
    """Try everything that a sync asks of the connector IMAGE, and tell what it stands.

    A source is read, a destination is written to: two streams whose names begin with airbyte_workers_test. Neither
    Temporal nor a database is needed, and nothing of the connector is left running.

    Exit codes: 0 nothing failed, 1 something did, 2 bad usage.
    """

    async def command(settings: Settings) -> Exit:
        subject = _subject(settings, **typed)
        with every_signal_heard():
            report = await _examined(settings, subject)
        _tell(report, output)
        return Exit.FAILED if report.count(Level.FAIL) else Exit.DONE

    context.exit(run(command, output))


def _subject(
    settings: Settings,
    *,
    tested: str | None,
    words: str | None,
    config: str | None,
    kind: Kind | None,
    launcher: LauncherChoice | None,
) -> Subject:
    """What was typed. Raises Problem, InvalidInput."""
    if (tested is None) == (words is None):
        raise bad_input("give either an image, or a command, or --command")
    content: dict[str, Any] = {"config": _config(config)}
    if words is not None:
        content["command"] = _split(words)
    elif tested is not None and _is_program(tested):
        content["command"] = _split(tested)
    else:
        content["image"] = tested
    return Subject(checked(Connector, content), kind, launcher or settings.launcher)


def _config(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text.lstrip().startswith("{"):
        return parse_object(text, "--config")
    return read_object(Path(text))


def _split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError as error:
        raise bad_input(f"the command cannot be read: {error}") from None


def _is_program(text: str) -> bool:
    """Whether the first word can be started here: no image has such a name by chance, but for one in a folder."""
    words = _split(text)
    return bool(words) and shutil.which(words[0], path=search_path()) is not None


async def _examined(settings: Settings, subject: Subject) -> Report:
    try:
        return await examine(settings, subject, lambda step: say(f"trying: {step}"), _chosen)
    except (KindUnknown, SecretError) as error:
        raise bad_input(str(error)) from None
    except (LaunchFailed, LauncherAway, RemovalFailed) as error:
        raise Problem(str(error), type=type(error).__name__) from None


def _chosen(choice: Choice) -> None:
    say(f"launcher: {choice.launcher} ({choice.why})")


# --- telling ---


def _tell(report: Report, output: Shape) -> None:
    if output == "json":
        show_json(_as_json(report))
        return
    for each in report.verdicts:
        for line in _lines(each, terminal_width()):
            show(line)
    counts = ", ".join(f"{report.count(level)} {level}" for level in Level if report.count(level))
    show(f"{report.kind} {report.connector}: {counts}, in {duration(report.seconds)}")


def _lines(verdict: Verdict, width: int | None) -> Iterator[str]:
    """What was seen, and below it what that means."""
    yield from _wrapped(f"{verdict.level:<8} {verdict.line}: {verdict.seen}", width)
    if verdict.means:
        yield from _wrapped(f"{_INDENT}{verdict.means}", width)


def _wrapped(text: str, width: int | None) -> list[str]:
    """What a connector says may hold anything; a terminal obeys some of it."""
    plain = "".join(each if each.isprintable() else "?" for each in text)
    return [plain] if width is None else textwrap.wrap(plain, max(width, 40), subsequent_indent=_INDENT)


def _as_json(report: Report) -> dict[str, Any]:
    verdicts = [
        {
            "line": each.line,
            "verdict": each.level,
            "seen": each.seen,
            "means": each.means,
            "finding": each.finding.lower(),
        }
        for each in report.verdicts
    ]
    return {
        "connector": report.connector,
        "kind": report.kind,
        "launcher": report.choice.launcher,
        "launcher_why": report.choice.why,
        "verdict": report.worst,
        "seconds": report.seconds,
        "verdicts": verdicts,
    }
