"""On what failures depend: every circumstance, against Fisher's test and the FDR of scipy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.stats import false_discovery_control, fisher_exact

from sbhooks.events import Detail, Event, Failure, Outcome, TestResult
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.attempts import Case
from sbhooks_analytics.dependence import MOST_RUNS, Dependences, why

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
VICTIM = "t.py::victim"


def ask(store: MemoryEventStore, params: str | None = None) -> Dependences:
    return why(store, EventQuery(), Case(None, VICTIM, params))


def run(number: int, *tests: tuple[str, bool], hour: int = 0, **fields: Any) -> list[Event]:
    """One run: tests in order, each with whether it fails."""
    seed = fields.pop("seed", None)
    line = Timeline(f"run-{number:04d}", start=MIDNIGHT + timedelta(days=number, hours=hour))
    return [
        line.start(attributes={} if seed is None else {"seed": seed}),
        *((line.failed if bad else line.passed)(name, **fields) for name, bad in tests),
        line.end(),
    ]


def as_ended(event: TestResult, outcome: Outcome, detail: Detail) -> TestResult:
    """The same attempt with another end."""
    return msgspec.structs.replace(event, outcome=outcome, detail=detail)


def store_of(runs: Iterable[list[Event]]) -> MemoryEventStore:
    store = MemoryEventStore()
    for events in runs:
        store.append(events)
    return store


def test_every_circumstance_is_tested_and_all_share_one_budget() -> None:
    rng = np.random.default_rng(1)
    tried: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    attempts: list[tuple[bool, set[tuple[str, str]]]] = []
    runs = []
    for number in range(120):
        before = f"t.py::other{rng.integers(3)}"
        worker, hour, seed = f"gw{rng.integers(2)}", int(rng.integers(4)) * 6, int(rng.integers(2))
        bad = bool(rng.random() < (0.7 if before == "t.py::other1" and worker == "gw1" else 0.1))
        attempts.append((bad, {
            ("after", before), ("worker", worker), ("seed", str(seed)),
            ("hours", f"{hour:02d}–{hour + 6:02d} UTC"),
        }))  # fmt: skip
        runs.append(
            run(number, (before, False), (VICTIM, bad), hour=hour, worker=worker, seed=seed)
        )
    found = ask(store_of(runs))
    for circumstance in sorted({c for bad, cs in attempts if bad for c in cs}):
        tried[circumstance] = [(bad, circumstance in cs) for bad, cs in attempts]
    p_values, tables = [], []
    for pairs in tried.values():
        table = [
            sum(bad and inside for bad, inside in pairs),
            sum(not bad and inside for bad, inside in pairs),
            sum(bad and not inside for bad, inside in pairs),
            sum(not bad and not inside for bad, inside in pairs),
        ]
        tables.append(table)
        p_values.append(fisher_exact(np.array(table).reshape(2, 2), alternative="greater").pvalue)
    expected = [
        (level, *circumstance, table[0], table[0] + table[1], table[2], table[2] + table[3])
        for circumstance, table, level in zip(
            tried, tables, false_discovery_control(p_values), strict=True
        )
        if level <= 0.05
    ]
    assert [
        (o.p_value, o.factor, o.value, o.failed_with, o.with_it, o.failed_without, o.without_it)
        for o in found.dependences
    ] == [(pytest.approx(one[0]), *one[1:]) for one in sorted(expected)]
    assert {o.factor for o in found.dependences} == {"after", "worker"}
    assert found.tried == len(tried)
    assert (found.attempts, found.failed) == (120, sum(bad for bad, _ in attempts))


COMMANDS = {
    "after": ("t.py::spoiler[a b]", "pytest 't.py::spoiler[a b]' t.py::victim"),
    "first": ("in its process", "pytest t.py::victim"),
    "worker": ("gw2", "pytest -n 3"),
    "seed": ("7", "pytest -p randomly --randomly-seed=7"),
    "hours": ("18–24 UTC", ""),
}


DIFFERENT: dict[str, dict[str, Any]] = {
    "after": {"before": "t.py::spoiler[a b]"},
    "first": {"before": None},
    "worker": {"worker": "gw2"},
    "seed": {"seed": 7},
    "hours": {"hour": 23},
}


@pytest.mark.parametrize("factor", COMMANDS)
def test_each_circumstance_has_its_command(factor: str) -> None:
    value, command = COMMANDS[factor]
    runs = []
    for number in range(40):
        bad = number % 2 == 0
        with_it: dict[str, Any] = DIFFERENT[factor] if bad else {}
        told: dict[str, Any] = {
            "before": f"t.py::a{number % 5}", "worker": f"gw{number % 3 + 3}", "seed": number + 10,
            "hour": number % 18, **with_it,
        }  # fmt: skip
        test, _, params = (told.pop("before") or "").partition("[")
        line = Timeline(
            f"run-{number:04d}", start=MIDNIGHT + timedelta(days=number, hours=told["hour"])
        )
        events: list[Event] = [line.start(attributes={"seed": told["seed"]})]
        if test:
            events.append(
                line.passed(test, params=params.rstrip("]") or None, worker=told["worker"])
            )
        events.append((line.failed if bad else line.passed)(VICTIM, worker=told["worker"]))
        runs.append(events)
    found = ask(store_of(runs)).dependences
    assert (found[0].factor, found[0].value, found[0].command) == (factor, value, command)
    assert (found[0].failed_with, found[0].with_it, found[0].failed_without) == (20, 20, 0)


def test_a_worker_without_a_number_has_one_beside_it() -> None:
    runs = [
        run(number, (VICTIM, number % 2 == 0), worker="main" if number % 2 == 0 else "gw0")
        for number in range(40)
    ]
    (one,) = ask(store_of(runs)).dependences
    assert (one.value, one.command) == ("main", "pytest -n 2")


def test_what_ran_before_is_that_of_the_same_process() -> None:
    runs = []
    for number in range(40):
        bad = number % 2 == 0
        line = Timeline(f"run-{number:04d}", start=MIDNIGHT + timedelta(days=number))
        runs.append(
            [
                line.start(),
                line.passed("t.py::spoiler" if bad else "t.py::other", worker="gw0"),
                line.passed("t.py::far", worker="gw1"),
                (line.failed if bad else line.passed)(VICTIM, worker="gw0"),
            ]
        )
    (one,) = ask(store_of(runs)).dependences
    assert (one.factor, one.value) == ("after", "t.py::spoiler")


@pytest.mark.parametrize(
    ("failed", "passed", "reason"),
    [
        (3, 3, ""),
        (2, 9, "not enough data: 2 failures and 9 passes, 3 of each are needed"),
        (9, 2, "not enough data: 9 failures and 2 passes, 3 of each are needed"),
        (0, 0, "not enough data: 0 failures and 0 passes, 3 of each are needed"),
    ],
)
def test_three_of_each_are_needed(failed: int, passed: int, reason: str) -> None:
    runs = [run(number, (VICTIM, number < failed)) for number in range(failed + passed)]
    found = ask(store_of(runs))
    assert (found.reason, found.failed, found.attempts) == (reason, failed, failed + passed)
    assert found.dependences == [] and found.tried == 0  # nothing differs between the runs


def test_what_is_no_attempt_at_the_test_does_not_count() -> None:
    runs = []
    for number in range(12):
        line = Timeline(f"run-{number:04d}", start=MIDNIGHT + timedelta(days=number))
        runs.append(
            [
                line.start(),
                line.failed(VICTIM, params="a") if number % 2 else line.passed(VICTIM, params="a"),
                line.passed(VICTIM, params="b"),
                line.failed(VICTIM, params="a", subtest="inner"),
                line.failed("t.py::other"),
                line.failed(VICTIM, params="a", failure=Failure(fingerprint="killed"), call_s=None),
                as_ended(line.passed(VICTIM, params="a"), Outcome.SKIP, Detail.SKIPPED),
            ]
        )
    assert (ask(store_of(runs), "a").attempts, ask(store_of(runs), "a").failed) == (12, 6)
    assert (ask(store_of(runs), "b").attempts, ask(store_of(runs), "b").failed) == (12, 0)
    assert (ask(store_of(runs)).attempts, ask(store_of(runs)).failed) == (24, 6)
    errors = [
        [line.start(), as_ended(line.failed(VICTIM), Outcome.ERROR, Detail.ERROR)]
        for line in [Timeline("error", start=MIDNIGHT)]
    ]
    assert ask(store_of(errors)).failed == 1


def test_records_of_subtests_are_not_what_ran_before() -> None:
    runs = []
    for number in range(20):
        bad = number % 2 == 0
        line = Timeline(f"run-{number:04d}", start=MIDNIGHT + timedelta(days=number))
        part = [line.passed("t.py::parts", subtest="one")] if bad else []
        runs.append([line.start(), line.passed("t.py::a"), *part,
                     (line.failed if bad else line.passed)(VICTIM)])  # fmt: skip
    assert ask(store_of(runs)).dependences == []


def test_the_newest_runs_of_the_test_are_looked_at() -> None:
    runs = [run(number, (VICTIM, number < 10)) for number in range(MOST_RUNS + 10)]
    found = ask(store_of(reversed(runs)))
    assert (found.attempts, found.failed) == (MOST_RUNS, 0)
    more = [*runs, *(run(1_000 + number, ("t.py::other", False)) for number in range(50))]
    assert ask(store_of(more)).attempts == MOST_RUNS
