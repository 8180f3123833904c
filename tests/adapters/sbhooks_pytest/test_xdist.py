"""Under xdist each test is recorded once, by the controller, with the worker that ran it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

PLUGINS = ("sbhooks", "xdist")

FILES = {
    "test_one.py": """
        import unittest
        import pytest

        @pytest.fixture
        def breaks_after():
            yield
            raise OSError("after")

        @pytest.mark.parametrize("number", range(6))
        def test_number(number): assert number != 3, "not three"
        def test_skip(): pytest.skip("not here")
        @pytest.mark.xfail(reason="known")
        def test_xfail(): assert 0
        @pytest.mark.xfail(reason="once")
        def test_xpass(): pass
        def test_teardown(breaks_after): pass
        def test_missing_fixture(there_is_none): pass
        def test_sub(subtests):
            for number in range(2):
                with subtests.test("sub", number=number): assert number
        class TestUnit(unittest.TestCase):
            def test_subtests(self):
                for number in range(2):
                    with self.subTest(number=number): self.assertTrue(number)
    """,
    "documented.py": """
        def wrong():
            '>>> 1 + 1\\n3'
        def crashing():
            '>>> 1 / 0\\n3'
    """,
    "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
    "test_two.py": """
        import sys
        import pytest

        @pytest.mark.xdist_group("together")
        @pytest.mark.parametrize("text", ["a@b", "]@x", "plain"])
        def test_group(text): pass
        @pytest.mark.xdist_group("together")
        def test_plain_group(): pass
        def test_nothing_of_the_recorder_is_imported_here():
            assert [name for name in sys.modules if name.startswith(("sbhooks", "msgspec"))] == []
        def test_the_plugin_is(request):
            assert request.config.pluginmanager.hasplugin("sbhooks")
            assert not request.config.pluginmanager.hasplugin("sbhooks-recorder")
    """,
}
TESTS = 6 + 7 + 2 + 3 + 1 + 2
COUNTS = {
    "passed": 11, "failed": 5, "error": 2, "skipped": 1, "xfailed": 1, "xpassed": 1,
    "subtests_failed": 2, "collected": TESTS,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(make_project: Callable[..., Any]) -> Callable[..., Any]:
    """Runs of the same tests, distributed in different ways; each made once."""
    project = make_project(FILES)
    made: dict[tuple[str, ...], Any] = {}

    def run(*args: str) -> Any:
        if args not in made:
            made[args] = project.run("--junitxml=junit.xml", *args, plugins=PLUGINS)
        return made[args]

    return run


WAYS = {
    "load": ("-n2",),
    "loadscope": ("-n2", "--dist=loadscope"),
    "loadgroup": ("-n2", "--dist=loadgroup"),
}


def facts(run: Any) -> list[tuple[Any, ...]]:
    """What must not depend on who ran the tests."""
    return sorted(
        (
            r.test, r.params or "", r.subtest or "", r.detail, r.outcome, r.attempt,
            r.failure and (r.failure.type, r.failure.message, r.failure.fingerprint),
            sorted(r.attributes.items()),
        )
        for r in run.results
    )  # fmt: skip


def without(run: Any, *lost: str) -> list[tuple[Any, ...]]:
    return [fact for fact in facts(run) if not fact[0].endswith(lost)]


@pytest.mark.parametrize("way", WAYS)
def test_the_same_is_recorded_as_without_workers(runs: Callable[..., Any], way: str) -> None:
    alone, distributed = runs("-n0"), runs(*WAYS[way])
    in_workers_only = "test_nothing_of_the_recorder_is_imported_here", "test_the_plugin_is"

    assert without(distributed, *in_workers_only) == without(alone, *in_workers_only)


@pytest.mark.parametrize("way", WAYS)
def test_each_test_is_recorded_once_with_its_worker(runs: Callable[..., Any], way: str) -> None:
    run = runs(*WAYS[way])
    whole = [r for r in run.results if r.subtest is None]

    assert len(whole) == len({(r.test, r.params) for r in whole}) == TESTS
    assert {r.worker for r in run.results} <= {"gw0", "gw1"}
    assert {r.attempt for r in run.results} == {1}


@pytest.mark.parametrize("way", WAYS)
def test_workers_import_nothing_of_the_recorder(runs: Callable[..., Any], way: str) -> None:
    run = runs(*WAYS[way])

    assert run.result("test_nothing_of_the_recorder_is_imported_here").detail == "passed"
    assert run.result("test_the_plugin_is").detail == "passed"


@pytest.mark.parametrize("way", WAYS)
def test_counts_and_status_are_pytests(runs: Callable[..., Any], way: str) -> None:
    run = runs(*WAYS[way])

    assert run.end.counts == COUNTS
    assert run.status == run.end.exit_status == 1
    assert len(run.junit) == TESTS


@pytest.mark.parametrize("way", WAYS)
def test_each_phase_is_timed(runs: Callable[..., Any], way: str) -> None:
    for result in runs(*WAYS[way]).results:
        if result.subtest is None and result.detail == "passed":
            assert None not in {result.setup_s, result.call_s, result.teardown_s}


def test_the_session_says_how_tests_were_distributed(runs: Callable[..., Any]) -> None:
    attributes = runs("-n2", "--dist=loadscope").start.attributes

    assert (attributes["numprocesses"], attributes["dist"]) == (2, "loadscope")
    assert "dist" not in runs("-n0").start.attributes


def test_there_is_one_session_and_one_phase_each(runs: Callable[..., Any]) -> None:
    run = runs("-n2")

    assert {event.session for event in run.events} == {run.start.session}
    assert run.phases == [
        ("", "setup"), ("setup", "execution"), ("execution", "verification"),
        ("verification", ""),
    ]  # fmt: skip


def test_groups_are_no_part_of_the_identity(runs: Callable[..., Any]) -> None:
    run = runs("-n2", "--dist=loadgroup")

    assert [r.params for r in run.attempts("test_plain_group")] == [None]
    assert sorted(r.params for r in run.attempts("test_group")) == ["]@x", "a@b", "plain"]


def test_the_state_of_the_code_does_not_depend_on_workers(runs: Callable[..., Any]) -> None:
    states = {runs(*args).end.attributes["code.state"] for args in [("-n0",), ("-n2",)]}

    assert len(states) == 1


def test_with_dist_each_every_worker_has_its_result(runs: Callable[..., Any]) -> None:
    run = runs("--dist=each", "--tx=2*popen")
    per_test = Counter((r.test, r.params) for r in run.results if r.subtest is None)
    workers = {(r.test, r.params, r.worker) for r in run.results if r.subtest is None}

    assert set(per_test.values()) == {2}
    assert len(per_test) == TESTS
    assert len(workers) == 2 * TESTS
    assert {r.attempt for r in run.results} == {1}
    assert "reruns" not in run.end.counts
    assert run.end.counts["passed"] == 2 * COUNTS["passed"]


CRASHING = {
    "test_crash.py": """
        import os, signal, time
        import pytest

        def test_before(): pass
        def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
        def test_between(): pass
        def test_leaves(): os._exit(0)
        @pytest.fixture
        def dies_in_setup(): os.kill(os.getpid(), signal.SIGSEGV)
        def test_setup(dies_in_setup): pass
        @pytest.fixture
        def dies_after():
            yield
            os.kill(os.getpid(), signal.SIGKILL)
        def test_teardown(dies_after): pass
        @pytest.mark.parametrize("number", range(10))
        def test_after(number): pass
    """
}
CRASHES = ("test_dies", "test_leaves", "test_setup", "test_teardown")


@pytest.fixture(scope="module")
def crashed(make_project: Callable[..., Any]) -> Any:
    """A run in which workers die."""
    return make_project(CRASHING).run("-n2", "--junitxml=junit.xml", plugins=PLUGINS)


@pytest.mark.parametrize("test", CRASHES)
def test_what_kills_its_worker_is_an_error_that_names_it(crashed: Any, test: str) -> None:
    result = crashed.result(test)

    assert (result.detail, result.outcome, result.attempt) == ("error", "error", 1)
    assert result.worker.startswith("gw")
    assert result.failure.type == "Crashed"
    assert result.worker in result.failure.message


def test_different_tests_that_crash_have_different_fingerprints(crashed: Any) -> None:
    prints = {crashed.result(test).failure.fingerprint for test in CRASHES}

    assert len(prints) == len(CRASHES)


def test_all_others_are_recorded_once(crashed: Any) -> None:
    others = [r for r in crashed.results if r.failure is None]

    assert len(others) == len({(r.test, r.params) for r in others}) == 12
    assert {str(r.detail) for r in others} == {"passed"}
    assert crashed.end.counts == {"passed": 12, "error": len(CRASHES), "collected": 16}
    assert crashed.status == crashed.end.exit_status == 1


def test_a_run_whose_workers_may_not_be_replaced_says_why_it_stopped(
    project: Callable[..., Any],
) -> None:
    run = project(CRASHING).run("-n2", "--max-worker-restart=0", plugins=PLUGINS)

    assert run.end.exit_status == run.status != 0
    assert run.end.outcome != "success"
    assert {r.detail for r in run.results if r.test.endswith(CRASHES)} <= {"error"}


def test_a_run_that_stops_early_says_at_which_test(project: Callable[..., Any]) -> None:
    tests = "import pytest\n@pytest.mark.parametrize('n', range(50))\ndef test_it(n): assert n"

    run = project({"test_it.py": tests}).run("-n2", "-x", plugins=PLUGINS)

    done = len(run.results)
    assert done < 50
    assert run.end.reason.startswith(f"stopped at {done} of 50: ")
    assert run.end.exit_status == run.status


def test_a_file_that_cannot_be_imported_is_recorded_once(project: Callable[..., Any]) -> None:
    files = {"test_broken.py": "import nothing_like_this", "test_fine.py": "def test_it(): pass"}

    run = project(files).run("-n2", plugins=PLUGINS)

    assert [r.detail for r in run.attempts("test_broken.py")] == ["error"]
    assert run.end.counts == {"error": 1, "passed": 1, "collection_errors": 1, "collected": 1}
    assert run.end.exit_status == run.status
    assert run.end.outcome == "failure"


def test_workers_that_disagree_about_the_tests_are_recorded_as_pytest_says(
    project: Callable[..., Any],
) -> None:
    tests = "import os, pytest\n@pytest.mark.parametrize('n', [os.getpid()])\ndef test_it(n): pass"

    run = project({"test_it.py": tests}).run("-n2", plugins=PLUGINS)

    assert run.end.exit_status == run.status != 0
    assert run.end.outcome != "success"
    assert len(run.results) >= 1
