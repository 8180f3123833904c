"""The snippets of the how-to page, each run as its CI system would run it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "record-ci.md"
BIN = Path(sys.executable).parent
SHA = "9f3c2d1e" * 5

#: Heading → environment that the system makes for such a job, and what is to be recorded.
JOBS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "GitHub Actions": (
        {
            "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "checks",
            "GITHUB_RUN_ID": "1658821493", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "unit",
            "GITHUB_SHA": SHA, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push",
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "octo/hello",
        },
        {"provider": "github", "run": "1658821493", "stage": "test", "attempt": 2},
    ),
    "GitLab": (
        {
            "CI": "true", "GITLAB_CI": "true", "CI_PROJECT_PATH": "octo/hello",
            "CI_PIPELINE_ID": "1212", "CI_JOB_NAME": "unit", "CI_JOB_STAGE": "test",
            "CI_JOB_URL": "https://gitlab.example.org/octo/hello/-/jobs/5",
            "CI_COMMIT_SHA": SHA, "CI_COMMIT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push",
        },
        {"provider": "gitlab", "run": "1212", "stage": "test", "attempt": None},
    ),
    "Jenkins": (
        {
            "JENKINS_URL": "https://ci.example.org/", "BUILD_ID": "14", "BUILD_NUMBER": "14",
            "BUILD_TAG": "jenkins-hello-14", "JOB_NAME": "hello", "STAGE_NAME": "test",
            "BUILD_URL": "https://ci.example.org/job/hello/14/", "GIT_COMMIT": SHA,
            "GIT_BRANCH": "origin/main", "NODE_NAME": "built-in",
        },
        {"provider": "jenkins", "run": "jenkins-hello-14", "stage": "test", "attempt": None},
    ),
    "CircleCI": (
        {
            "CI": "true", "CIRCLECI": "true", "CIRCLE_PROJECT_REPONAME": "hello",
            "CIRCLE_WORKFLOW_ID": "5aa7", "CIRCLE_JOB": "unit", "CIRCLE_SHA1": SHA,
            "CIRCLE_BRANCH": "main", "CIRCLE_BUILD_URL": "https://circleci.com/gh/octo/hello/3",
        },
        {"provider": "circleci", "run": "5aa7", "stage": "test", "attempt": None},
    ),
    "Buildkite": (
        {
            "CI": "true", "BUILDKITE": "true", "BUILDKITE_PIPELINE_SLUG": "hello",
            "BUILDKITE_BUILD_ID": "4735ba57", "BUILDKITE_RETRY_COUNT": "0",
            "BUILDKITE_LABEL": "unit", "BUILDKITE_JOB_ID": "e44f9784",
            "BUILDKITE_BUILD_URL": "https://buildkite.com/octo/hello/builds/15",
            "BUILDKITE_COMMIT": SHA, "BUILDKITE_BRANCH": "main", "BUILDKITE_PULL_REQUEST": "false",
        },
        {"provider": "buildkite", "run": "4735ba57", "stage": "unit", "attempt": 1},
    ),
    "Azure Pipelines": (
        {
            "TF_BUILD": "True", "BUILD_DEFINITIONNAME": "hello", "BUILD_BUILDID": "771",
            "SYSTEM_JOBATTEMPT": "1", "SYSTEM_JOBDISPLAYNAME": "Job",
            "SYSTEM_STAGEDISPLAYNAME": "Test", "BUILD_SOURCEVERSION": SHA,
            "BUILD_SOURCEBRANCH": "refs/heads/main", "BUILD_REASON": "IndividualCI",
            "SYSTEM_TEAMFOUNDATIONSERVERURI": "https://dev.azure.com/octo/",
            "SYSTEM_TEAMPROJECTID": "8f5b",
        },
        {"provider": "azure", "run": "771", "stage": "Test", "attempt": 1},
    ),
}  # fmt: skip


def command_of(heading: str) -> list[str]:
    """The line of a snippet that calls the wrapper."""
    text = PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")[2]
    block = text.partition("```")[2].partition("```")[0]
    (line,) = re.findall(r"sbhooks ci run [^'\n]*", block)
    return shlex.split(line)


def run(command: list[str], folder: Path, environ: dict[str, str]) -> int:
    kept = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env={**kept, **environ, "PATH": path}, check=False,
        capture_output=True, timeout=60,
    ).returncode  # fmt: skip


@pytest.mark.parametrize("system", JOBS)
def test_a_snippet_records_its_stage(
    tmp_path: Path, recorded: Callable[..., list[Any]], system: str
) -> None:
    environ, expected = JOBS[system]
    (tmp_path / "test_shop.py").write_text("def test_price(): pass\n")
    command = command_of(system)
    assert run(command, tmp_path, environ) == 0
    (stage,) = recorded("pipeline-stage")
    outer, inner = recorded("session-start")
    assert {
        "provider": outer.ci.provider, "run": stage.run, "stage": stage.stage,
        "attempt": outer.ci.attempt,
    } == expected  # fmt: skip
    assert (stage.phase, stage.outcome) == ("verification", "success")
    for start in (outer, inner):
        assert (start.vcs.commit, start.vcs.branch) == (SHA, "main")
    assert (inner.source, inner.parent) == ("pytest", outer.session)


def test_a_failing_hook_of_pre_commit_still_fails(
    tmp_path: Path, recorded: Callable[..., list[Any]]
) -> None:
    (tmp_path / "broken.py").write_text("def :")
    (tmp_path / "fine.py").write_text("x = 1")
    command = command_of("pre-commit")
    assert run([*command, "fine.py"], tmp_path, {}) == 0
    assert run([*command, "broken.py"], tmp_path, {}) == 1
    assert [(s.stage, s.outcome) for s in recorded("pipeline-stage")] == [
        ("pre-commit", "success"),
        ("pre-commit", "failure"),
    ]
    assert {invocation.skill for invocation in recorded("invocation")} == {"compile"}
