"""A test is broken when it failed in each of its latest runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sbhooks.insights import BrokenTest, FlakyTest, InsightQuery
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.broken import broken
from sbhooks_analytics.findings import findings
from sbhooks_analytics.flaky import flaky
from sbhooks_analytics.health import health

Record = Callable[..., str]
NOW = NOON + timedelta(days=9)


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
    found = broken(store, EventQuery(), now=NOW)
    assert [one.runs for one in found] == ([length] if length else [])
    if length:
        assert found[0].sessions[0] == sessions[-1]


def test_the_last_attempt_is_the_verdict_of_a_run(record: Record, store: MemoryEventStore) -> None:
    record({"t": "fp"})
    record({"t": "fp"})
    assert broken(store, EventQuery(), now=NOW) == []


def test_it_says_since_when(record: Record, store: MemoryEventStore) -> None:
    for letter in "pfff":
        record({"t": letter})
    (one,) = broken(store, EventQuery(), now=NOW)
    assert one.since == NOON + timedelta(hours=1, seconds=1)


def test_the_longest_broken_comes_first(record: Record, store: MemoryEventStore) -> None:
    record({"b": "f", "a": "p"})
    record({"b": "f", "a": "f"})
    record({"b": "f", "a": "f"})
    assert [one.test for one in broken(store, EventQuery(), now=NOW)] == ["b", "a"]


@pytest.mark.parametrize(("letter", "outcome"), [("c", "cancellation"), ("k", "error")])
def test_runs_in_which_it_was_cut_off_say_nothing(
    letter: str, outcome: str, record: Record, store: MemoryEventStore
) -> None:
    for runs in ("pppp", "f", "f"):
        for each in runs:
            record({"green": each.replace("f", "p"), "red": each})
        record({"green": letter, "red": letter}, outcome=outcome, reason="killed")
    assert [(one.test, one.runs) for one in broken(store, EventQuery(), now=NOW)] == [("red", 2)]


def test_a_flaky_test_that_fails_twice_is_flaky_for_every_command(
    record: Record, store: MemoryEventStore
) -> None:
    """Its last run was killed, so that nobody knows what code that one saw."""
    for letter in "pfpfppff":
        record({"t": letter, "red": "f"}, code="A")
    record({"t": "f", "red": "f"}, outcome="error", reason="killed")
    assert [one.test for one in broken(store, EventQuery(), now=NOW)] == ["red"]
    states = {one.test: one.state for one in health(store, EventQuery(), now=NOW)}
    assert states == {"red": "broken", "t": "flaky"}
    assert [one.test for one in flaky(store, EventQuery(), now=NOW, limit=9).tests] == ["t"]
    told = {(one.subject, type(one)) for one in findings(InsightQuery(now=NOW), store)}
    assert {("red", BrokenTest), ("t", FlakyTest)} <= told
    assert ("t", BrokenTest) not in told


@pytest.mark.parametrize(("fails", "is_broken"), [(3, False), (4, True)])
@pytest.mark.parametrize("code", ["B", None])
def test_a_flaky_test_is_broken_when_chance_does_not_explain_it(
    fails: int, is_broken: bool, code: str | None, record: Record, store: MemoryEventStore
) -> None:
    """At a failure rate of 40 %, three failures in a row have a chance of 6 %, four one of 3 %."""
    for letter in "ppfpfppfpf":
        record({"t": letter}, code="A")
    for _ in range(fails):
        record({"t": "f"}, code=code, commit="c2")
    assert [one.runs for one in broken(store, EventQuery(), now=NOW)] == [fails] * is_broken


def test_failures_before_a_pass_on_the_same_code_break_nothing(
    record: Record, store: MemoryEventStore
) -> None:
    """The newest run saw new code; the failures before it happened where it also passed."""
    for letter in "pff":
        record({"t": letter}, code="A")
    record({"t": "f"}, code="B")
    assert broken(store, EventQuery(), now=NOW) == []
