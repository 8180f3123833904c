"""What the commands of ``sbhooks db`` share: which database is meant."""

from __future__ import annotations

from pathlib import Path

import click

from sbhooks.cli_options import CommandLine

db_option = click.option(
    "--db", "file", metavar="FILE",
    help="Another database than the configured store: its path, or sqlite:/// and its path.",
)  # fmt: skip


def path_of(line: CommandLine, file: str | None) -> Path:
    """The database that is meant.

    Raises:
        StoreError: The configured store is no file.
    """
    from sbhooks.errors import StoreError

    if file is not None:
        return Path(file.removeprefix("sqlite:///"))
    path = line.config.store_file
    if path is None:
        raise StoreError(
            "cannot look after the configured store: it is no SQLite file. Name one with --db"
        )
    return path
