"""Connections are lent and taken back, whoever ends how."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import Codec
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks_storage import database
from sbhooks_storage.sqlite import open_sqlite


def test_who_needs_only_the_first_events_gives_the_connection_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sqlite(tmp_path / "s.db", Codec())
    store.append([Timeline().invocation(f"skill-{number}") for number in range(20)])
    next(iter(store.events(EventQuery())))
    opened: list[object] = []
    connect = database.connect

    def counted(*arguments: object, **options: object) -> object:
        opened.append(arguments)
        return connect(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "connect", counted)
    for _ in range(20):
        events = iter(store.events(EventQuery()))
        next(events)
        events.close()  # type: ignore[attr-defined]
    assert opened == []
    events = iter(store.events(EventQuery()))
    next(events)
    store.close()
    del events
    with pytest.raises(StoreError):
        store.high_water()
