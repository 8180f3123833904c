"""An error is somebody's whose code was on the way to it."""

from __future__ import annotations

import types

import pytest

from sbhooks.blame import owner, place, said


def raised_in(*modules: str) -> Exception:
    """An error from functions of these modules, the first calling the second, and so on."""

    def fail() -> None:
        raise ValueError("no")

    call = fail
    for name in reversed(modules):
        module = types.ModuleType(name)
        module.__dict__["call"] = call
        exec("def run():\n    call()", module.__dict__)  # noqa: S102 - code of our own
        call = module.__dict__["run"]
    try:
        call()
    except ValueError as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("modules", "party"),
    [
        (("acme.streak",), "a"),
        (("acme",), "a"),
        (("other.tools.deep",), "o"),
        (("click.core", "sbhooks.cli", "acme.x", "other"), "a"),
        (("click.core", "acmes"), None),
        (("shared.two.commands",), "two"),
    ],
)
def test_it_is_the_first_whose_package_is_on_the_way(
    modules: tuple[str, ...], party: str | None
) -> None:
    homes = {"a": "acme.plugin", "o": "other", "one": "shared.one", "two": "shared.two.plugin"}
    assert owner(raised_in(*modules), homes) == party


def test_without_parties_or_a_traceback_nobody_is_to_blame() -> None:
    assert owner(raised_in("acme"), {}) is None
    assert owner(ValueError("never raised"), {"a": "acme"}) is None


def test_the_place_is_where_it_was_raised() -> None:
    error = raised_in("acme")
    assert place(error).startswith("test_blame.py:")
    assert place(ValueError("never raised")) == ""


def test_an_error_is_said_in_one_line() -> None:
    assert said(ValueError("a\n  b")) == "ValueError: a b"
    assert said(ValueError()) == "ValueError"
