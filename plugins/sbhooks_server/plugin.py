"""Hook implementations: adds the commands ``serve``, ``server`` and ``token``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

REQUIRES = {
    "jinja2": "sbhooks[server]",
    "litestar": "sbhooks[server]",
    "prometheus_client": "sbhooks[server]",
    "uvicorn": "sbhooks[server]",
    "websockets": "sbhooks[server]",
    "zstandard": "sbhooks[server]",
}


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``serve``, ``server`` and ``token``."""
    from sbhooks_server.commands import COMMANDS

    for command in COMMANDS:
        cli.add_command(command)
