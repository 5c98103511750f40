"""Run the commands of the pages that are named, or of all."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

import click

from tests.docs_commands.pages import Command, Fragment, Program, pages, steps
from tests.docs_commands.playing import play


@click.command()
@click.argument("names", metavar="[PAGE]...", nargs=-1)
@click.option("-v", "--verbose", is_flag=True, help="Tell each command before it is run, and when.")
def main(names: tuple[str, ...], verbose: bool) -> None:
    """Exit code 1 when a page's command does not do what its page says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whatever was started is ended
    failed = 0
    for page in names or pages():
        if not any(isinstance(step, Command | Program | Fragment) for step in steps(page)):
            continue
        started = time.monotonic()
        try:
            told = str(play(page, _told_since(started) if verbose else lambda _: None))
        except AssertionError as error:  # PageFailed, or something of the page does not end
            failed, told = failed + 1, f"FAILED\n{error}"
        click.echo(f"{time.monotonic() - started:6.1f} s  {page}: {told}")
    sys.exit(1 if failed else 0)


def _told_since(started: float) -> Callable[[str], object]:
    return lambda text: click.echo(f"{time.monotonic() - started:6.1f} s  {text}")


if __name__ == "__main__":
    main()
