"""What a stage is called, and how it ended."""

from __future__ import annotations

import signal

import pytest

from sbhooks.child import Ended
from sbhooks_ci.stage import outcome_of, phase_of, skill_of


@pytest.mark.parametrize(
    ("line", "skill"),
    [
        ("pytest -q", "pytest"),
        ("/usr/bin/python3.12 -m pytest tests", "pytest"),
        ("python script.py", "script"),
        ("python -c pass", "python"),
        ("uv run python -m pytest", "pytest"),
        ("uv run --frozen pytest", "uv"),
        ("poetry run ruff check", "ruff"),
        ("npx jest", "jest"),
        ("env A=1 pytest", "env"),
        ("make test", "make"),
        ("./run-tests.sh", "run-tests.sh"),
        ("coverage run -m pytest", "pytest"),
        ("bundle exec rspec", "rspec"),
        ("uv", "uv"),
    ],
)
def test_a_skill_is_the_program_that_does_the_work(line: str, skill: str) -> None:
    assert skill_of(line.split()) == skill


@pytest.mark.parametrize(
    ("stage", "phase"),
    [
        ("Unit Tests (3.12)", "verification"),
        ("test", "verification"),
        ("build-and-test", "verification"),
        ("Build", "execution"),
        ("deploy:staging", "deployment"),
        ("rollback-release", "rollback"),
        ("install", "setup"),
        ("clean up", "cleanup"),
        ("greatest", None),
        ("", None),
    ],
)
def test_the_words_of_a_stage_tell_its_phase(stage: str, phase: str | None) -> None:
    assert phase_of(stage) == phase


@pytest.mark.parametrize(
    ("ended", "tool", "expected"),
    [
        (Ended(0), "pytest", ("success", None)),
        (Ended(1), "pytest", ("failure", "exit-status-1")),
        (Ended(124), "timeout", ("timeout", "timeout")),
        (Ended(124), "pytest", ("failure", "exit-status-124")),
        (Ended(137, signal.SIGKILL), "pytest", ("error", "SIGKILL")),
        (Ended(143, signal.SIGTERM), "pytest", ("error", "SIGTERM")),
        (Ended(143, signal.SIGTERM, signal.SIGTERM), "x", ("cancellation", "SIGTERM")),
        (Ended(2, None, signal.SIGINT), "pytest", ("cancellation", "SIGINT")),
        (Ended(3, None, signal.SIGUSR1), "pytest", ("failure", "exit-status-3")),
        (Ended(162, 34), "x", ("error", "SIGRTMIN")),
        (Ended(127, error="No such file"), "x", ("error", "tool-missing")),
        (Ended(126, error="Permission denied"), "x", ("error", "tool-not-executable")),
    ],
)
def test_the_end_of_a_command_has_an_outcome(
    ended: Ended, tool: str, expected: tuple[str, str | None]
) -> None:
    assert outcome_of(ended, tool) == expected
