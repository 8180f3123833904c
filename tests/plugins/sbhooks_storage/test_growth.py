"""What storing and asking cost grows with what there is, not with its square.

Counted are SQLite's own steps and SQL statements, which are the same on any machine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sbhooks.events import Event, Failure
from sbhooks.store import EventQuery
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import Timeline
from sbhooks_storage.append import Appender
from sbhooks_storage.database import connect
from sbhooks_storage.query import Reader

CODEC = EventStoreContract.codec
_EACH = 10  # steps of SQLite's machine
Steps = Callable[[list[Event]], int]


@contextmanager
def counted(connection: sqlite3.Connection) -> Iterator[list[int]]:
    """Count the steps of what is done on a connection."""
    steps = [0]

    def count() -> None:
        steps[0] += _EACH

    connection.set_progress_handler(count, _EACH)
    yield steps
    connection.set_progress_handler(None, 0)


@pytest.fixture
def steps_to_store(path: Path, empty_database: bytes) -> Steps:
    """Stores events in an empty database; returns how many steps that took."""

    def count(events: list[Event]) -> int:
        path.write_bytes(empty_database)
        with closing(connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with counted(connection) as steps:
                Appender(CODEC).append(connection, events)
            connection.execute("COMMIT")
        return steps[0]

    return count


def one_cause(number: int) -> list[Event]:
    """A run in which all tests fail of one cause, each with words of its own."""
    time = Timeline("s")
    return [
        time.failed(f"test_{n}", failure=Failure(fingerprint="f", type="E", message=f"not {n}"))
        for n in range(number)
    ]


def one_test(number: int) -> list[Event]:
    """A run of one test with many parameters."""
    time = Timeline("s")
    return [time.passed("test_a", params=str(n)) for n in range(number)]


def one_each(number: int) -> list[Event]:
    """Many short sessions."""
    return [event for n in range(number // 4) for event in Timeline(f"s{n}").one_of_each()[:4]]


@pytest.mark.parametrize("events", [one_cause, one_test, one_each])
def test_twice_as_many_events_take_twice_as_many_steps(
    steps_to_store: Steps, events: Callable[[int], list[Event]]
) -> None:
    once, twice = steps_to_store(events(400)), steps_to_store(events(800))
    assert twice < 2.6 * once


@pytest.mark.parametrize("events", [one_cause, one_test])
def test_some_tests_are_found_among_many_as_fast_as_among_few(
    path: Path, steps_to_store: Steps, events: Callable[[int], list[Event]]
) -> None:
    found = []
    for number in (200, 800):
        steps_to_store(events(number))
        with closing(connect(path)) as connection:
            names = tuple(f"test_{n}" for n in range(20))  # of tests with parameters there is none
            query = EventQuery(kinds=("test-result",), tests=names)
            with counted(connection) as steps:
                rows = Reader(CODEC).rollup(connection, query, ["test", "params", "session"])
            found.append((len(rows), steps[0]))
    (few, among_few), (many, among_many) = found
    assert few == many == (20 if events is one_cause else 0)
    assert among_many < 1.3 * among_few
