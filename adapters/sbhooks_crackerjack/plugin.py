"""Hook implementations: the commands ``sbhooks crackerjack …``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``crackerjack``."""
    from sbhooks_crackerjack.commands import crackerjack

    cli.add_command(crackerjack)
