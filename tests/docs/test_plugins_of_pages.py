"""The plugins of our pages: built, installed, loaded and used, word for word as on the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sbhooks import Emitter, Outcome, SessionEnd, SessionStart

DOCS = Path(__file__).parents[2] / "docs"
STREAK = DOCS / "tutorials" / "your-first-plugin.md"
STORE = DOCS / "how-to" / "write-a-store.md"
_FILE = re.compile(r'^```\w+ title="(?P<name>[^"]+)"\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def streak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's plugin."""
    return _installed(STREAK, tmp_path_factory.mktemp("streak"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin with a store."""
    return _installed(STORE, tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("plugin", ["streak", "store"])
def test_its_tests_pass(plugin: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(plugin)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-sbhooks"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_streak_is_as_the_page_says(streak: Path) -> None:
    _record(Outcome.FAILURE)
    _record(Outcome.SUCCESS)
    _sbhooks(streak, "collect")
    assert _sbhooks(streak, "streak").stdout == "1 green in a row\n"
    assert json.loads(_sbhooks(streak, "streak", "--json").stdout) == {"green": 1}
    _record(Outcome.FAILURE)
    asked = _sbhooks(streak, "streak")
    assert asked.stderr == "streak: a run of pytest ended with failure\n"
    assert asked.stdout == "0 green in a row\n"
    for line in ("1 green in a row", *asked.stdout.splitlines(), *asked.stderr.splitlines()):
        assert f"\n{line}\n" in STREAK.read_text(encoding="utf-8")


def test_a_plugin_is_listed_with_its_hooks(streak: Path) -> None:
    found = json.loads(_sbhooks(streak, "plugins", "--json").stdout)["plugins"]
    mine = next(plugin for plugin in found if plugin["name"] == "streak")
    assert mine["status"] == "loaded"
    assert mine["hooks"] == ["sbhooks_commands", "sbhooks_session_end"]


def test_the_store_takes_what_was_recorded(
    store: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBHOOKS_STORE", "jsonl:///events.jsonl")
    session = _record(Outcome.SUCCESS)
    _record(Outcome.SUCCESS)
    assert json.loads(_sbhooks(store, "collect", "--json").stdout)["events"] == 4
    runs = json.loads(_sbhooks(store, "runs", "--json").stdout)["runs"]
    assert session in [run["session"] for run in runs]
    assert (home / "events.jsonl").exists()
    assert not (home / "sbhooks.db").exists()


def _installed(page: Path, folder: Path) -> Path:
    """Lay out the files of a page, and have pip build and unpack the plugin beside them."""
    for match in _FILE.finditer(page.read_text(encoding="utf-8")):
        (folder / match["name"]).write_text(match["text"], encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--no-index", "--target", "site", "."],
        check=True, timeout=120, cwd=folder, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )  # fmt: skip
    return folder


def _record(outcome: Outcome) -> str:
    emitter = Emitter.start("pytest")
    emitter.emit(SessionStart(source="pytest", session=emitter.session, tool="pytest"))
    emitter.emit(SessionEnd(source="pytest", session=emitter.session, outcome=outcome))
    emitter.close()
    return emitter.session


def _sbhooks(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "sbhooks", *arguments],
        env={**os.environ, "PYTHONPATH": str(folder / "site")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done
