"""What recorders are told about usual times is a function of the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from sbhooks import hints, identity
from sbhooks.events import Detail, Event, Outcome
from sbhooks.hints import Usual
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.hints_writer import update


class Log:
    """A store and a home, and runs of one test in them."""

    def __init__(self, home: Path) -> None:
        self.home = str(home)
        self.store = MemoryEventStore()
        self.user = identity.who(self.home)[0]
        self.runs = 0

    def run(self, call_s: float, *, user: str | None = None, **changes: object) -> list[Event]:
        """Store a run in which the test took so long."""
        self.runs += 1
        line = Timeline(f"session-{self.runs}", start=NOON + timedelta(hours=self.runs))
        start = line.start(project="wheel")
        events = [
            msgspec.structs.replace(start, user=user or self.user),
            msgspec.structs.replace(line.passed("t::a"), call_s=call_s, **changes),
            line.end(Outcome.SUCCESS),
        ]
        self.store.append(events)
        return events

    def usual(self) -> Usual | None:
        """What is known of the test."""
        return hints.load(self.home).usual("wheel", "t::a", None)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_each_run_counts_once_however_often_its_batch_comes(log: Log) -> None:
    for seconds in (0.1, 0.2, 0.3):
        batch = log.run(seconds)
        for _ in range(3):
            update(batch, log.store, log.home)

    assert log.usual() == Usual(3, 0.2, 0.3)


def test_runs_that_were_stored_while_nobody_looked_count(log: Log) -> None:
    log.run(0.1)
    log.run(0.2)

    update(log.run(0.3), log.store, log.home)

    assert log.usual() == Usual(3, 0.2, 0.3)


def test_nothing_is_done_before_a_run_has_ended(log: Log) -> None:
    update(log.run(0.1)[:-1], log.store, log.home)

    assert log.usual() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "somebody-else"},
        {"detail": Detail.FAILED, "outcome": Outcome.FAILURE},
        {"detail": Detail.XFAILED},
        {"subtest": "a part"},
    ],
    ids=str,
)
def test_only_own_passing_tests_count(log: Log, changes: dict[str, object]) -> None:
    update(log.run(0.1, **changes), log.store, log.home)  # type: ignore[arg-type]

    assert log.usual() is None


def test_another_store_starts_over(log: Log) -> None:
    for _ in range(5):
        batch = log.run(9.0)
    update(batch, log.store, log.home)

    log.store = MemoryEventStore()
    update(log.run(0.1), log.store, log.home)

    assert log.usual() == Usual(1, 0.1, 0.1)


def test_a_deleted_file_is_made_again_from_the_log(log: Log) -> None:
    batch = [log.run(seconds) for seconds in (0.1, 0.2, 0.3)][-1]
    update(batch, log.store, log.home)
    before = (Path(log.home) / hints.FILE).read_bytes()

    hints.forget(log.home)
    update(batch, log.store, log.home)

    assert (Path(log.home) / hints.FILE).read_bytes() == before
