"""Tests and their attempts: counts, durations, history, and finding one by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.cutoff import rollup
from sbhooks.errors import SbhooksError
from sbhooks.events import Detail, Event, Failure, Outcome, TestResult
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.attempts import Case, slow, summaries
from sbhooks_analytics.history import find_test, history

Record = Callable[..., str]
NOW = NOON + timedelta(hours=5)
LETTERS = {
    "p": "passed", "f": "failed", "e": "errors", "s": "skipped", "x": "xfailed", "X": "xpassed",
}  # fmt: skip


@given(st.dictionaries(st.sampled_from(["a", "b[1]", "b[2]"]), st.text("pfesxX", min_size=1)))
def test_counts_are_those_of_the_attempts(tests: dict[str, str]) -> None:
    store = MemoryEventStore()
    line = Timeline()
    for name, letters in tests.items():
        test, _, params = name.partition("[")
        for letter in letters:
            event = line.passed(test, params=params.rstrip("]") or None)
            detail = {"errors": "error"}.get(LETTERS[letter], LETTERS[letter])
            store.append([msgspec.convert({**_plain(event), "detail": detail}, type(event))])
    found = {row.key.name: row for row in summaries(store, EventQuery())}
    assert found.keys() == tests.keys()
    for name, letters in tests.items():
        row = found[name]
        assert row.runs == len(letters)
        counts = Counter(LETTERS[letter] for letter in letters)
        assert {field: getattr(row, field) for field in counts} == counts
        assert row.last_outcome == LETTERS[letters[-1]].replace("errors", "error")
        assert (row.p50_s is None) == (set(letters) == {"s"})


def _plain(event: object) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(event)
    return plain


def test_the_record_of_a_subtest_is_not_counted(store: MemoryEventStore) -> None:
    line = Timeline()
    store.append([line.failed("t", subtest="i=1"), line.failed("t", subtest=""), line.failed("t")])
    (row,) = summaries(store, EventQuery())
    assert (row.runs, row.failed) == (1, 1)
    assert slow(store, EventQuery(), limit=9).tests[0].n == 1


def test_the_same_id_in_two_projects_is_two_tests(record: Record, store: MemoryEventStore) -> None:
    record({"t": "p"}, project="one")
    record({"t": "f"}, project="two")
    found = summaries(store, EventQuery())
    assert [(row.project, row.passed) for row in found] == [("one", 1), ("two", 0)]


def test_slow_tests_are_those_that_take_the_time(store: MemoryEventStore) -> None:
    line = Timeline()
    slow_one = [line.passed("slow", call_s=3.0, setup_s=0.5, teardown_s=0.5) for _ in range(2)]
    quick = [line.passed("quick", call_s=1.0, setup_s=None, teardown_s=None) for _ in range(2)]
    skipped = msgspec.structs.replace(line.passed("slow", call_s=99.0), detail="skipped")
    store.append([*slow_one, *quick, skipped])
    found = slow(store, EventQuery(), limit=1)
    (row,) = found.tests
    assert (row.test, row.n, row.total_s, row.share) == ("slow", 2, 8.0, 0.8)
    assert row.mean_s == 4.0
    assert abs(row.p50_s - 4.0) < 0.04 and abs(row.p95_s - 4.0) < 0.04
    assert found.total_s == 10.0


def test_history_is_newest_first_with_commits_and_attempts(
    record: Record, store: MemoryEventStore
) -> None:
    first = record({"t": "fp"}, commit="c1")
    second = record({"t": "p", "u": "p"}, commit="c2")
    found = history(store, EventQuery(), Case("acme", "t", None), now=NOW, limit=9)
    told = [(i.session, i.commit, i.attempt, i.outcome) for i in found.attempts]
    assert told == [
        (second, "c2", 1, "passed"), (first, "c1", 2, "passed"), (first, "c1", 1, "failed"),
    ]  # fmt: skip
    assert found.attempts[0].branch == "main"


def test_history_is_of_one_set_of_parameters_or_of_all(
    record: Record, store: MemoryEventStore
) -> None:
    record({"t[1]": "p", "t[2]": "f"})
    one = history(store, EventQuery(), Case("acme", "t", "2"), now=NOW, limit=9)
    both = history(store, EventQuery(), Case("acme", "t", None), now=NOW, limit=9)
    assert [item.params for item in one.attempts] == ["2"]
    assert [item.params for item in both.attempts] == ["2", "1"]


def test_history_of_a_session_without_a_start_has_no_commit(store: MemoryEventStore) -> None:
    store.append([Timeline().passed("t")])
    found = history(store, EventQuery(), Case(None, "t", None), now=NOW, limit=1)
    assert found.attempts[0].commit is None


@pytest.mark.parametrize(
    ("name", "test", "params"),
    [
        ("tests/a.py::test_one", "tests/a.py::test_one", None),
        ("tests/a.py::test_one[x]", "tests/a.py::test_one", "x"),
        ("test_two", "tests/b.py::test_two", None),
        ("one[y", "tests/a.py::test_one", "y"),
        ("test_on", "tests/a.py::test_one", None),
    ],
)
def test_a_test_is_found_by_id_or_unique_part(
    name: str, test: str, params: str | None, record: Record, store: MemoryEventStore
) -> None:
    record({"tests/a.py::test_one[x]": "p", "tests/a.py::test_one[y]": "p"})
    record({"tests/b.py::test_two": "p"})
    assert find_test(store, name, EventQuery()) == Case("acme", test, params)


def test_the_whole_name_wins_over_longer_ones(record: Record, store: MemoryEventStore) -> None:
    record({"test_a": "p", "test_ab": "p", "x.py::A::test_b": "p", "x.py::A::test_bc[1]": "p"})
    for name, test in {"test_a": "test_a", "test_b": "x.py::A::test_b"}.items():
        assert find_test(store, name, EventQuery()).test == test
    assert find_test(store, "test_bc[1]", EventQuery()).params == "1"


@pytest.mark.parametrize(
    ("name", "what"), [("test_", "2 tests match"), ("nothing", "no test 'nothing'")]
)
def test_a_test_that_cannot_be_told_is_refused(
    name: str, what: str, record: Record, store: MemoryEventStore
) -> None:
    record({"test_a": "p", "test_b": "p"})
    with pytest.raises(SbhooksError, match=what):
        find_test(store, name, EventQuery())


def test_a_test_of_several_projects_needs_its_project(
    record: Record, store: MemoryEventStore
) -> None:
    record({"t": "p"}, project="one")
    record({"t": "p"}, project="two")
    with pytest.raises(SbhooksError, match="add --project"):
        find_test(store, "t", EventQuery())
    assert find_test(store, "t", EventQuery(projects=("two",))).project == "two"


@pytest.mark.parametrize(("letter", "outcome"), [("c", "cancellation"), ("k", "error")])
def test_attempts_that_were_cut_off_are_no_failures(
    letter: str, outcome: str, record: Record, store: MemoryEventStore
) -> None:
    for _ in range(4):
        record({"t": "p"})
    for _ in range(2):
        record({"t": letter, "only": letter}, outcome=outcome, reason="killed")
    only, t = summaries(store, EventQuery())
    assert (t.runs, t.passed, t.failed, t.errors, t.interrupted) == (6, 4, 0, 0, 2)
    assert (t.last_outcome, only.last_outcome) == ("passed", "interrupted")
    assert (only.runs, only.failed, only.errors, only.p50_s) == (2, 0, 0, None)
    found = history(store, EventQuery(), t.key, now=NOW, limit=2)
    assert [item.outcome for item in found.attempts] == ["interrupted", "interrupted"]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b[1]", "b[2]"]), st.text("pfeck", min_size=1)),
        max_size=4,
    )
)
def test_the_sums_are_those_of_the_attempts_one_by_one(runs: list[dict[str, str]]) -> None:
    store = MemoryEventStore()
    expected: Counter[tuple[str, str]] = Counter()
    for number, tests in enumerate(runs):
        line = Timeline(f"s{number}")
        events: list[Event] = [line.start()]
        for name, letters in tests.items():
            test, _, params = name.partition("[")
            for letter in letters:
                events.append(cut_off(line.passed(test, params=params.rstrip("]") or None), letter))
                expected[name, {"c": "interrupted", "k": "interrupted"}.get(letter, letter)] += 1
        store.append([*events, line.end(Outcome.ERROR, reason="killed")])
    words = {"passed": "p", "failed": "f", "error": "e", "interrupted": "interrupted"}
    found: Counter[tuple[str, str]] = Counter()
    for row in rollup(store, EventQuery(), ["test", "params", "detail"]):
        assert sum(row.outcomes.values()) == row.n
        found[Case(None, str(row.key[0]), row.key[1]).name, words[str(row.key[2])]] = row.n
    assert found == expected


def cut_off(event: TestResult, letter: str) -> TestResult:
    """The attempt as it is when it ended so."""
    if letter == "p":
        return event
    detail = {"f": Detail.FAILED}.get(letter, Detail.ERROR)
    outcome = {"f": Outcome.FAILURE, "c": Outcome.CANCELLATION}.get(letter, Outcome.ERROR)
    changed = msgspec.structs.replace(event, detail=detail, outcome=outcome)
    if letter != "k":
        return changed
    killed = Failure(fingerprint="killed", type="Killed")
    return msgspec.structs.replace(
        changed, failure=killed, setup_s=None, call_s=None, teardown_s=None
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("test_totl", r"Did you mean 'tests/a.py::test_total'\? List"),
        ("tests/a.py::test_totals", r"Did you mean 'tests/a.py::test_total'\?"),
        ("entirely different", r"is recorded\. List"),
        ("", "no test was named"),
    ],
)
def test_a_mistyped_test_is_guessed(
    name: str, what: str, record: Record, store: MemoryEventStore
) -> None:
    record({"tests/a.py::test_total": "p", "tests/b.py::test_discount": "p"})
    with pytest.raises(SbhooksError, match=what):
        find_test(store, name, EventQuery())
