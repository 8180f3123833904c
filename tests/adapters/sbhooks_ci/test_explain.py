"""`sbhooks ci explain` says which variable gave which value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

GITHUB = {
    "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7", "GITHUB_WORKFLOW": "tests",
    "GITHUB_SERVER_URL": "https://joe:hunter22@github.example.org", "GITHUB_REPOSITORY": "o/r",
    "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": "a" * 40,
}  # fmt: skip


def sbhooks(folder: Path, environ: dict[str, str], *arguments: str) -> str:
    import os

    done = subprocess.run(
        [sys.executable, "-P", "-m", "sbhooks", *arguments], env={**os.environ, **environ},
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def explained(folder: Path, environ: dict[str, str]) -> dict[str, Any]:
    found = json.loads(sbhooks(folder, environ, "ci", "explain", "--json"))
    return {
        "provider": found["provider"],
        **{fact["name"]: (fact["value"], fact["source"]) for fact in found["facts"]},
    }


def test_every_value_names_its_variable(tmp_path: Path) -> None:
    found = explained(tmp_path, GITHUB)
    assert found["provider"] == "github"
    assert found["run_id"] == ("7", "GITHUB_RUN_ID")
    assert found["branch"] == ("main", "GITHUB_REF")
    assert found["url"][0] == "https://github.example.org/o/r/actions/runs/7"
    assert found["project"] == (tmp_path.name, "folder")


def test_git_is_named_where_it_answers(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "trunk"], cwd=tmp_path, check=True)
    found = explained(tmp_path, {"CIRCLECI": "true"})
    assert found["branch"] == ("trunk", "git")


def test_people_see_a_table_without_credentials(tmp_path: Path) -> None:
    shown = sbhooks(tmp_path, GITHUB, "ci", "explain")
    assert "This is a run in GitHub Actions." in shown
    assert "GITHUB_RUN_ID" in shown
    assert "hunter22" not in shown
    assert "Not told: attempt, job" in shown


def test_a_laptop_is_told_so(tmp_path: Path) -> None:
    assert "This is no CI run" in sbhooks(tmp_path, {}, "ci", "explain")
    assert "does not know" in sbhooks(tmp_path, {"CI": "1"}, "ci", "explain")
    assert explained(tmp_path, {})["provider"] is None
