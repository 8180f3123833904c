"""What a monitoring system is told about the database."""

from __future__ import annotations

from collections.abc import Iterator

from sbhooks.metrics import Metric, Sample
from sbhooks.store import EventReader
from sbhooks_storage.sqlite import SqliteEventStore


def figures(store: EventReader) -> Iterator[Metric]:
    """Schema and locks; nothing about stores that are not ours.

    Raises:
        StoreError: The database cannot be read.
    """
    if not isinstance(store, SqliteEventStore):
        return
    yield Metric(
        name="sbhooks_migration_version", kind="gauge", help="Version of the database's schema.",
        samples=(Sample(value=store.version),),
    )  # fmt: skip
    yield Metric(
        name="sbhooks_db_busy", kind="counter",
        help="How often the server gave up waiting for another process that writes.",
        samples=(Sample(value=store.busy),),
    )  # fmt: skip
