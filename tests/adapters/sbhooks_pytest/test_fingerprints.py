"""Fingerprints: the same for one cause however it is told, different for different causes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HELPER = """
    def check(status):
        assert status == 200
    def other(status):
        assert status == 200
"""
ALIKE = """
    import asyncio

    import helper
    import pytest

    def test_one():
        result, expected = 1, 2
        assert result == expected
    def test_two():
        result, expected = "a", "b"
        assert result == expected
    class TestClass:
        def test_method(self):
            result, expected = [1], [2]
            assert result == expected
    @pytest.mark.parametrize("result", [3, 4])
    def test_cases(result):
        expected = 2
        assert result == expected
    def test_inner():
        def inner():
            result, expected = 1, 2
            assert result == expected
        inner()
    def test_async():
        async def coroutine():
            result, expected = 1, 2
            assert result == expected
        asyncio.run(coroutine())
    def test_shared(): helper.check(404)
    def test_shared_too(): helper.check(500)
    def test_another(): helper.other(404)
    def test_elsewhere(tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        result, expected = 1, 2
        assert result == expected
    def test_in_the_library():
        import json
        json.loads("{")
"""
WAYS = ["--tb=auto", "--tb=short", "--tb=long", "--tb=native"]


@pytest.fixture(scope="module")
def prints(make_project: Callable[..., Any]) -> Callable[..., dict[str, str]]:
    """The fingerprint of each test of a run with these options, by the name that pytest knows."""
    project = make_project({
        "helper.py": HELPER, "pytest.ini": "[pytest]\npythonpath = .\n",
        "a/__init__.py": "", "a/test_it.py": ALIKE, "b/__init__.py": "", "b/test_it.py": ALIKE,
    })  # fmt: skip
    known: dict[tuple[str, ...], dict[str, str]] = {}

    def of(*options: str, plugins: tuple[str, ...] = ("sbhooks",)) -> dict[str, str]:
        if options not in known:
            run = project.run(*options, plugins=plugins)
            known[options] = {
                f"{r.test}[{r.params}]": r.failure.fingerprint for r in run.results if r.failure
            }
        return known[options]

    return of


def test_the_same_line_in_different_tests_is_not_one_cause(prints: Any) -> None:
    found = prints(WAYS[0])
    assert len(found) == 24
    shared = ("test_shared", "test_another", "test_cases")
    lonely = [told for test, told in found.items() if not any(name in test for name in shared)]
    assert len(set(lonely)) == len(lonely) == 14  # of both files, which have one name


def test_a_helper_that_fails_for_many_tests_is_one_cause(prints: Any) -> None:
    found = prints(WAYS[0])
    assert len({told for test, told in found.items() if "test_shared" in test}) == 1
    assert len({told for test, told in found.items() if "test_another" in test}) == 1
    assert len({told for test, told in found.items() if "test_cases" in test}) == 2  # two files
    assert found["a/test_it.py::test_another[None]"] != found["a/test_it.py::test_shared[None]"]


@pytest.mark.parametrize("way", WAYS[1:])
def test_how_tracebacks_are_shown_does_not_matter(way: str, prints: Any) -> None:
    assert prints(way) == prints(WAYS[0])


def test_who_runs_the_tests_does_not_matter(prints: Any) -> None:
    assert prints("-n2", plugins=("xdist", "sbhooks")) == prints(WAYS[0])


def test_without_any_traceback_the_test_tells_causes_apart(prints: Any) -> None:
    found = prints("--tb=no")
    own = {told for test, told in found.items() if test.startswith("a/test_it.py::test_")}
    assert len(own) == 10  # of eleven: two are cases of one test


@pytest.mark.parametrize("way", [*WAYS, "--tb=no", "--tb=line"])
def test_code_above_a_failure_may_come_and_go(way: str, make_project: Callable[..., Any]) -> None:
    code = "def test_it():\n    assert 1 == 2\n"
    found = set()
    for text in (code, f"# more\n\n{code}"):
        (result,) = make_project({"test_it.py": text}).run(way).results
        found.add(result.failure.fingerprint)
    assert len(found) == 1
