"""Make the images that are named, or all, and say how long each took."""

from __future__ import annotations

import sys

import click

from airbyte_workers.pods.image_building import ImageBuildFailed
from tests import images


def main() -> int:
    """The exit code; what is unknown or fails is one line on stderr."""
    wanted = sys.argv[1:]
    unknown = [tag for tag in wanted if tag not in images.tags()]
    if unknown:
        click.echo(f"there is no recipe for {', '.join(unknown)}; there is: {' '.join(images.tags())}", err=True)
        return 2
    try:
        images.ensure(images.client(), *wanted, said=click.echo)
    except ImageBuildFailed as error:
        click.echo(error, err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
