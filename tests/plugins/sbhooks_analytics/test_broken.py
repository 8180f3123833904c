"""A test is broken when it failed in each of its latest runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.broken import broken

Record = Callable[..., str]


@pytest.mark.parametrize(
    ("runs", "length"),
    [
        ("ff", 2), ("pff", 2), ("fpfef", 3), ("f", 0), ("ffp", 0), ("pf", 0), ("fsf", 2),
        ("ffs", 0), ("pp", 0),
    ],
)  # fmt: skip
def test_it_takes_two_failing_runs_in_a_row(
    runs: str, length: int, record: Record, store: MemoryEventStore
) -> None:
    sessions = [record({"t": letter}) for letter in runs]
    found = broken(store, EventQuery())
    assert [one.runs for one in found] == ([length] if length else [])
    if length:
        assert found[0].sessions[0] == sessions[-1]


def test_the_last_attempt_is_the_verdict_of_a_run(record: Record, store: MemoryEventStore) -> None:
    record({"t": "fp"})
    record({"t": "fp"})
    assert broken(store, EventQuery()) == []


def test_it_says_since_when(record: Record, store: MemoryEventStore) -> None:
    for letter in "pfff":
        record({"t": letter})
    (one,) = broken(store, EventQuery())
    assert one.since == NOON + timedelta(hours=1, seconds=1)


def test_the_longest_broken_comes_first(record: Record, store: MemoryEventStore) -> None:
    record({"b": "f", "a": "p"})
    record({"b": "f", "a": "f"})
    record({"b": "f", "a": "f"})
    assert [one.test for one in broken(store, EventQuery())] == ["b", "a"]


@pytest.mark.parametrize(("letter", "outcome"), [("c", "cancellation"), ("k", "error")])
def test_runs_in_which_it_was_cut_off_say_nothing(
    letter: str, outcome: str, record: Record, store: MemoryEventStore
) -> None:
    for runs in ("pppp", "f", "f"):
        for each in runs:
            record({"green": each.replace("f", "p"), "red": each})
        record({"green": letter, "red": letter}, outcome=outcome, reason="killed")
    assert [(one.test, one.runs) for one in broken(store, EventQuery())] == [("red", 2)]
