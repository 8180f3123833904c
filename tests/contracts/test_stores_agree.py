"""The reference store is the oracle: whatever happens to both, SQLite answers the same."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sbhooks.events import Event
from sbhooks.store import Dimension, EventQuery, EventStore, Rollup
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.memory import MemoryEventStore
from sbhooks.testing.strategies import batches, groupings, people, queries
from sbhooks_storage.sqlite import open_sqlite


def _exact(rollup: Rollup) -> tuple[object, ...]:
    """What two stores must agree on exactly: all but the sums."""
    return (
        rollup.key, rollup.n, rollup.outcomes, rollup.duration_n,
        rollup.first_at, rollup.last_at, rollup.buckets,
    )  # fmt: skip


def _by_session(events: Sequence[Event]) -> dict[str, list[Event]]:
    sessions: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        sessions[event.session].append(event)
    return sessions


class StoresAgree(RuleBasedStateMachine):
    """Does the same to both stores, again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.memory = MemoryEventStore()
        self.sqlite: EventStore = self.open()
        self.position = 0
        self.memory_position = 0

    def open(self) -> EventStore:
        return open_sqlite(Path(self.folder.name, "events.db"), EventStoreContract.codec)

    @rule(batch=batches)
    def append(self, batch: list[Event]) -> None:
        assert self.sqlite.append(batch) == self.memory.append(batch)

    @rule(old=people, new=people, other=people)
    def rename(self, old: str, new: str, other: str) -> None:
        pseudonyms = {old: new, new: other}
        assert self.sqlite.rename_people(pseudonyms) == self.memory.rename_people(pseudonyms)

    @rule(user=people)
    def erase(self, user: str) -> None:
        assert self.sqlite.erase_user(user) == self.memory.erase_user(user)

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = self.open()

    @rule(limit=st.integers(1, 20))
    def read_on(self, limit: int) -> None:
        """A page of different lengths, so read to the end on both sides."""
        ours, theirs = list[Event](), list[Event]()
        for store, read in ((self.sqlite, ours), (self.memory, theirs)):
            position = self.position if store is self.sqlite else self.memory_position
            while True:
                page = store.tail(position, limit=limit)
                position = page.position
                read.extend(page.events)
                if not page.events:
                    break
            assert position == store.high_water()
            if store is self.sqlite:
                self.position = position
            else:
                self.memory_position = position
        assert _by_session(ours) == _by_session(theirs)

    @rule(query=queries)
    def ask_for_events(self, query: EventQuery) -> None:
        note(f"{query}")
        assert list(self.sqlite.events(query)) == list(self.memory.events(query))

    @rule(query=queries, by=groupings)
    def ask_for_sums(self, query: EventQuery, by: list[Dimension]) -> None:
        ours, theirs = self.sqlite.rollup(query, by), self.memory.rollup(query, by)
        assert [_exact(row) for row in ours] == [_exact(row) for row in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.duration_sum == pytest.approx(other.duration_sum)
            assert mine.duration_sum_squares == pytest.approx(other.duration_sum_squares)

    @invariant()
    def hold_the_same(self) -> None:
        everything = EventQuery()
        assert list(self.sqlite.events(everything)) == list(self.memory.events(everything))
        assert self.sqlite.high_water() == self.memory.high_water()

    def teardown(self) -> None:
        self.sqlite.close()
        self.folder.cleanup()


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(
    max_examples=settings().max_examples // 2,
    stateful_step_count=12,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # making a failing case smaller takes minutes
)
