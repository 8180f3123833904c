"""``sbhooks NAME run`` goes straight to the module that a plugin keeps for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = """
import click
import sbhooks


@sbhooks.hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    @cli.group()
    def acme() -> None:
        "Acme."

    @acme.command(context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1)
    def run(words: tuple[str, ...]) -> None:
        "Run."
        print("the whole command line", *words)
"""
RUNNER = """
import sys


def main(arguments):
    if "--help" in arguments:
        return None
    print("at once", *arguments, "click" in sys.modules)
    return 7
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """The package of a plugin that is found, as if it were installed."""
    listed = tmp_path / "acme-1.0.dist-info"
    listed.mkdir()
    (listed / "METADATA").write_text("Name: acme\nVersion: 1.0\n")
    (listed / "entry_points.txt").write_text("[sbhooks]\nacme = acme.plugin\n")
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(PLUGIN)
    return package


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Run ``sbhooks``."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "sbhooks", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    return run


def test_a_plugin_may_keep_a_module_for_it(acme: Path, start: Start) -> None:
    (acme / "sbhooks_run.py").write_text(RUNNER)
    done = start("acme", "run", "a", "--b")
    assert (done.returncode, done.stdout) == (7, "at once a --b False\n")


def test_what_it_leaves_is_answered_by_the_whole_command_line(acme: Path, start: Start) -> None:
    (acme / "sbhooks_run.py").write_text(RUNNER)
    assert "Usage: sbhooks acme run" in start("acme", "run", "--help").stdout


@pytest.mark.parametrize("broken", [None, "1/0", "import nowhere", "main = 1/0"])
def test_a_plugin_without_a_good_one_has_its_command(
    acme: Path, start: Start, broken: str | None
) -> None:
    if broken is not None:
        (acme / "sbhooks_run.py").write_text(broken)
    done = start("acme", "run", "a")
    assert (done.returncode, done.stdout) == (0, "the whole command line a\n")


def test_a_plugin_in_a_bundle_is_found_too(acme: Path, start: Start) -> None:
    (acme / "sbhooks_run.py").write_text(RUNNER)
    (acme / "__init__.py").write_text("PLUGINS = {'other': 'nowhere', 'acme': 'acme.plugin'}\n")
    listed = acme.parent / "acme-1.0.dist-info" / "entry_points.txt"
    listed.write_text("[sbhooks]\nall = acme:PLUGINS\nbad = acme.absent:PLUGINS\n")
    done = start("acme", "run", "a")
    assert (done.returncode, done.stdout, done.stderr) == (7, "at once a False\n", "")


def test_a_stranger_cannot_take_the_name_of_a_built_in(acme: Path, start: Start) -> None:
    (acme / "sbhooks_run.py").write_text(RUNNER)
    listed = acme.parent / "acme-1.0.dist-info" / "entry_points.txt"
    listed.write_text("[sbhooks]\nci = acme.plugin\n")
    done = start("ci", "run", "--", sys.executable, "-c", "print('ours')")
    assert (done.returncode, done.stdout) == (0, "ours\n")
