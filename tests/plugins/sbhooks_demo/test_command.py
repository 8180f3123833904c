"""The folder of the demo's data: private, and never anybody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import click
import pytest

from sbhooks_demo.command import MARKER, _empty
from sbhooks_demo.record import told


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_those_above_it_are_private(home: Path) -> None:
    made = _empty(home / "demo")
    assert [path.name for path in made.iterdir()] == [MARKER]
    assert (mode(made), mode(home)) == (0o700, 0o700)


def test_an_earlier_demo_is_emptied(home: Path) -> None:
    (_empty(home / "demo") / "data").write_text("old")
    made = _empty(home / "demo")
    assert [path.name for path in made.iterdir()] == [MARKER]
    assert mode(made) == 0o700


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(click.UsageError, match="not of an earlier demo"):
        _empty(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_short_experiment_says_that_it_is_short_and_why() -> None:
    assert told(20) == "  experiment: all 20 runs made"
    assert told(2).startswith("  experiment: 2 runs of 20 made in the 40 s that the demo has")
