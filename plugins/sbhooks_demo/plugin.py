"""Hook implementations: adds the command ``sbhooks demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``demo``."""
    from sbhooks_demo.command import demo

    cli.add_command(demo)
