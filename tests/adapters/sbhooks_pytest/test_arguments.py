"""Of a command line no value is recorded that may be secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks_pytest.arguments import VALUES, told

TESTS = ("tests/test_a.py::test_b", "tests")

LINES = {
    "--password hunter2 --tok=hunter2 tests": "--password --tok tests",
    "-k slow -m fast -n 4": "-k slow -m fast -n 4",
    "--maxfail=3 --dist loadscope": "--maxfail=3 --dist loadscope",
    "-n4 -kslow -pno:cacheprovider": "-n4 -kslow -pno:cacheprovider",
    "-vvx -q -s": "-vvx -q -s",
    "-o token=hunter2 -otoken=hunter2 -Ehunter2": "-o -o -E",
    "tests/test_a.py::test_b --lf --ff": "tests/test_a.py::test_b --lf --ff",
    "--api-token hunter2 -- tests hunter2": "--api-token -- tests",
    "-xhunter2": "-x",
    "--maxfailhunter2": "--maxfailhunter2",
    "": "",
}


@pytest.mark.parametrize(("line", "expected"), LINES.items(), ids=LINES)
def test_what_is_told_of(line: str, expected: str) -> None:
    assert told(line.split(), TESTS) == expected


@given(st.from_regex(r"--[a-z]{1,12}", fullmatch=True).filter(lambda name: name not in VALUES))
def test_the_value_of_an_unknown_option_is_never_told(name: str) -> None:
    for args in ([name, "hunter2"], [f"{name}=hunter2"], ["-x", name, "hunter2", "tests"]):
        assert "hunter2" not in told(args, TESTS)
