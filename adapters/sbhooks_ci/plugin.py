"""Hook implementations: the commands ``sbhooks ci …`` and ``sbhooks export …``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``ci`` and ``export``."""
    from sbhooks_ci.commands import COMMANDS
    from sbhooks_ci.export_commands import export

    for command in (*COMMANDS, export):
        cli.add_command(command)
