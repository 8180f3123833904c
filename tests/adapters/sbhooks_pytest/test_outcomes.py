"""Every way in which a test can end, recorded from one real run of pytest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from sbhooks.events import Codec, TestResult

PLAIN = """
    import pytest

    @pytest.fixture
    def broken(): raise RuntimeError("no database")

    @pytest.fixture
    def breaks_after():
        yield
        raise OSError("cannot clean up")

    @pytest.fixture
    def skips(): pytest.skip("no network")

    def test_pass(): pass
    def test_fail(): assert 1 == 2
    def test_raise(): raise ValueError("no such value")
    def test_fail_by_call(): pytest.fail("told to")
    def test_exit(): raise SystemExit(3)
    def test_skip_in_body(): pytest.skip("not today")
    @pytest.mark.skip(reason="never")
    def test_skip_by_mark(): assert 0
    @pytest.mark.skip
    def test_skip_without_reason(): assert 0
    @pytest.mark.skipif("True", reason="always")
    def test_skip_by_condition(): assert 0
    def test_skip_in_fixture(skips): pass
    @pytest.mark.xfail(reason="known bug")
    def test_xfail(): assert 0
    @pytest.mark.xfail
    def test_xfail_without_reason(): assert 0
    @pytest.mark.xfail(run=False, reason="would crash")
    def test_xfail_not_run(): assert 0
    def test_xfail_in_body(): pytest.xfail("cannot yet")
    @pytest.mark.xfail(reason="broken below")
    def test_xfail_in_setup(broken): pass
    @pytest.mark.xfail(raises=KeyError)
    def test_xfail_of_another_kind(): raise ValueError("unexpected")
    @pytest.mark.xfail(reason="was a bug")
    def test_xpass(): pass
    @pytest.mark.xfail(strict=True, reason="is a bug")
    def test_strict_xpass(): pass
    def test_setup_error(broken): pass
    def test_missing_fixture(there_is_none): pass
    def test_teardown_error(breaks_after): pass
    def test_fail_and_teardown_error(breaks_after): assert "both" == ""
    def test_skip_and_teardown_error(breaks_after): pytest.skip("first")

    class TestClass:
        def test_method(self): pass
        class TestInner:
            def test_method(self): assert 0
    class TestBrokenSetup:
        def setup_method(self): raise LookupError("setup_method")
        def test_method(self): pass
"""

UNITTEST = """
    import unittest

    class Plain(unittest.TestCase):
        def test_pass(self): pass
        def test_fail(self): self.assertEqual(1, 2)
        def test_skip(self): self.skipTest("by call")
        @unittest.skip("by decorator")
        def test_skip_by_decorator(self): pass
        @unittest.expectedFailure
        def test_expected_failure(self): self.fail()
        @unittest.expectedFailure
        def test_unexpected_success(self): pass
        def test_some_subtests_fail(self):
            for number in range(4):
                with self.subTest("odd", number=number):
                    self.assertEqual(number % 2, 0)
        def test_all_subtests_pass(self):
            for number in range(2):
                with self.subTest(number=number): pass

    class BrokenSetUp(unittest.TestCase):
        def setUp(self): raise RuntimeError("in setUp")
        def test_it(self): pass

    class BrokenTearDown(unittest.TestCase):
        def tearDown(self): raise RuntimeError("in tearDown")
        def test_it(self): pass

    class BrokenClass(unittest.TestCase):
        @classmethod
        def setUpClass(cls): raise RuntimeError("in setUpClass")
        def test_it(self): pass
"""

SUBTESTS = """
    import pytest

    def test_some_fail(subtests):
        for number in range(3):
            with subtests.test("number", i=number):
                assert number != 1
    def test_all_pass(subtests):
        for number in range(3):
            with subtests.test(i=number): pass
    def test_one_skips(subtests):
        with subtests.test("optional"): pytest.skip("absent")
    def test_one_xfails(subtests):
        with subtests.test("odd"): pytest.xfail("known")
    def test_fails_itself_too(subtests):
        with subtests.test(): assert "below" == ""
        raise KeyError("above")
"""

DOCTESTS = '''
    def right():
        """
        >>> 1 + 1
        2
        """
    def wrong():
        """
        >>> 1 + 1
        3
        """
    def also_wrong():
        """
        >>> 2 * 2
        5
        """
    def crashing():
        """
        >>> 1 / 0
        2
        """
    def skipped():
        """
        >>> 1 / 0  # doctest: +SKIP
        2
        """
'''

CUSTOM = """
    import pytest

    def pytest_collect_file(parent, file_path):
        if file_path.suffix == ".check":
            return CheckFile.from_parent(parent, path=file_path)

    class CheckFile(pytest.File):
        def collect(self):
            for line in self.path.read_text().split():
                yield Check.from_parent(self, name=line)

    class Check(pytest.Item):
        def runtest(self):
            if self.name == "bad": raise ValueError("a bad check")
            if self.name == "absent": pytest.skip("no such check")
        def repr_failure(self, excinfo): return f"the check {self.name} failed"
        def reportinfo(self): return self.path, None, self.name
"""

FILES = {
    "conftest.py": CUSTOM,
    "test_plain.py": PLAIN,
    "test_unit.py": UNITTEST,
    "test_sub.py": SUBTESTS,
    "documented.py": DOCTESTS,
    "read.txt": "Adding\n\n>>> 1 + 1\n3\n",
    "fine.txt": "Adding\n\n>>> 1 + 1\n2\n",
    "all.check": "good bad absent",
    "test_unimportable.py": "import there_is_no_such_module\ndef test_it(): pass\n",
    "test_syntax.py": "def test_it(:\n",
    "test_raises.py": "raise RuntimeError('while importing')\n",
    "test_left_out.py": "import pytest\npytest.skip('as a whole', allow_module_level=True)\n",
    "pkg/test_below.py": "def test_pass(): pass\n",
}

PASSED, FAILED, ERROR = "passed", "failed", "error"
SKIPPED, XFAILED, XPASSED = "skipped", "xfailed", "xpassed"
OUTCOME = {
    PASSED: "success", FAILED: "failure", ERROR: "error",
    SKIPPED: "skip", XFAILED: "success", XPASSED: "success",
}  # fmt: skip

#: Test → (detail, type of failure or reason, message of the failure).
EXPECTED: dict[str, tuple[str, str | None, str | None]] = {
    "test_plain.py::test_pass": (PASSED, None, None),
    "test_plain.py::test_fail": (FAILED, "AssertionError", "assert 1 == 2"),
    "test_plain.py::test_raise": (FAILED, "ValueError", "no such value"),
    "test_plain.py::test_fail_by_call": (FAILED, "Failed", "told to"),
    "test_plain.py::test_exit": (FAILED, "SystemExit", "3"),
    "test_plain.py::test_skip_in_body": (SKIPPED, "not today", None),
    "test_plain.py::test_skip_by_mark": (SKIPPED, "never", None),
    "test_plain.py::test_skip_without_reason": (SKIPPED, "unconditional skip", None),
    "test_plain.py::test_skip_by_condition": (SKIPPED, "always", None),
    "test_plain.py::test_skip_in_fixture": (SKIPPED, "no network", None),
    "test_plain.py::test_xfail": (XFAILED, "known bug", None),
    "test_plain.py::test_xfail_without_reason": (XFAILED, None, None),
    "test_plain.py::test_xfail_not_run": (XFAILED, "[NOTRUN] would crash", None),
    "test_plain.py::test_xfail_in_body": (XFAILED, "cannot yet", None),
    "test_plain.py::test_xfail_in_setup": (XFAILED, "broken below", None),
    "test_plain.py::test_xfail_of_another_kind": (FAILED, "ValueError", "unexpected"),
    "test_plain.py::test_xpass": (XPASSED, "was a bug", None),
    "test_plain.py::test_strict_xpass": (FAILED, "XPASS(strict)", "is a bug"),
    "test_plain.py::test_setup_error": (ERROR, "RuntimeError", "no database"),
    "test_plain.py::test_missing_fixture": (ERROR, None, "fixture 'there_is_none' not found"),
    "test_plain.py::test_teardown_error": (ERROR, "OSError", "cannot clean up"),
    "test_plain.py::test_fail_and_teardown_error": (
        FAILED, "AssertionError", "assert 'both' == ''",
    ),
    "test_plain.py::test_skip_and_teardown_error": (ERROR, "OSError", "cannot clean up"),
    "test_plain.py::TestClass::test_method": (PASSED, None, None),
    "test_plain.py::TestClass::TestInner::test_method": (FAILED, "AssertionError", "assert 0"),
    "test_plain.py::TestBrokenSetup::test_method": (ERROR, "LookupError", "setup_method"),
    "test_unit.py::Plain::test_pass": (PASSED, None, None),
    "test_unit.py::Plain::test_fail": (FAILED, "AssertionError", "1 != 2"),
    "test_unit.py::Plain::test_skip": (SKIPPED, "by call", None),
    "test_unit.py::Plain::test_skip_by_decorator": (SKIPPED, "by decorator", None),
    "test_unit.py::Plain::test_expected_failure": (XFAILED, None, None),
    "test_unit.py::Plain::test_unexpected_success": (FAILED, "Failed", "Unexpected success"),
    "test_unit.py::Plain::test_some_subtests_fail": (FAILED, "AssertionError", "1 != 0"),
    "test_unit.py::Plain::test_all_subtests_pass": (PASSED, None, None),
    "test_unit.py::BrokenSetUp::test_it": (FAILED, "RuntimeError", "in setUp"),
    "test_unit.py::BrokenTearDown::test_it": (FAILED, "RuntimeError", "in tearDown"),
    "test_unit.py::BrokenClass::test_it": (ERROR, "RuntimeError", "in setUpClass"),
    "test_sub.py::test_some_fail": (FAILED, "AssertionError", "assert 1 != 1"),
    "test_sub.py::test_all_pass": (PASSED, None, None),
    "test_sub.py::test_one_skips": (PASSED, None, None),
    "test_sub.py::test_one_xfails": (PASSED, None, None),
    "test_sub.py::test_fails_itself_too": (FAILED, "AssertionError", "assert 'below' == ''"),
    "documented.py::documented.right": (PASSED, None, None),
    "documented.py::documented.wrong": (FAILED, "DocTestFailure", None),
    "documented.py::documented.also_wrong": (FAILED, "DocTestFailure", None),
    "documented.py::documented.crashing": (FAILED, "ZeroDivisionError", None),
    "documented.py::documented.skipped": (SKIPPED, "all tests skipped by +SKIP option", None),
    "read.txt::read.txt": (FAILED, "DocTestFailure", None),
    "fine.txt::fine.txt": (PASSED, None, None),
    "all.check::good": (PASSED, None, None),
    "all.check::bad": (FAILED, None, "the check bad failed"),
    "all.check::absent": (SKIPPED, "no such check", None),
    "test_unimportable.py": (
        ERROR, "ModuleNotFoundError", "No module named 'there_is_no_such_module'",
    ),
    "test_syntax.py": (ERROR, "SyntaxError", "invalid syntax"),
    "test_raises.py": (ERROR, "RuntimeError", "while importing"),
    "test_left_out.py": (SKIPPED, "as a whole", None),
    "pkg/test_below.py::test_pass": (PASSED, None, None),
}  # fmt: skip

#: (Test, subtest) → (detail, type of failure or reason).
SUBTEST: dict[tuple[str, str], tuple[str, str | None]] = {
    ("test_unit.py::Plain::test_some_subtests_fail", "odd number=1"): (FAILED, "AssertionError"),
    ("test_unit.py::Plain::test_some_subtests_fail", "odd number=3"): (FAILED, "AssertionError"),
    ("test_sub.py::test_some_fail", "number i=1"): (FAILED, "AssertionError"),
    ("test_sub.py::test_one_skips", "optional"): (SKIPPED, "absent"),
    ("test_sub.py::test_one_xfails", "odd"): (XFAILED, "known"),
    ("test_sub.py::test_fails_itself_too", "(subtest)"): (FAILED, "AssertionError"),
}


@pytest.fixture(scope="module")
def run(make_project: Callable[..., Any]) -> Any:
    """The run that all tests of this module look at."""
    project = make_project(FILES)
    return project.run(
        "--doctest-modules", "--doctest-glob=*.txt", "--continue-on-collection-errors",
        "--junitxml=junit.xml", "-rA",
    )  # fmt: skip


def test_every_test_is_recorded_once_and_nothing_else(run: Any) -> None:
    recorded = Counter(result.test for result in run.results if result.subtest is None)

    # A file that cannot be imported has its say as a file of tests and as one of doctests.
    twice = {"test_unimportable.py", "test_syntax.py", "test_raises.py", "test_left_out.py"}
    assert set(recorded) == set(EXPECTED)
    assert {test for test, times in recorded.items() if times != 1} <= twice


@pytest.mark.parametrize("test", EXPECTED)
def test_the_outcome_is(run: Any, test: str) -> None:
    detail, why, message = EXPECTED[test]
    result = next(r for r in run.results if r.test == test and r.subtest is None)

    assert (result.detail, result.outcome) == (detail, OUTCOME[detail])
    assert (result.attempt, result.params, result.worker) == (1, None, None)
    if detail in {FAILED, ERROR}:
        assert result.failure is not None
        assert result.failure.type == why
        assert message is None or result.failure.message == message
    else:
        assert result.failure is None
        assert result.attributes.get("reason") == why


@pytest.mark.parametrize(("test", "subtest"), SUBTEST)
def test_a_subtest_that_did_not_pass_has_a_record(run: Any, test: str, subtest: str) -> None:
    [child] = [r for r in run.results if (r.test, r.subtest) == (test, subtest)]
    detail, why = SUBTEST[test, subtest]

    assert (child.detail, child.outcome) == (detail, OUTCOME[detail])
    assert why == (child.failure.type if child.failure else child.attributes["reason"])


def test_other_subtests_have_none(run: Any) -> None:
    assert {(r.test, r.subtest) for r in run.results if r.subtest is not None} == set(SUBTEST)


def test_a_second_failure_of_the_same_attempt_is_noted(run: Any) -> None:
    assert run.result("test_fail_and_teardown_error").attributes["teardown"] == "error"
    assert "teardown" not in run.result("test_plain.py::test_fail").attributes


def test_the_phases_that_ran_are_timed_and_no_others(run: Any) -> None:
    def timed(name: str) -> list[bool]:
        result = run.result(name)
        phases = (result.setup_s, result.call_s, result.teardown_s)
        return [phase is not None and phase >= 0 for phase in phases]

    assert timed("test_plain.py::test_pass") == [True, True, True]
    assert timed("test_plain.py::test_fail") == [True, True, True]
    assert timed("test_setup_error") == [True, False, True]
    assert timed("test_skip_by_mark") == [True, False, True]
    assert timed("documented.py::documented.wrong") == [True, True, True]


def test_pytest_counts_the_same(run: Any) -> None:
    ours = Counter(r.detail for r in run.results if r.subtest is None)
    theirs = Counter({detail: run.summary.get(detail, 0) for detail in ours})
    # pytest counts phases and subtests: some tests are in two of its counts.
    theirs -= Counter({
        "passed": 2,  # test_teardown_error, and test_some_subtests_fail of unittest
        "skipped": 1,  # test_skip_and_teardown_error
        "error": 1,  # test_fail_and_teardown_error
        "failed": sum(detail == FAILED for detail, _ in SUBTEST.values()),
    })  # fmt: skip
    theirs["failed"] += 1  # test_some_subtests_fail of unittest

    assert ours == theirs


def test_the_session_counts_what_is_recorded(run: Any) -> None:
    ours = Counter(str(r.detail) for r in run.results if r.subtest is None)
    counts = dict(run.end.counts)

    assert {detail: counts.pop(detail) for detail in ours} == dict(ours)
    assert counts == {
        "collected": len(EXPECTED) - 4,  # all but the files that have no tests for it
        "collection_errors": 6,
        "subtests_failed": sum(detail == FAILED for detail, _ in SUBTEST.values()),
    }


def test_failures_of_different_causes_have_different_fingerprints(run: Any) -> None:
    messages: dict[str, set[str | None]] = {}
    for result in run.results:
        if result.failure and result.subtest is None:
            messages.setdefault(result.failure.fingerprint, set()).add(result.failure.message)

    assert [told for told in messages.values() if len(told) > 1] == []
    wrong, also_wrong = (run.result(f"documented.{name}") for name in ("wrong", "also_wrong"))
    assert wrong.failure.fingerprint != also_wrong.failure.fingerprint


def test_every_line_is_what_the_codec_would_write(run: Any) -> None:
    codec = Codec()

    for line in run.lines:
        written, ours = json.loads(codec.encode(codec.decode(line))), json.loads(line)
        assert datetime.fromisoformat(written.pop("at")) == datetime.fromisoformat(ours.pop("at"))
        assert written == ours
        assert line.decode().isprintable()


def test_nothing_is_lost_between_the_spool_and_the_store(run: Any) -> None:
    assert len(run.lines) == len(run.events) == run.collected.events
    assert (run.collected.invalid, run.collected.unknown, run.collected.killed) == (0, 0, 0)
    assert len({event.id for event in run.events}) == len(run.events)


def test_all_events_belong_to_the_session_and_results_to_the_run(run: Any) -> None:
    assert {(event.source, event.session) for event in run.events} == {
        ("pytest", run.start.session)
    }
    assert {result.invocation for result in run.results} == {run.invocation.id}


def test_results_are_in_the_order_in_which_attempts_ended(run: Any) -> None:
    times = [result.at for result in run.of(TestResult)]

    assert times == sorted(times)


JUNIT = {
    PASSED: set(), XPASSED: set(), FAILED: {"failure"}, ERROR: {"error"},
    SKIPPED: {"skipped"}, XFAILED: {"skipped"},
}  # fmt: skip

#: What JUnit files say otherwise, and why.
JUNIT_DIFFERS = {
    # Two test cases of the same name: there is one state for each.
    "test_plain::test_fail_and_teardown_error": {"failure", "error"},
    # Both.
    "test_plain::test_skip_and_teardown_error": {"skipped", "error"},
    # A test is called skipped when one of its subtests is.
    "test_sub::test_one_skips": {"skipped"},
    "test_sub::test_one_xfails": {"skipped"},
}


def test_junit_says_the_same_where_it_can(run: Any, junit_name: Callable[..., str]) -> None:
    theirs: dict[str, set[str]] = {}
    for case in run.junit:
        theirs.setdefault(case.name, set()).update(case.states)
    ours = {junit_name(r): JUNIT[r.detail] for r in run.results if r.subtest is None}

    assert theirs == ours | JUNIT_DIFFERS


def test_without_being_told_to_go_on_a_broken_file_ends_the_run(
    project: Callable[..., Any],
) -> None:
    run = project(
        {"test_broken.py": "import nothing_like_this", "test_fine.py": "def test_it(): pass"}
    ).run()

    assert run.status == run.end.exit_status == 2
    assert [(r.test, r.detail) for r in run.results] == [("test_broken.py", "error")]
    assert run.end.counts == {"error": 1, "collection_errors": 1, "collected": 1}
    assert (run.end.outcome, run.end.reason) == ("failure", "1 collection error")
    assert run.invocation.error_type == "collection-error"
