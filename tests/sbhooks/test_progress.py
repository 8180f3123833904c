"""The bar shows when somebody watches and waits, and leaves nothing behind."""

from __future__ import annotations

import io
import sys

import pytest

from sbhooks.progress import Progress


class Terminal(io.StringIO):
    """A standard error on which somebody watches."""

    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in place of standard error; pytest undoes what fixtures put there."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_work_that_takes_long_shows_a_bar_and_wipes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with Progress("collecting", patience_s=0) as progress:
        progress(1, 2)
        drawn = terminal.getvalue()
        assert drawn == f"\rsbhooks: collecting {'━' * 15}{'·' * 15} 50 %"
    assert terminal.getvalue() == f"{drawn}\r{' ' * (len(drawn) - 1)}\r"


def test_it_is_not_drawn_more_often_than_anybody_can_see(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with Progress("collecting", patience_s=0) as progress:
        for done in range(1000):
            progress(done, 1000)
        assert terminal.getvalue().count("%") < 100


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with Progress("collecting", patience_s=3600) as progress:
        progress(1, 2)
    assert terminal.getvalue() == ""


def test_programs_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with Progress("collecting", quiet=True, patience_s=0) as progress:
        progress(1, 2)
    assert terminal.getvalue() == ""
    piped = io.StringIO()
    monkeypatch.setattr(sys, "stderr", piped)
    with Progress("collecting", patience_s=0) as progress:
        progress(1, 2)
    assert piped.getvalue() == ""


def test_no_work_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with Progress("collecting", patience_s=0) as progress:
        progress(0, 0)
    assert "0 %" in terminal.getvalue()
