"""Tests to inherit: whoever writes a store proves with them that it keeps every promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sbhooks.events import Codec
from sbhooks.store import EventStore
from sbhooks.testing.asking import EVERYTHING, only, stored
from sbhooks.testing.contract_append import AppendContract
from sbhooks.testing.contract_events import EventsContract
from sbhooks.testing.contract_rollups import RollupContract
from sbhooks.testing.contract_tail import TailContract
from sbhooks.testing.factories import NoteEvent

__all__ = ["EVERYTHING", "EventStoreContract", "only", "stored"]


class EventStoreContract(AppendContract, EventsContract, RollupContract, TailContract):
    """One test per promise of :mod:`sbhooks.store`.

    Inherit and override :meth:`store` and :meth:`reopened`. A store that ends with its process
    says so by ``test_appends_survive_closing = None``.
    """

    codec = Codec([*Codec().kinds.values(), NoteEvent])  #: What the store must be able to read.

    @pytest.fixture
    def store(self) -> EventStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def reopened(self) -> Callable[[], EventStore]:
        """Opens the same store once more."""
        raise NotImplementedError
