"""What tests of the Crackerjack adapter share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sbhooks.collector import Collected
from sbhooks.events import Event
from sbhooks.store import EventQuery
from sbhooks.testing.memory import MemoryEventStore


@pytest.fixture
def recorded(
    collect: Callable[..., Collected], store: MemoryEventStore
) -> Callable[..., list[Any]]:
    """Collect, and give the events of a kind, oldest first."""

    def events(*kinds: str) -> list[Event]:
        collect()
        return list(store.events(EventQuery(kinds=kinds)))

    return events
