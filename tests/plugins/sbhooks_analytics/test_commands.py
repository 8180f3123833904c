"""The commands from the recorded event to the printed answer, with the real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.emitter import Emitter
from sbhooks.events import Outcome, Vcs, utc_now
from sbhooks.insights import InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.testing.factories import Timeline

SKILL_FIELDS = {
    "skill_name", "invocation_count", "completed_count", "completion_rate", "completion_rate_low",
    "completion_rate_high", "avg_duration_seconds", "p50_seconds", "p95_seconds",
    "last_invocation_at",
}  # fmt: skip
RUN_FIELDS = {
    "session", "source", "project", "started_at", "duration_s", "outcome", "exit_status", "counts",
    "commit", "branch",
}  # fmt: skip
TEST_FIELDS = {
    "test", "params", "runs", "passed", "failed", "errors", "skipped", "xfailed", "xpassed",
    "last_outcome", "p50_s", "p95_s",
}  # fmt: skip


@pytest.fixture
def session(home: Path) -> str:
    """A recorded run with a flaky, a failing and a parametrised test."""
    emitter = Emitter.start("pytest")
    line = Timeline(emitter.session, start=utc_now())
    for event in (
        line.start(project="acme", vcs=Vcs(commit="c" * 40, branch="main")),
        line.failed("a.py::shaky", attempt=1),
        line.passed("a.py::shaky", attempt=2),
        line.passed("a.py::many", params="1"),
        line.passed("a.py::many", params="\x1b[31m2"),
        line.invocation("pytest-run", Outcome.FAILURE, duration_s=1.5),
        line.end(Outcome.FAILURE, exit_status=1, duration_s=2.0, counts={"passed": 3, "failed": 1}),
    ):
        emitter.emit(event)
    emitter.close()
    return emitter.session


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> Any:
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_top_has_the_promised_fields(session: str, ask: Any) -> None:
    (skill,) = ask("top")["skills"]
    assert skill.keys() >= SKILL_FIELDS
    assert (skill["skill_name"], skill["invocation_count"], skill["completed_count"]) == (
        "pytest-run", 1, 0,
    )  # fmt: skip
    assert skill["last_invocation_at"].endswith("Z")


def test_runs_have_the_promised_fields(session: str, ask: Any) -> None:
    (run,) = ask("runs")["runs"]
    assert run.keys() >= RUN_FIELDS
    assert run["session"] == session
    assert (run["outcome"], run["exit_status"], run["counts"]["failed"]) == ("failure", 1, 1)


def test_tests_have_the_promised_fields_one_row_per_parameters(session: str, ask: Any) -> None:
    rows = ask("tests", "list")["tests"]
    assert all(row.keys() >= TEST_FIELDS for row in rows)
    told = [(row["test"], row["params"], row["runs"], row["last_outcome"]) for row in rows]
    assert told == [
        ("a.py::many", "\x1b[31m2", 1, "passed"),
        ("a.py::many", "1", 1, "passed"),
        ("a.py::shaky", None, 2, "passed"),
    ]


def test_slow_and_flaky_tests_are_found(session: str, ask: Any) -> None:
    assert ask("tests", "slow", "--limit", "1")["tests"][0]["test"] == "a.py::shaky"
    (flaky,) = ask("tests", "flaky")["tests"]
    assert (flaky["test"], flaky["sessions"]) == ("a.py::shaky", [session])


def test_history_and_one_run_are_shown(session: str, ask: Any) -> None:
    attempts = ask("tests", "history", "shaky")["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["passed", "failed"]
    shown = ask("show", "last")
    assert shown["run"]["session"] == session
    assert shown == ask("show", session[-8:])


def test_projects_and_times_restrict_every_answer(session: str, ask: Any) -> None:
    for command, field in {
        ("top",): "skills", ("runs",): "runs", ("tests", "list"): "tests",
        ("tests", "slow"): "tests", ("tests", "flaky"): "tests",
    }.items():  # fmt: skip
        assert ask(*command, "--project", "acme", "--since", "1h")[field] != []
        assert ask(*command, "--project", "other")[field] == []
        assert ask(*command, "--since", "2999-01-01")[field] == []


def test_people_get_tables_without_anything_to_obey(
    session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["top"], ["runs"], ["tests", "list"], ["tests", "slow"], ["tests", "flaky"],
        ["tests", "history", "many"], ["show", "last"],
    ):  # fmt: skip
        assert main(command) == 0
        told = capsys.readouterr()
        assert told.err == ""
        assert told.out.count("\n") >= 2
        assert all(line.isprintable() and len(line) <= 80 for line in told.out.split("\n"))


def test_findings_reach_whoever_asks_the_runtime(session: str) -> None:
    with Runtime.start(load_config()) as runtime:
        runtime.collect()
        found = runtime.insights(InsightQuery(now=utc_now(), kinds=("flaky-test",)))
    assert [insight.subject for insight in found] == ["a.py::shaky"]
