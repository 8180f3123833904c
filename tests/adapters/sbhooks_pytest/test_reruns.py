"""Every attempt is recorded with its number, whoever repeats the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

COUNTING = """
    import pathlib
    import pytest

    def times(name):
        counter = pathlib.Path(__file__).with_name(f"{name}.count")
        number = int(counter.read_text()) + 1 if counter.exists() else 1
        counter.write_text(str(number))
        return number
"""

RERUNFAILURES = (
    COUNTING
    + """
    @pytest.fixture
    def broken_once(): assert times("setup") > 1, "setup broke"
    @pytest.fixture
    def breaks_once_after():
        yield
        assert times("teardown") > 1, "teardown broke"

    def test_passes(): pass
    def test_passes_at_last(): assert times("last") > 2, "too early"
    def test_never_passes(): assert 0, "never"
    def test_fails_in_two_ways(): raise (KeyError if times("ways") % 2 else OSError)("way")
    def test_setup(broken_once): pass
    def test_teardown(breaks_once_after): pass
    @pytest.mark.flaky(reruns=1)
    def test_marked(): assert times("marked") > 1
    @pytest.mark.flaky(reruns=0)
    def test_not_repeated(): assert 0
    @pytest.mark.xfail
    def test_xfails(): assert 0
    @pytest.mark.parametrize("value", [1, 2])
    def test_parametrised(value): assert times(f"value{value}") > value
    def test_skips_at_last():
        if times("skips") > 1: pytest.skip("then")
        assert 0
"""
)

#: Test → details of its attempts, by number.
EXPECTED = {
    "test_passes": ["passed"],
    "test_passes_at_last": ["failed", "failed", "passed"],
    "test_never_passes": ["failed", "failed", "failed"],
    "test_fails_in_two_ways": ["failed", "failed", "failed"],
    "test_setup": ["error", "passed"],
    "test_teardown": ["error", "passed"],
    "test_marked": ["failed", "passed"],
    "test_not_repeated": ["failed"],
    "test_xfails": ["xfailed"],
    "test_skips_at_last": ["failed", "skipped"],
}
FLAKY = ["test_passes_at_last", "test_setup", "test_teardown", "test_marked"]


@pytest.fixture(scope="module", params=["one process", "two workers"])
def run(request: pytest.FixtureRequest, make_project: Callable[..., Any]) -> Any:
    """The same tests repeated by pytest-rerunfailures, here and in workers of xdist."""
    project = make_project({"test_again.py": RERUNFAILURES})
    plugins = ("sbhooks", "rerunfailures")
    if request.param == "one process":
        return project.run("--reruns=2", "--junitxml=junit.xml", plugins=plugins)
    return project.run("--reruns=2", "-n2", plugins=(*plugins, "xdist"))


@pytest.mark.parametrize("test", EXPECTED)
def test_each_attempt_is_recorded_with_its_number(run: Any, test: str) -> None:
    attempts = run.attempts(test)

    assert [(r.attempt, str(r.detail)) for r in attempts] == list(enumerate(EXPECTED[test], 1))
    assert all((r.failure is None) == (r.detail not in {"failed", "error"}) for r in attempts)


def test_parameters_are_repeated_apart(run: Any) -> None:
    attempts = [(r.params, r.attempt, r.detail) for r in run.attempts("test_parametrised")]

    assert sorted(attempts) == [
        ("1", 1, "failed"), ("1", 2, "passed"),
        ("2", 1, "failed"), ("2", 2, "failed"), ("2", 3, "passed"),
    ]  # fmt: skip


def test_each_attempt_says_how_it_failed(run: Any) -> None:
    types = [r.failure.type for r in run.attempts("test_fails_in_two_ways")]

    assert types == ["KeyError", "OSError", "KeyError"]


def test_attempts_have_ids_and_times_of_their_own(run: Any) -> None:
    attempts = run.attempts("test_never_passes")

    assert len({attempt.id for attempt in attempts}) == 3
    assert [r.at for r in attempts] == sorted(r.at for r in attempts)
    assert all(attempt.call_s is not None for attempt in attempts)


def test_a_test_counts_as_its_last_attempt_went(run: Any) -> None:
    counts = dict(run.end.counts)
    counts.pop("warnings", None)
    attempts = sum(map(len, EXPECTED.values())) + 5
    tests = len(EXPECTED) + 2

    assert counts == {
        "passed": len(FLAKY) + 1 + 2,
        "failed": 3,
        "skipped": 1,
        "xfailed": 1,
        "reruns": attempts - tests,
        "flaky": len(FLAKY) + 2,
        "collected": tests,
    }
    assert len(run.results) == attempts


def test_pytest_counts_the_same_reruns(run: Any) -> None:
    assert run.summary["rerun"] == run.end.counts["reruns"]
    for detail in ("failed", "skipped", "xfailed"):
        assert run.summary[detail] == run.end.counts[detail]
    also_passed = 1  # the call of test_teardown's first attempt
    assert run.summary["passed"] == run.end.counts["passed"] + also_passed


def test_the_run_failed_because_of_last_attempts_only(project: Callable[..., Any]) -> None:
    made = project({"test_again.py": COUNTING + "    def test_it(): assert times('it') > 1\n"})

    run = made.run("--reruns=1", plugins=("sbhooks", "rerunfailures"))

    assert (run.status, run.end.outcome, run.end.reason) == (0, "success", "finished")
    assert run.end.counts == {"passed": 1, "reruns": 1, "flaky": 1, "collected": 1}


BY_FLAKY = (
    COUNTING
    + """
    import unittest
    from flaky import flaky

    def test_passes(): pass
    @flaky(max_runs=3)
    def test_passes_at_last(): assert times("last") > 2, "too early"
    @flaky
    def test_never_passes(): raise ValueError("never")
    @pytest.fixture
    def broken_once(): assert times("setup") > 1, "setup broke"
    @flaky
    def test_setup(broken_once): pass
    @flaky(max_runs=4, min_passes=2)
    def test_must_pass_twice(): assert times("twice") != 2
    class TestCase(unittest.TestCase):
        @flaky
        def test_method(self): assert times("method") > 1
"""
)


@pytest.fixture(scope="module")
def run_by_flaky(make_project: Callable[..., Any]) -> Any:
    """A run with "flaky", which says nothing of attempts that it repeats."""
    project = make_project({"test_again.py": BY_FLAKY})
    return project.run("-p", "no:cacheprovider", plugins=("sbhooks", "flaky"))


@pytest.mark.parametrize(
    ("test", "details"),
    {
        "test_passes": ["passed"],
        "test_passes_at_last": ["failed", "failed", "passed"],
        "test_never_passes": ["failed", "failed"],
        "test_must_pass_twice": ["passed", "failed", "passed"],
        "TestCase::test_method": ["failed", "passed"],
        "test_setup": ["error", "passed"],
    }.items(),
)
def test_attempts_that_flaky_hides_are_recorded(
    run_by_flaky: Any, test: str, details: list[str]
) -> None:
    attempts = run_by_flaky.attempts(test)

    assert [(r.attempt, str(r.detail)) for r in attempts] == list(enumerate(details, 1))
    for attempt in attempts:
        assert (attempt.failure is None) == (attempt.detail == "passed")


def test_of_hidden_attempts_the_cause_is_recorded_too(run_by_flaky: Any) -> None:
    causes = [r.failure and r.failure.message for r in run_by_flaky.attempts("test_never_passes")]

    assert causes == ["never", "never"]
    assert run_by_flaky.attempts("test_setup")[0].failure.message == "setup broke"


def test_what_flaky_made_pass_counts_as_flaky(run_by_flaky: Any) -> None:
    counts = run_by_flaky.end.counts

    assert (counts["passed"], counts["failed"], counts["collected"]) == (5, 1, 6)
    assert (counts["reruns"], counts["flaky"]) == (7, 4)
