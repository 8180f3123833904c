"""``pytest --sbhooks-experiment``: real runs of pytest, and what they leave in the store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.variants import FILE

Ask = Callable[..., Any]
FILES = {
    "test_it.py": "import os\ndef test_it(request):\n"
    "    print('verbose', request.config.option.verbose, 'maxfail', request.config.option.maxfail,"
    " 'workers', os.environ.get('PYTEST_XDIST_WORKER_COUNT'))\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one test that shows the options it runs with."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user would."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-P", "-m", "pytest", "-s", "-p", "no:cacheprovider", *words]
    return subprocess.run(
        command, cwd=project, env=kept, capture_output=True, text=True, check=False, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def events(runtime: Runtime, *kinds: str) -> list[Any]:
    runtime.collect()
    return list(runtime.store.events(EventQuery(kinds=kinds)))


def test_a_run_has_the_options_of_its_variant_and_leaves_an_outcome(
    ask: Ask, project: Path, runtime: Runtime
) -> None:
    ask("create", "loud", "--control", "pytest --maxfail=3", "--treatment",
        f"{sys.executable} -m pytest --maxfail=4", "--skill", "pytest-run")  # fmt: skip
    (project / "pytest.ini").write_text("[pytest]\naddopts = --maxfail=9\n", encoding="utf-8")
    done = run(project, "--sbhooks-experiment", "loud")
    assert done.returncode == 0, done.stdout + done.stderr
    (exposure,) = events(runtime, "exposure")
    limit = {"control": 3, "treatment": 4}[exposure.variant]
    assert f"maxfail {limit} " in done.stdout
    assert f"experiment loud: {exposure.variant} --maxfail={limit}" in done.stdout
    (outcome,) = events(runtime, "outcome")
    assert (outcome.outcome, outcome.skill) == ("success", "pytest-run")
    assert outcome.duration_s > 0
    (start,) = events(runtime, "session-start")
    assert exposure.session == outcome.session == start.session
    assert exposure.unit == start.user


def test_the_command_line_wins_over_the_variant(ask: Ask, project: Path) -> None:
    ask("create", "loud", "--control", "--maxfail=3", "--treatment", "--maxfail=4")
    assert "maxfail 7 " in run(project, "--sbhooks-experiment=loud", "--maxfail=7").stdout


def test_workers_run_with_the_variant_and_leave_one_outcome(
    ask: Ask, project: Path, runtime: Runtime
) -> None:
    ask("create", "many", "--control", "-n 2", "--treatment", "-n 2 -v", "--unit", "session")
    done = run(project, "--sbhooks-experiment", "many")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 workers" in done.stdout
    assert len(events(runtime, "exposure")) == len(events(runtime, "outcome")) == 1


def test_how_a_run_ends_is_its_outcome(ask: Ask, project: Path, runtime: Runtime) -> None:
    ask("create", "loud", "--control", "-v", "--treatment", "-q")
    (project / "test_it.py").write_text("def test_it(): assert 0\n", encoding="utf-8")
    assert run(project, "--sbhooks-experiment", "loud").returncode == 1
    (project / "test_it.py").write_text("import os; os.kill(os.getpid(), 9)\n", encoding="utf-8")
    assert run(project, "--sbhooks-experiment", "loud").returncode == -9
    assert [event.outcome for event in events(runtime, "outcome")] == ["failure", "error"]


@pytest.mark.parametrize(
    ("treatment", "message"),
    [
        ("ruff check", "'ruff check' is no call of pytest, and no options for it"),
        ("-p randomly", "plugins are loaded before a variant is chosen"),
        ("pytest '-q", "No closing quotation"),
    ],
)
def test_a_variant_that_is_none_of_pytest_is_an_error_of_usage(
    ask: Ask, project: Path, runtime: Runtime, treatment: str, message: str
) -> None:
    ask("create", "odd", "--control", "pytest -v", "--treatment", treatment, "--ratio", "0.9999999")
    done = run(project, "--sbhooks-experiment", "odd")
    assert (done.returncode, message in done.stderr) == (4, True), done.stderr
    assert events(runtime, "exposure", "outcome", "session-start") == []


def test_an_unknown_experiment_is_an_error_of_usage(ask: Ask, project: Path) -> None:
    done = run(project, "--sbhooks-experiment", "nope")
    assert done.returncode == 4
    assert "no experiment 'nope' is running. Run: sbhooks experiment list" in done.stderr
    ask("create", "nope", "--control", "-v", "--treatment", "-q")
    ask("stop", "nope")
    assert run(project, "--sbhooks-experiment", "nope").returncode == 4


def test_a_unit_that_is_not_here_is_an_error_of_usage(ask: Ask, project: Path) -> None:
    ask("create", "loud", "--control", "-v", "--treatment", "-q", "--unit", "commit")
    done = run(project, "--sbhooks-experiment", "loud")
    assert done.returncode == 4
    assert "cannot tell the commit" in done.stderr


def test_a_run_that_is_not_recorded_is_as_without_the_option(
    ask: Ask, project: Path, runtime: Runtime
) -> None:
    ask("create", "loud", "--control", "--maxfail=3", "--treatment", "--maxfail=4")
    done = run(project, "--sbhooks-experiment", "loud", "--no-sbhooks")
    assert "maxfail None " in done.stdout
    assert events(runtime, "exposure") == []


def test_recording_costs_no_experiment_its_file(ask: Ask, project: Path, home: Path) -> None:
    ask("create", "loud", "--control", "-v", "--treatment", "-q")
    (home / FILE).write_text("garbage", encoding="utf-8")
    assert run(project, "--sbhooks-experiment", "loud").returncode == 4
    ask("edit", "loud", "--alpha", "0.1")  # the next collection makes it anew
    assert run(project, "--sbhooks-experiment", "loud").returncode == 0
