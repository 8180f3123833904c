"""A test is flaky only if it passed and failed on the same code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.attempts import Case
from sbhooks_analytics.flaky import Attempts, FlakyTests, flaky, verdict
from sbhooks_analytics.intervals import wilson

NOW = NOON + timedelta(days=30)
KEY = Case("acme", "t", None)
Record = Callable[..., str]


@pytest.fixture
def ask(store: MemoryEventStore) -> Callable[..., FlakyTests]:
    return lambda **fields: flaky(store, EventQuery(**fields), now=NOW, limit=20)


def test_a_rerun_that_passes_is_proof(record: Record, ask: Callable[..., FlakyTests]) -> None:
    session = record({"t": "fp", "u": "p"})
    (row,) = ask().tests
    assert (row.test, row.flips, row.failed, row.attempts) == ("t", 1, 1, 2)
    assert row.sessions == [session]
    assert not row.enough_data


def test_runs_of_the_same_code_that_differ_are_proof(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    for letter in "ppfpp":
        record({"t": letter}, code="A")
    (row,) = ask().tests
    assert (row.flips, row.failed, row.attempts, row.enough_data) == (1, 1, 5, True)
    assert (row.failure_rate, row.failure_rate_low, row.failure_rate_high) == wilson(1, 5)


def test_runs_of_unknown_code_are_never_compared(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "p"})
    record({"t": "f"})
    assert ask().tests == []
    assert ask().undecided == 1


def test_a_test_that_changed_with_the_code_is_neither_flaky_nor_undecided(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "p"}, code="A")
    record({"t": "f"}, code="B")
    record({"t": "f"})
    assert ask() == FlakyTests(tests=[], undecided=0)


def test_the_same_files_at_another_commit_are_other_code(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "p"}, code="A", commit="c1")
    record({"t": "f"}, code="A", commit="c2")
    assert ask().tests == []


def test_failures_on_code_that_never_passed_do_not_count(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "pf"}, code="A")
    for _ in range(9):
        record({"t": "f"}, code="B")
    (row,) = ask().tests
    assert (row.failed, row.attempts) == (1, 2)


def test_a_run_of_unknown_code_does_not_count_only_when_it_passed(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "pf"}, code="A")
    record({"t": "p"})
    record({"t": "f"})
    (row,) = ask().tests
    assert (row.failed, row.attempts) == (1, 2)


def test_parameters_are_tests_of_their_own(record: Record, ask: Callable[..., FlakyTests]) -> None:
    record({"t[1]": "p", "t[2]": "f"}, code="A")
    assert ask() == FlakyTests(tests=[], undecided=0)
    record({"t[1]": "f", "t[2]": "f"}, code="A")
    assert [row.params for row in ask().tests] == ["1"]


def test_projects_have_nothing_to_do_with_each_other(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "p"}, code="A", project="one")
    record({"t": "f"}, code="A", project="two")
    assert ask().tests == []


@pytest.mark.parametrize("letters", ["sp", "xX", "pX", "sx"])
def test_skips_and_expected_failures_say_nothing(
    letters: str, record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": letters}, code="A")
    assert ask() == FlakyTests(tests=[], undecided=0)


def test_an_error_counts_as_a_failure(record: Record, ask: Callable[..., FlakyTests]) -> None:
    record({"t": "ep"})
    assert len(ask().tests) == 1


@pytest.mark.parametrize(
    ("letter", "end"),
    [
        ("c", {"outcome": "cancellation", "reason": "interrupted at 0 of 1: KeyboardInterrupt"}),
        ("k", {"outcome": "error", "reason": "killed"}),
    ],
)
def test_a_test_that_was_cut_off_twice_after_green_runs_is_not_flaky(
    letter: str, end: dict[str, str], record: Record, ask: Callable[..., FlakyTests]
) -> None:
    for _ in range(4):
        record({"t": "p"}, code="A")
    for _ in range(2):
        record({"t": letter}, code="A", **end)
    assert ask() == FlakyTests(tests=[], undecided=0)


def test_an_error_of_its_own_counts_in_a_killed_run_too(
    record: Record, ask: Callable[..., FlakyTests]
) -> None:
    record({"t": "p", "u": "p"}, code="A")
    record({"t": "e", "u": "k"}, code="A", outcome="error", reason="killed")
    assert [row.test for row in ask().tests] == ["t"]


def test_the_record_of_a_subtest_is_no_attempt(
    store: MemoryEventStore, record: Record, ask: Callable[..., FlakyTests]
) -> None:
    import msgspec

    session = record({"t": "p"}, code="A")
    (event,) = store.events(EventQuery(kinds=("test-result",), sessions=(session,)))
    store.append(
        [
            msgspec.structs.replace(
                event, id="sub", detail="failed", subtest="one", outcome="failure"
            )
        ]
    )
    assert ask().tests == []


def test_the_surest_comes_first_and_the_limit_holds(
    record: Record, store: MemoryEventStore
) -> None:
    for _ in range(10):
        record({"usual": "fp", "rare": "p", "once": "p"}, code="A")
    record({"usual": "p", "rare": "fp", "once": "fp"}, code="A")
    found = flaky(store, EventQuery(), now=NOW, limit=2)
    assert [row.test for row in found.tests] == ["usual", "once"]


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)).filter(
            lambda g: g[1] + g[2]
        ),
        max_size=6,
    )
)
def test_the_verdict_is_its_definition(groups: list[tuple[bool, int, int]]) -> None:
    row = verdict(KEY, [Attempts(k, p, f, NOON if f else None, frozenset()) for k, p, f in groups])
    both = [(p, f) for _, p, f in groups if p and f]
    assert (row is not None) == bool(both)
    if row is not None:
        any_known = any(k and p for k, p, _ in groups)
        passing = [(p, f) for k, p, f in groups if p and (k or f or not any_known)]
        assert row.flips == len(both)
        assert row.attempts == sum(p + f for p, f in passing)
        assert row.failed == sum(f for _, f in passing)
