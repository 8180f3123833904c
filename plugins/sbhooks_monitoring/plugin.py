"""Hook implementations: adds the command ``monitoring``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``monitoring``."""
    from sbhooks_monitoring.commands import monitoring

    cli.add_command(monitoring)
