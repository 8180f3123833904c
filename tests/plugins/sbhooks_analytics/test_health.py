"""States, posteriors, incidents, costs, dependences, quarantine and selection of tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, fisher_exact

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import Failure, Outcome, Vcs, utc_now
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.attempts import Case
from sbhooks_analytics.branches import default_branches
from sbhooks_analytics.cost import cost
from sbhooks_analytics.counts import counted as counted_by_runs
from sbhooks_analytics.dependence import why
from sbhooks_analytics.draw_tests import rate_of
from sbhooks_analytics.failures import incidents
from sbhooks_analytics.flaky import flaky
from sbhooks_analytics.health import counted, health
from sbhooks_analytics.posterior import (
    PRIOR_FAILED,
    PRIOR_PASSED,
    flips,
    passes_needed,
    posterior,
)
from sbhooks_analytics.selection import select

LATER = NOON + timedelta(days=30)
RunMaker = Callable[..., str]


def states(store: MemoryEventStore) -> dict[str, str]:
    return {one.test: one.state for one in health(store, EventQuery(), now=LATER)}


def test_three_runs_say_nothing_about_a_test(store: MemoryEventStore, record: RunMaker) -> None:
    for _ in range(3):
        record({"t": "p"}, code="A")
    assert states(store) == {"t": "unknown"}


def test_each_state_has_its_tests(store: MemoryEventStore, record: RunMaker) -> None:
    for number in range(8):
        bad = number >= 6
        record(
            {"red": "f" if bad else "p", "shaky": "fp" if number == 7 else "p", "fine": "p",
             "other": "p", "rare": "p" if number == 0 else ""},
            code=f"A{number}",
        )  # fmt: skip
    found = states(store)
    assert found["red"] == "broken"
    assert found["shaky"] == "flaky"
    assert found["rare"] == "unknown"
    every = health(store, EventQuery(), now=LATER)
    assert sum(counted(every).values()) == len(every) == 5
    assert [one.state for one in every][:2] == ["broken", "flaky"]


def test_a_flaky_test_that_passed_often_enough_is_fixed(
    store: MemoryEventStore, record: RunMaker
) -> None:
    for _ in range(2):
        record({"t": "fp", "u": "p"}, code="A")
    needed = passes_needed(0.5)
    for number in range(needed):
        assert states(store)["t"] == "flaky"
        record({"t": "p", "u": "p"}, code=f"B{number}")
    assert states(store)["t"] != "flaky"


@given(st.floats(0.001, 0.999))
def test_so_many_passes_have_a_chance_of_at_most_5_percent(rate: float) -> None:
    n = passes_needed(rate)
    assert (1 - rate) ** n <= 0.05 + 1e-9
    assert n == 1 or (1 - rate) ** (n - 1) > 0.05 - 1e-9


def test_passes_needed_at_the_ends() -> None:
    """Published: 59 passes are needed at 5 %, 299 at 1 % (the rule of three's exact form)."""
    assert [passes_needed(rate) for rate in (0, 0.01, 0.05, 1)] == [0, 299, 59, 1]


@given(failed=st.integers(0, 50), passed=st.integers(0, 200))
def test_the_posterior_is_that_of_scipy(failed: int, passed: int) -> None:
    found = posterior(failed, failed + passed)
    expected = beta(0.2 + failed, 19.8 + passed)
    assert found.mean == pytest.approx(expected.mean())
    assert (found.low, found.high) == pytest.approx(expected.interval(0.95))


def test_intervals_hold_what_they_say_when_the_prior_is_true() -> None:
    rng = np.random.default_rng(6)
    rates = rng.beta(0.2, 19.8, 600)
    found = [posterior(rng.binomial(60, rate), 60) for rate in rates]
    covered = np.mean([p.low <= rate <= p.high for p, rate in zip(found, rates, strict=True)])
    assert covered == pytest.approx(0.95, abs=0.025)


def test_single_failing_runs_are_flips() -> None:
    assert flips([True, False, True, True, False, False, True]) == 1
    assert flips([]) == flips([False]) == 0


@pytest.mark.parametrize(
    ("branches", "flipped"),
    [
        (("main", "main", "main"), 1),
        (("main", "topic", "main"), 0),  # a change under review may fail for a reason
        (("topic", "topic", "topic"), 0),
        (("release", "release", "release"), 0),
        ((None, None, None), 0),
    ],
)
def test_flips_count_on_the_default_branch_only(
    store: MemoryEventStore, record: RunMaker, branches: tuple[str | None, ...], flipped: int
) -> None:
    for number, (letter, branch) in enumerate(zip("pfp", branches, strict=True)):
        record({"t": letter}, code=f"A{number}", branch=branch)
    for number in range(4):
        record({"t": "p"}, code=f"B{number}", branch="main")
    (one,) = health(store, EventQuery(), now=LATER)
    assert one.flips == flipped
    assert one.flaky_probability is not None
    assert (one.flaky_probability > PRIOR_FAILED / (PRIOR_FAILED + PRIOR_PASSED)) == bool(flipped)


def test_the_default_branch_goes_by_its_name_then_by_its_runs(
    store: MemoryEventStore, record: RunMaker
) -> None:
    for project, names in {
        "named": ["topic", "topic", "master", "develop"], "own": ["a", "trunk-2", "trunk-2"],
        "none": [None],
    }.items():  # fmt: skip
        for branch in names:
            record({"t": "p"}, project=project, branch=branch)
    found = default_branches(store, EventQuery())
    assert found == {"named": "master", "own": "trunk-2", "none": None}


def test_one_cause_is_one_incident(store: MemoryEventStore) -> None:
    line = Timeline("down")
    events: list[Any] = [line.start()]
    for number in range(300):
        failure = Failure(fingerprint=f"f{number}", type="ConnectionError", message="refused")
        events.append(line.failed(f"t{number}", failure=failure))
    events.append(line.failed("own", failure=Failure(fingerprint="x", type="KeyError")))
    store.append(events)
    found = incidents(store, EventQuery(), limit=10)
    assert [(one.type, one.failures, one.test_count) for one in found.incidents] == [
        ("ConnectionError", 300, 300), ("KeyError", 1, 1),
    ]  # fmt: skip
    assert (found.failures, found.runs) == (301, 1)


def incidents_of(store: MemoryEventStore, *told: tuple[str, str | None]) -> list[int]:
    """How many tests each incident has, of failures with one fingerprint: (type, message)."""
    line = Timeline("shared")
    events: list[Any] = [line.start()]
    for number, (kind, message) in enumerate(told):
        failure = Failure(fingerprint="one place", type=kind, message=message)
        events.append(line.failed(f"t{number}", failure=failure))
    store.append(events)
    return [one.test_count for one in incidents(store, EventQuery(), limit=100).incidents]


@pytest.mark.parametrize(
    ("messages", "sizes"),
    [
        (["permission denied", "no such table: users", "permission denied"], [2, 1]),
        (["user 'joe' is missing", "user 'ann' is missing"], [2]),
        (["user joe is missing", "user ann is missing"], [2]),  # 3 of 4 words
        (["no such table: users", "no such column: name"], [1, 1]),  # half is not more than half
        (["took 3.2 s", "took 0.1 s"], [2]),
        (["/srv/a/x is gone", r"C:\tmp\b is gone"], [2]),
        (["can't open it, isn't there", "can't shut it, isn't there"], [2]),
        (["assert 1 == 2", "assert 'a' in ['b']"], [2]),  # values, no words
        ([None, None], [2]),
    ],
)
def test_one_place_can_tell_of_several_causes(
    store: MemoryEventStore, messages: list[str | None], sizes: list[int]
) -> None:
    assert incidents_of(store, *(("RuntimeError", one) for one in messages)) == sizes


@pytest.mark.parametrize(("kinds", "incidents"), [(10, 10), (11, 1), (25, 1)])
def test_messages_that_are_all_data_do_not_make_an_incident_each(
    store: MemoryEventStore, kinds: int, incidents: int
) -> None:
    letters = "abcdefghijklmnopqrstuvwxy"[:kinds]
    assert len(incidents_of(store, *(("KeyError", one * 5) for one in letters))) == incidents


def test_what_was_cut_off_is_no_incident(store: MemoryEventStore, record: RunMaker) -> None:
    record({"t": "k"}, outcome=Outcome.ERROR)
    assert incidents(store, EventQuery(), limit=5).incidents == []


def test_reruns_cost_time(store: MemoryEventStore, record: RunMaker) -> None:
    record({"shaky": "ffp", "fine": "p", "red": "ff"})
    found = cost(store, EventQuery(), limit=10)
    assert [(one.test, one.reruns) for one in found.tests] == [
        ("shaky", 2), ("red", 1), ("fine", 0),
    ]  # fmt: skip
    assert [one.lost_s for one in found.tests] == pytest.approx([0.02, 0.0, 0.0])
    assert found.lost_s == pytest.approx(0.02)
    assert found.total_s == pytest.approx(0.06)


@given(
    runs=st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "c[1]"]), st.from_regex("[fe]{0,2}[fepsc]", fullmatch=True)
        ),
        max_size=4,
    )
)
def test_reruns_are_those_that_the_runs_count(
    runs: list[dict[str, str]], recorder: Callable[[MemoryEventStore], RunMaker]
) -> None:
    store = MemoryEventStore()
    record = recorder(store)
    sessions = [record(tests) for tests in runs]
    found = cost(store, EventQuery(), limit=10)
    told = counted_by_runs(store, sessions)
    assert found.reruns == sum(told.get(one, {}).get("reruns", 0) for one in sessions)


def test_a_test_that_is_run_again_by_another_worker_is_run_again(store: MemoryEventStore) -> None:
    """A worker that has crashed is replaced."""
    line = Timeline("crash")
    lost = line.failed("t", worker="gw0", call_s=0.3)
    store.append([line.start(), lost, line.passed("t", worker="gw2")])
    found = cost(store, EventQuery(), limit=10)
    assert (found.reruns, found.lost_s) == (1, pytest.approx(0.302))  # with setup and teardown


def test_the_failure_rate_is_that_of_the_flaky_tests(
    store: MemoryEventStore, record: RunMaker
) -> None:
    for number in range(9):
        record({"shaky": "fp" if number % 3 == 0 else "p", "rare": "fp" if number == 0 else "",
                "fine": "p", "red": "f"}, code=f"A{number}")  # fmt: skip
    query = EventQuery()
    rows = {one.test: one for one in flaky(store, query, now=LATER, limit=9).tests}
    states = {one.test: one for one in health(store, query, now=LATER)}
    assert set(rows) == {"shaky", "rare"}
    for test, row in rows.items():
        one = states[test]
        assert (one.failure_rate, one.failure_rate_low, one.failure_rate_high) == (
            row.failure_rate, row.failure_rate_low, row.failure_rate_high,
        )  # fmt: skip
        assert one.enough_data == row.enough_data == (test == "shaky")
        assert rate_of(one) == rate_of(row)
    assert [states[test].failure_rate for test in ("fine", "red")] == [None, None]
    assert rate_of(states["shaky"]) == "25 % (9–53 %)"  # statsmodels: proportion_confint(3, 12)
    assert rate_of(states["rare"]) == "not enough data"
    assert rate_of(states["fine"]) == "–"


def test_failures_that_follow_another_test_are_traced_to_it(store: MemoryEventStore) -> None:
    for number in range(40):
        line = Timeline(f"s{number}", start=NOON + timedelta(hours=number))
        spoiled = number % 2
        before = "t.py::spoiler" if spoiled else "t.py::other"
        worker = f"gw{number // 2 % 3}"
        events = [line.start(attributes={"seed": str(number)}), line.passed(before, worker=worker)]
        last = line.failed if spoiled and number % 8 != 1 else line.passed
        store.append([*events, last("t.py::victim", worker=worker)])
    found = why(store, EventQuery(), Case(None, "t.py::victim", None))
    (one,) = found.dependences
    assert (one.factor, one.value) == ("after", "t.py::spoiler")
    assert (one.failed_with, one.with_it, one.failed_without, one.without_it) == (15, 20, 0, 20)
    assert one.command == "pytest t.py::spoiler t.py::victim"
    alone = fisher_exact([[15, 5], [0, 20]], alternative="greater").pvalue
    assert alone <= one.p_value <= alone * found.tried


def test_failures_by_chance_depend_on_nothing(store: MemoryEventStore) -> None:
    rng = np.random.default_rng(4)
    traced = 0
    for _ in range(20):
        store = MemoryEventStore()
        for number in range(30):
            line = Timeline(f"s{number}", start=NOON + timedelta(hours=number))
            ends = line.failed if rng.random() < 0.3 else line.passed
            store.append([
                line.start(), line.passed(f"t.py::before{rng.integers(3)}"), ends("t.py::victim"),
            ])  # fmt: skip
        traced += bool(why(store, EventQuery(), Case(None, "t.py::victim", None)).dependences)
    assert traced <= 3


def test_few_failures_are_not_enough(store: MemoryEventStore, record: RunMaker) -> None:
    record({"t": "fp"})
    assert "not enough data" in why(store, EventQuery(), Case("acme", "t", None)).reason


def test_a_selection_finds_what_fails_and_says_what_it_would_have_missed(
    store: MemoryEventStore, record: RunMaker
) -> None:
    for number in range(30):
        record({f"t{n}": "f" if n == 3 and number % 4 == 3 else "p" for n in range(20)})
    found = select(store, EventQuery(), budget=0.2)
    assert "t3" in [one.name for one in found.tests]
    assert len(found.tests) == 4
    assert found.failing_runs == 7
    assert found.recall is not None and found.recall >= 6 / 7
    assert found.recall_low is not None and found.recall_low < found.recall
    nothing = select(store, EventQuery(), budget=0.0)
    assert nothing.tests == []
    everything = select(store, EventQuery(), budget=1.0)
    assert (len(everything.tests), everything.recall) == (20, 1.0)


def test_an_empty_store_has_answers(store: MemoryEventStore) -> None:
    query = EventQuery()
    assert health(store, query, now=LATER) == []
    assert incidents(store, query, limit=5).incidents == []
    assert cost(store, query, limit=5).tests == []
    assert select(store, query, budget=0.5).reason
    assert why(store, query, Case(None, "t", None)).reason


@pytest.fixture
def shaky(home: Path) -> None:
    """A flaky test, a broken one and a healthy one."""
    with Runtime.start(load_config()) as runtime:
        for number in range(6):
            line = Timeline(f"run-{number}", start=utc_now() - timedelta(hours=9 - number))
            runtime.store.append([
                line.start(project="acme", vcs=Vcs(commit="c" * 40, branch="main")),
                line.failed("a.py::shaky"), line.passed("a.py::shaky", attempt=2),
                line.passed("a.py::fine"), line.failed("a.py::red"), line.end(),
            ])  # fmt: skip


def test_people_and_programs_are_answered(shaky: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("health", "broken", "failures", "cost", "why shaky", "select", "quarantine list",
                  "flaky"):  # fmt: skip
        assert main(["tests", *words.split()]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        assert told.out.count("\n") >= 1
        assert all(line.isprintable() and len(line) <= 80 for line in told.out.split("\n"))
        assert main(["tests", *words.split(), "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_only_flaky_tests_go_into_quarantine_and_come_out_again(
    shaky: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*words: str) -> Any:
        assert main(["tests", "quarantine", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert main(["tests", "quarantine", "add", "red", "--owner", "kim"]) == 2
    assert "it is broken, and only flaky tests" in capsys.readouterr().err
    assert main(["tests", "quarantine", "add", "fine", "--owner", "kim"]) == 2
    assert "only flaky tests" in capsys.readouterr().err
    assert ask("add", "shaky", "--owner", "kim", "--days", "3", "--note", "clock")["active"]
    (one,) = ask("list")["tests"]
    assert (one["test"], one["owner"], one["note"], one["state"]) == (
        "a.py::shaky", "kim", "clock", "flaky",
    )  # fmt: skip
    assert ask("remove", "shaky")["active"] is False
    assert ask("list")["tests"] == []
    assert main(["tests", "quarantine", "remove", "shaky"]) == 2
    assert "no test in quarantine" in capsys.readouterr().err
