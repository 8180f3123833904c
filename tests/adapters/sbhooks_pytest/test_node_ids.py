"""Node ids may hold anything: what is recorded of them is short, is text, and tells tests apart."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, strategies

from sbhooks_pytest import testids

TESTS = r"""
    import pytest

    SIMPLE = {
        "colons": "a::b", "slash": "a/b.py::c", "opened": "a[b", "closed": "a]b", "inside": "[a]",
        "reversed": "][", "newline": "a\nb", "return": "a\r\nb", "tab": "a\tb", "nul": "a\0b",
        "quotes": "\"'`", "backslash": "a\\b", "percent": "%d%%s", "braces": "{0}{}",
        "letters": "\u00fc\u65e5\u672c", "beyond": "\U0001f642", "surrogate": "a\ud800b",
        "control": "\x1b[31m\x07", "separator": "a\u2028b", "nothing": "", "at": "a@b",
    }
    LONG = {"first": "x" * 1_000_000, "second": "x" * 999_999 + "y", "short": "x" * 200}
    SECRET = {
        "password": "password=hunter2", "another": "password=hunter3",
        "token": "ghp_abcdefghijklmnop1234", "url": "https://joe:pass1234@example.org/x",
        "long": "z" * 500 + "password=hunter2",
    }
    UNSTABLE = {
        "address": "<object object at 0x7f3a5c0d1e20>",
        "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "time": "2026-11-21T01:02:03",
        "seconds": "1763680000", "folder": "/tmp/abc/x.txt", "stable": "0x12 and 1234",
    }

    def each(table):
        return pytest.mark.parametrize("value", [pytest.param(v, id=v) for v in table.values()])

    @each(SIMPLE)
    def test_simple(value): pass
    @pytest.mark.parametrize("value", list(SIMPLE.values()))
    def test_escaped(value): pass
    @each(LONG)
    def test_long(value): pass
    @each(SECRET)
    def test_secret(value): assert not value, value
    @each(UNSTABLE)
    def test_unstable(value): pass
    @pytest.mark.parametrize("one", [1, 2])
    @pytest.mark.parametrize("other", ["a", None])
    def test_two(one, other): pass
    @pytest.mark.parametrize("thing", [object(), {}, len, 1.5, True])
    def test_things(thing): pass
    class TestClass:
        @pytest.mark.parametrize("value", ["x::TestOther::test_y[z]"])
        def test_method(self, value): pass
"""
LONG_NAME = "test_" + "very_" * 200 + "long"

Given = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Any]) -> Any:
    """Tests with all kinds of parameters; their own ids are taken as they are."""
    return make_project(
        {
            "test_ids.py": TESTS,
            "odd [dir]/test_brackets[1].py": "def test_it(): pass\n",
            "test_long.py": f"def {LONG_NAME}(): pass\ndef {LONG_NAME}er(): pass\n",
            "ünï/test_cödé.py": "def test_größe(): pass\n",
        }
    )


@pytest.fixture(scope="module")
def run(project: Any) -> Any:
    """The run that all tests of this module look at."""
    name = os.fsencode(project.folder) + b"/test_\xff.py"
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path is no bytes
        file.write("def test_of_a_file_whose_name_is_no_text(): pass\n")
    escaping = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"
    return project.run("-o", escaping, "-q")


@pytest.fixture(scope="module")
def tables() -> Given:
    """The parameters of the tests, by the names of their tables."""
    made: dict[str, Any] = {}
    exec("\n".join(line[4:] for line in TESTS.split("def each", 1)[0].splitlines()), made)  # noqa: S102
    return {name: made[name] for name in ("SIMPLE", "LONG", "SECRET", "UNSTABLE")}


def params(run: Any, test: str) -> list[str]:
    return [result.params for result in run.attempts(f"test_ids.py::{test}")]


def test_parameters_are_no_part_of_the_identity(run: Any) -> None:
    tests = {result.test for result in run.results if result.test.startswith("test_ids.py")}
    names = ("simple", "escaped", "long", "secret", "unstable", "two", "things")

    assert tests == {f"test_ids.py::test_{name}" for name in names} | {
        "test_ids.py::TestClass::test_method"
    }


def test_whatever_is_text_is_recorded_as_it_is(run: Any, tables: Given) -> None:
    simple = dict(tables["SIMPLE"])
    simple["surrogate"] = r"a\ud800b"  # cannot be written as text

    assert params(run, "test_simple") == list(simple.values())


def test_parameters_are_a_line_of_text_whatever_they_hold(run: Any) -> None:
    for line in run.lines:
        assert b"\n" not in line
        line.decode()


def test_several_parameters_are_one_text(run: Any) -> None:
    assert params(run, "test_two") == ["a-1", "a-2", "None-1", "None-2"]
    assert params(run, "TestClass::test_method") == ["x::TestOther::test_y[z]"]


def test_long_parameters_are_cut_and_still_differ(run: Any, tables: Given) -> None:
    first, second, short = params(run, "test_long")

    assert first != second
    assert len(first) == len(second) == 200
    assert first.startswith("x" * 150)
    assert short == tables["LONG"]["short"]


def test_secrets_are_redacted_and_still_differ(run: Any, tables: Given) -> None:
    found = params(run, "test_secret")
    everything = b"\n".join(run.lines)

    assert len(set(found)) == len(tables["SECRET"])
    for secret in (b"hunter2", b"hunter3", b"abcdefghijklmnop1234", b"pass1234"):
        assert secret not in everything
    assert found[0].startswith("password=[redacted]#")
    assert max(map(len, found)) <= 200


def test_parameters_that_will_not_come_again_are_flagged(run: Any, tables: Given) -> None:
    flags = {
        result.params: result.attributes.get("params.unstable")
        for result in run.attempts("test_unstable")
    }
    names = {"folder": "temporary folder", "seconds": "time"}

    for name, value in tables["UNSTABLE"].items():
        recorded = value.replace("/tmp/", "<tmp>/")  # noqa: S108 - a parameter
        assert flags[recorded] == (None if name == "stable" else names.get(name, name)), name


def test_brackets_outside_of_parameters_belong_to_the_identity(run: Any) -> None:
    result = run.result("odd [dir]/test_brackets[1].py::test_it")

    assert result.params is None


def test_names_beyond_ascii_are_recorded_as_they_are(run: Any) -> None:
    assert run.result("ünï/test_cödé.py::test_größe").detail == "passed"


def test_a_file_whose_name_is_no_text_is_recorded(run: Any) -> None:
    [result] = [r for r in run.results if r.test.endswith("::test_of_a_file_whose_name_is_no_text")]

    assert result.test.startswith(r"test_\udcff.py")


def test_long_names_are_cut_and_still_differ(run: Any) -> None:
    tests = {result.test for result in run.results if result.test.startswith("test_long.py")}

    assert len(tests) == 2
    assert max(map(len, tests)) <= 600


def test_each_is_counted_once(run: Any) -> None:
    assert run.end.counts["collected"] == len(run.results)
    assert "reruns" not in run.end.counts
    assert {result.attempt for result in run.results} == {1}


def test_the_same_parameters_have_the_same_names_in_the_next_run(project: Any, run: Any) -> None:
    again = project.run("test_ids.py", "-q", "-k", "secret or long")

    for name in ("test_secret", "test_long"):
        assert params(again, name) == params(run, name)


NAMES = strategies.text("ab_", min_size=1)
ANYTHING = strategies.text(strategies.sampled_from("a[]@:/-\n"), max_size=8)


@given(NAMES, strategies.none() | ANYTHING, strategies.none() | NAMES)
@example("test_it", "]@x", None)
@example("test_it", "a@b", "group")
def test_groups_and_parameters_are_told_apart(
    name: str, params: str | None, group: str | None
) -> None:
    nodeid = f"a[b]@c.py::{name}" + ("" if params is None else f"[{params}]")
    suffix = "" if group is None else f"@{group}"

    assert testids.split(nodeid) == (f"a[b]@c.py::{name}", params)
    assert testids.split(nodeid + suffix, groups=True) == testids.split(nodeid)


@given(strategies.text(max_size=40), strategies.text(max_size=40), strategies.integers(12, 30))
def test_shortened_texts_fit_and_differ_as_the_texts_do(one: str, other: str, longest: int) -> None:
    short, also_short = testids.shorten(one, longest), testids.shorten(other, longest)

    assert len(short) <= longest
    assert (short == also_short) == (one == other) or short == other or also_short == one


@pytest.mark.parametrize("name", ["b::c[d]::e", "dup[", "x]", "c[d] e", "x\x1b[2Jy"])
def test_brackets_that_do_not_end_a_name_are_part_of_it(name: str) -> None:
    assert testids.split(f"a.py::{name}") == (f"a.py::{name}", None)
