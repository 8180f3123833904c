"""Crackerjack itself, run for real.

Slow: it installs Crackerjack 0.74.4, the last release for Python 3.13, into an environment of its
own (900 MB), and its fast hooks wait for timeouts where there is no network. Without a Python 3.13
or a package index the test is skipped and says so; ``test_record`` then stands on recorded runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SBHOOKS = str(Path(sys.executable).parent / "sbhooks")
SAMPLE = Path(__file__).parents[2] / "data" / "crackerjack" / "sample_project"
RELEASE = "crackerjack==0.74.4"


def python_313() -> str | None:
    """A Python 3.13 that runs: of pyenv, or on the path."""
    root = Path(os.environ.get("PYENV_ROOT") or Path(sys.base_prefix).parents[1])
    found = [str(path) for path in root.glob("versions/3.13*/bin/python3.13")]
    found += [path for path in [shutil.which("python3.13")] if path]
    for path in found:
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path  # not a stand-in for a version that is not chosen
    return None


def installed(folder: Path) -> Path:
    """The Python of an environment with Crackerjack."""
    python = python_313()
    if python is None:
        pytest.skip("there is no Python 3.13 here, which Crackerjack 0.74 needs")
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    own = folder / "bin" / "python"
    for command in (
        [str(own), "-m", "pip", "install", "--quiet", "uv"],
        [str(folder / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(own), RELEASE],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{RELEASE} cannot be installed here: {done.stderr[-300:]}")
    return own


@pytest.mark.slow
def test_a_real_run_is_recorded_tool_by_tool(
    tmp_path: Path, recorded: Callable[..., list[Any]]
) -> None:
    python = installed(tmp_path / "venv")
    project = tmp_path / "shop"
    shutil.copytree(SAMPLE, project)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], cwd=project, check=True)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [SBHOOKS, "crackerjack", "run", "--", str(python), "-m", "crackerjack", "run", "--fast"],
        cwd=project, env={**os.environ, "PATH": path}, capture_output=True, check=False,
        timeout=600,
    )  # fmt: skip

    assert b"Fast Hooks" in done.stdout, done.stderr[-2000:]
    tools = [event for event in recorded("invocation") if event.step == "fast_hooks"]
    assert {"ruff-check", "ruff-format", "codespell", "uv-lock", "check-ast"} <= {
        event.skill for event in tools
    }
    (ruff, *_) = [event for event in tools if event.skill == "ruff-check"]
    assert ruff.outcome == "success"
    assert ruff.duration_s < 5 <= ruff.attributes["reported_s"]
    stages = [stage.stage for stage in recorded("pipeline-stage")]
    # On a busy machine its reading of the configuration takes long enough to be told.
    assert stages in (["fast_hooks"], ["configuration", "fast_hooks"])
    (end,) = recorded("session-end")
    assert end.exit_status == done.returncode
    assert end.outcome == ("success" if done.returncode == 0 else "failure")
