"""What pages show is true: code runs, files are accepted, commands exist."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from sbhooks.cli import root as command_line
from sbhooks.cli_options import CommandLine
from sbhooks.config import load_config
from sbhooks.settings import ENVIRONMENT

_LANGUAGES = {"console", "ini", "json", "python", "text", "toml", "yaml"}
#: Programs that examples may call beside ours.
_PROGRAMS = {"cat", "cd", "git", "jq", "ls", "mkdir", "pip", "python", "source"}


def test_a_block_says_what_it_is(block: Any) -> None:
    assert block.language in _LANGUAGES


def test_no_page_tells_where_it_was_made(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"/(?:root|home/\w+|tmp/\w+|Users/\w+)\b", text) == []


def test_the_readme_can_be_read_in_one_go(root: Path) -> None:
    assert 80 <= len((root / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_python_of_a_page_runs_from_top_to_bottom(program: str, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SBHOOKS_")}
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program],
        env={**environment, "SBHOOKS_HOME": str(tmp_path / "home")},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_file_of_data_can_be_read(data_block: Any) -> None:
    match data_block.language:
        case "toml":
            tomllib.loads(data_block.text)
        case "json":
            json.loads(data_block.text)
        case "python":
            compile(data_block.text, data_block.where, "exec")


def test_settings_that_are_shown_are_accepted(settings_block: Any, tmp_path: Path) -> None:
    block = settings_block
    folder = tmp_path / "config" / "sbhooks" if block.title == "config.toml" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (Path(block.title or "pyproject.toml").name)).write_text(block.text)
    config = load_config(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert config.origins


def test_a_command_that_is_shown_exists(command: str, added: set[str], root: Path) -> None:
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        _check_variable(words.pop(0))
    for part in _split(words, {"|", "&&", ">", ">>"}):
        if part[:1] != ["sbhooks"] or not added.intersection(part[1:2]):
            _check(part, root)


def _split(words: list[str], separators: set[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word in {">", ">>"}:
            return parts  # what follows is a file
        if word in separators:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _check(words: list[str], root: Path) -> None:
    match words:
        case ["sbhooks", *rest]:
            for one in itertools.product(*(word.split("|") for word in rest)):
                _check_sbhooks(list(one))  # "list|slow" names two commands
        case ["pytest", *rest] | ["python", "-m", "pytest", *rest]:
            _check_pytest(rest, root)
        case ["make", *targets]:
            makefile = (root / "Makefile").read_text(encoding="utf-8")
            names = [t for t in targets if "=" not in t]
            assert [t for t in names if not re.search(f"^{t}:", makefile, re.MULTILINE)] == []
        case ["export", assignment]:
            _check_variable(assignment)
        case ["timeout", "-s", "KILL", _, *rest]:
            _check(rest, root)
        case [program, *_]:
            assert program in _PROGRAMS
        case _:
            pytest.fail("an empty command")


def _check_variable(assignment: str) -> None:
    name = assignment.partition("=")[0]
    assert name in {*ENVIRONMENT, "HANG", "NO_COLOR", "PYTHON"}  # HANG: of the first tutorial


def _check_sbhooks(arguments: list[str]) -> None:
    """Parse it, as far as it goes without running it."""
    try:
        context = command_line().make_context("sbhooks", arguments.copy(), obj=CommandLine())
        while isinstance(context.command, click.Group):
            rest = [*context._protected_args, *context.args]
            if not rest:
                return  # a group by itself: shows its help
            name, command, rest = context.command.resolve_command(context, rest)
            assert name is not None and command is not None
            context = command.make_context(name, rest, parent=context)
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return  # --help, --version
    except click.MissingParameter:
        assert not arguments[-1].startswith("-")  # a command that is named, not called


def _check_pytest(arguments: list[str], root: Path) -> None:
    source = (root / "adapters/sbhooks_pytest/pytest_sbhooks.py").read_text(encoding="utf-8")
    ours = [word for word in arguments if "sbhooks" in word and word.startswith("--")]
    assert [word for word in ours if f'"{word}"' not in source] == []
