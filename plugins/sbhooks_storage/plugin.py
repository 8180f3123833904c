"""Hook implementations; the database is opened when a store is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sbhooks.errors import StoreError
from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from sbhooks.checks import Check
    from sbhooks.config import Config
    from sbhooks.events import Codec
    from sbhooks.metrics import Metric
    from sbhooks.store import EventReader, EventStore

REQUIRES = {"sqlite_utils": "sbhooks[sqlite]"}

_SCHEME = "sqlite:"


@hookimpl
def sbhooks_open_store(config: Config, codec: Codec) -> EventStore | None:
    """Open ``sqlite:///PATH``; a relative path starts at the home of sbhooks."""
    if not config.store.startswith(_SCHEME):
        return None
    path = database_path(config.store, config.home)
    from sbhooks_storage.sqlite import open_sqlite

    return open_sqlite(path, codec)


@hookimpl
def sbhooks_deployment_checks(config: Config) -> Iterable[Check]:
    """Go through the checklist of the database."""
    if not config.store.startswith(_SCHEME):
        return ()
    from sbhooks_storage.deployment import check_database

    return check_database(database_path(config.store, config.home))


@hookimpl
def sbhooks_metrics(store: EventReader) -> Iterable[Metric]:
    """Say which schema the database has, and how often it was locked."""
    from sbhooks_storage.figures import figures

    return figures(store)


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``db`` and ``import old``."""
    from sbhooks_storage.commands import add_to

    add_to(cli)


def database_path(url: str, home: Path) -> Path:
    """The file that a URL names.

    Args:
        url: ``sqlite:///PATH``; the path is taken literally.
        home: Where a relative path starts.

    Raises:
        StoreError: The URL names no file.
    """
    name = url.removeprefix("sqlite:///")
    if name in {url, "", ":memory:"}:
        raise StoreError(
            f"cannot open the store {url!r}: it names no file. "
            f"Write sqlite:/// and a path, for example sqlite:///{home / 'sbhooks.db'}"
        )
    return home / name
