"""What storing and asking cost grows with what there is, not with its square.

Counted are SQLite's own steps and SQL statements, which are the same on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sbhooks.events import Event, Failure
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import Timeline
from sbhooks_storage.append import Appender
from sbhooks_storage.database import connect

CODEC = EventStoreContract.codec
_EACH = 10  # steps of SQLite's machine
Steps = Callable[[list[Event]], int]


@pytest.fixture
def steps_to_store(path: Path, empty_database: bytes) -> Steps:
    """Stores events in an empty database; returns how many steps that took."""

    def count(events: list[Event]) -> int:
        path.write_bytes(empty_database)
        counted = []
        with closing(connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.set_progress_handler(lambda: counted.append(1), _EACH)
            Appender(CODEC).append(connection, events)
            connection.set_progress_handler(None, 0)
            connection.execute("COMMIT")
        return _EACH * len(counted)

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
