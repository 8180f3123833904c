"""Runs: start and end put together, and found by what people write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sbhooks.errors import SbhooksError
from sbhooks.events import Outcome
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.runs import find_run, runs, runs_of, short_names

Record = Callable[..., str]
NOW = NOON + timedelta(hours=5)


def test_a_run_is_its_start_and_its_end(record: Record, store: MemoryEventStore) -> None:
    session = record(
        {"t": "f"}, code="A", commit="c9", outcome=Outcome.FAILURE, exit_status=1,
        counts={"failed": 1}, reason="finished",
    )  # fmt: skip
    (run,) = runs(store, EventQuery(), now=NOW, limit=9)
    assert (run.session, run.source, run.project) == (session, "pytest", "acme")
    assert (run.outcome, run.exit_status, run.counts) == ("failure", 1, {"failed": 1})
    assert (run.commit, run.branch, run.code_state) == ("c9", "main", "A")
    assert (run.started_at, run.duration_s, run.reason) == (NOON, 3.0, "finished")


def test_the_newest_comes_first_and_the_limit_holds(
    record: Record, store: MemoryEventStore
) -> None:
    sessions = [record({}) for _ in range(4)]
    found = runs(store, EventQuery(), now=NOW, limit=2)
    assert [run.session for run in found] == sessions[:1:-1]


def test_a_run_without_an_end_is_running(record: Record, store: MemoryEventStore) -> None:
    record({}, ended=False)
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert (run.outcome, run.duration_s, run.exit_status) == ("running", None, None)


def test_after_a_day_nobody_believes_that_it_runs(record: Record, store: MemoryEventStore) -> None:
    record({}, ended=False)
    (run,) = runs(store, EventQuery(), now=NOON + timedelta(days=2), limit=1)
    assert run.outcome == "unknown"


def test_a_killed_run_lasted_until_it_was_last_seen(store: MemoryEventStore) -> None:
    line = Timeline(step=timedelta(seconds=7))
    store.append([line.start(), line.end(Outcome.ERROR, reason="killed", duration_s=0.1)])
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert (run.duration_s, run.duration_is_lower_bound, run.exact_duration_s) == (7.0, True, None)


def test_a_run_that_ended_took_exactly_as_long(record: Record, store: MemoryEventStore) -> None:
    record({})
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert (run.duration_is_lower_bound, run.exact_duration_s) == (False, 3.0)


def test_the_results_of_a_killed_run_are_counted(record: Record, store: MemoryEventStore) -> None:
    tests = {"a": "p", "b": "fp", "c": "ff", "d": "s", "e": "e", "f": "k", "g": "fk"}
    stale = {"passed": 99, "error": 98, "collected": 90}
    record(tests, outcome="error", reason="killed", counts=stale)
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert run.counts == {
        "passed": 2, "failed": 1, "error": 1, "skipped": 1, "interrupted": 2,
        "reruns": 3, "flaky": 1, "collected": 90,
    }  # fmt: skip
    assert list(run.counts)[:5] == ["passed", "failed", "error", "skipped", "interrupted"]


def test_the_test_that_ctrl_c_cut_off_is_no_error(record: Record, store: MemoryEventStore) -> None:
    counts = {"passed": 1, "error": 1, "warnings": 2}
    record({"a": "p", "b": "c"}, outcome="cancellation", reason="interrupted", counts=counts)
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert run.counts == {"passed": 1, "interrupted": 1, "warnings": 2}


def test_a_run_that_came_to_its_end_is_believed(record: Record, store: MemoryEventStore) -> None:
    record({"a": "p"}, counts={"passed": 7, "error": 1}, reason="finished")
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert run.counts == {"passed": 7, "error": 1}


def test_subtests_of_a_killed_run_are_counted_apart(store: MemoryEventStore) -> None:
    line = Timeline()
    store.append(
        [
            line.start(),
            line.failed("t", subtest="i=1"),
            line.failed("t", subtest="i=2"),
            line.failed("t"),
            line.end(Outcome.ERROR, reason="killed"),
        ]
    )
    (run,) = runs(store, EventQuery(), now=NOW, limit=1)
    assert run.counts == {"failed": 1, "subtests_failed": 2}


@pytest.mark.parametrize(
    ("name", "query", "what"),
    [
        ("last", EventQuery(projects=("nosuch",)), "^no run of 'nosuch' is recorded. List"),
        ("last", EventQuery(since=NOW), "^no run is recorded in that time"),
        ("xyz", EventQuery(projects=("a", "b")), "^no run 'xyz' of 'a' or 'b' is recorded"),
        ("", EventQuery(), "^no run was named. Write 'last'"),
        (" ", EventQuery(), "^no run was named"),
    ],
)
def test_the_refusal_says_where_was_looked(
    name: str, query: EventQuery, what: str, record: Record, store: MemoryEventStore
) -> None:
    record({})
    with pytest.raises(SbhooksError, match=what):
        find_run(store, name, query)


def test_projects_and_times_restrict(record: Record, store: MemoryEventStore) -> None:
    record({}, project="old")
    session = record({}, project="new")
    record({}, project="other")
    query = EventQuery(projects=("new", "old"), since=NOON + timedelta(minutes=30))
    assert [run.session for run in runs(store, query, now=NOW, limit=9)] == [session]


def test_many_runs_are_asked_for_in_pieces(store: MemoryEventStore) -> None:
    lines = [Timeline(f"s{n}") for n in range(1100)]
    store.append([line.start() for line in lines] + [line.end() for line in lines])
    found = runs_of(store, (f"s{n}" for n in range(1100)), now=NOW)
    assert len(found) == 1100
    assert {run.outcome for run in found.values()} == {"success"}


def test_a_session_without_a_start_is_no_run(store: MemoryEventStore) -> None:
    store.append([Timeline().end()])
    assert runs(store, EventQuery(), now=NOW, limit=9) == []
    assert runs_of(store, ["session-1"], now=NOW) == {}


@pytest.mark.parametrize("name", ["session-0002", "02", "last"])
def test_a_run_is_found_by_name_end_or_being_the_last(
    name: str, record: Record, store: MemoryEventStore
) -> None:
    sessions = [record({}) for _ in range(3)]
    assert find_run(store, name, EventQuery()) == sessions[2]


@pytest.mark.parametrize(("name", "what"), [("session", "3 runs"), ("x", "no run 'x'")])
def test_a_run_that_cannot_be_told_is_refused(
    name: str, what: str, record: Record, store: MemoryEventStore
) -> None:
    for _ in range(3):
        record({})
    with pytest.raises(SbhooksError, match=what):
        find_run(store, name, EventQuery())


def test_without_runs_there_is_no_last(store: MemoryEventStore) -> None:
    with pytest.raises(SbhooksError, match="no run is recorded"):
        find_run(store, "last", EventQuery())


def test_short_names_grow_until_they_differ() -> None:
    assert short_names(["aaaa-11112222", "b"]) == {"aaaa-11112222": "11112222", "b": "b"}
    assert short_names(["x1-22223333", "x2-22223333"], least=4) == {
        "x1-22223333": "1-22223333",
        "x2-22223333": "2-22223333",
    }
    assert short_names([]) == {}
