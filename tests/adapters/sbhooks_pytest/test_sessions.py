"""The run as a whole: its facts, its phases, its counts, and why it ended."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOUR = """
    def test_a(): pass
    def test_b(): assert 0
    def test_c(): assert 0
    def test_d(): pass
"""


@pytest.fixture(scope="module")
def run(make_project: Callable[..., Any]) -> Any:
    """An ordinary run, with a bit of everything."""
    files = {
        "test_it.py": FOUR
        + """
    import pytest, warnings
    @pytest.mark.slow
    def test_slow(): pass
    def test_warns(): warnings.warn("careful", stacklevel=1)
    def test_warns_too(): warnings.warn("careful, too", stacklevel=1)
    """,
        "pytest.ini": "[pytest]\nmarkers = slow: takes long\n",
    }
    environ = {
        "TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "SBHOOKS_SESSION": "01a1fbb5-9f74-734c-8226-183f77c4ab1b",
    }
    return make_project(files).run("-m", "not slow", "-k", "not test_d", environ=environ)


def test_the_start_says_with_what_the_tests_ran(run: Any) -> None:
    start = run.start

    assert (start.tool, start.tool_version) == ("pytest", pytest.__version__)
    assert start.python == platform.python_version()
    assert start.platform == f"{sys.platform}-{platform.machine()}"
    assert start.project == "project"
    assert start.attributes["rootdir"] == "project"
    assert start.attributes["plugins"].startswith("sbhooks-")


def test_the_start_says_which_tests_were_asked_for(run: Any) -> None:
    attributes = run.start.attributes

    assert attributes["args"].endswith("-m not slow -k not test_d")
    assert (attributes["markexpr"], attributes["keyword"]) == ("not slow", "not test_d")


def test_the_start_says_what_the_run_is_part_of(run: Any) -> None:
    assert run.start.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert run.start.parent == "01a1fbb5-9f74-734c-8226-183f77c4ab1b"
    assert (run.start.ci, run.start.vcs) == (None, None)


def test_there_is_one_event_for_each_thing_that_happened(run: Any) -> None:
    kinds = [type(event).__name__ for event in run.events]

    assert kinds == [
        "SessionStart", "PhaseChange", "PhaseChange", *["TestResult"] * 5,
        "PhaseChange", "PhaseChange", "Invocation", "SessionEnd",
    ]  # fmt: skip


def test_phases_follow_each_other(run: Any) -> None:
    assert run.phases == [
        ("", "setup"), ("setup", "execution"), ("execution", "verification"),
        ("verification", ""),
    ]  # fmt: skip
    assert {event.workflow for event in run.events if hasattr(event, "phase_to")} == {"pytest-run"}


def test_events_are_dated_in_the_order_in_which_they_were_written(run: Any) -> None:
    dates = [event.at for event in run.events[:-2]]  # the two about the whole run share a moment

    assert dates == sorted(dates)


def test_the_run_is_an_invocation(run: Any) -> None:
    call, end = run.invocation, run.end

    assert (call.skill, call.outcome, call.error_type) == ("pytest-run", "failure", "tests-failed")
    assert call.duration_s == end.duration_s > 0
    assert sum(result.duration_s for result in run.results) < end.duration_s


def test_everything_is_counted(run: Any) -> None:
    assert run.end.counts == {
        "passed": 3, "failed": 2, "collected": 5, "deselected": 2, "warnings": 2,
    }  # fmt: skip
    assert run.summary == {"failed": 2, "passed": 3, "deselected": 2, "warning": 2}


BREAKS = {
    "a hook that fails": """
        def pytest_runtest_logreport(report):
            if report.when == "call" and "test_b" in report.nodeid: raise KeyError("my plugin")
    """,
    "a hook that fails at the start": """
        def pytest_sessionstart(): raise KeyError("my plugin")
    """,
    "a hook that fails in collection": """
        def pytest_collection_modifyitems(items): raise KeyError("my plugin")
    """,
    "a hook that fails at the end": """
        def pytest_sessionfinish(): raise KeyError("my plugin")
    """,
}
#: What happens → (conftest, arguments, exit status, outcome, kind of error, reason, results).
ENDINGS: dict[str, tuple[str, tuple[str, ...], int, str, str | None, str, int]] = {
    "all pass": ("", ("-k", "test_a or test_d"), 0, "success", None, "finished", 2),
    "some fail": ("", (), 1, "failure", "tests-failed", "finished", 4),
    "-x": (
        "", ("-x",), 1, "failure", "tests-failed",
        "stopped at 2 of 4: stopping after 1 failures", 2,
    ),
    "--maxfail": (
        "", ("--maxfail=2",), 1, "failure", "tests-failed",
        "stopped at 3 of 4: stopping after 2 failures", 3,
    ),
    "--stepwise": (
        "", ("--stepwise",), 2, "failure", "tests-failed",
        "stopped at 2 of 4: Test failed, continuing from this test next run.", 2,
    ),
    "a plugin stops": (
        """
        import pytest
        def pytest_runtest_logfinish(nodeid, location): told.shouldstop = "time is up"
        def pytest_sessionstart(session): global told; told = session
        """,
        (), 2, "failure", "tests-failed", "stopped at 1 of 4: time is up", 1,
    ),
    "nothing is selected": ("", ("-k", "nothing"), 5, "skip", None, "no tests", 0),
    "there is no such file": ("", ("nowhere.py",), 4, "error", "usage-error", "usage error", 0),
    "there is no such test": (
        "", ("test_it.py::test_z",), 4, "error", "usage-error", "usage error", 0,
    ),
    "a hook that fails": (
        BREAKS["a hook that fails"], (), 3, "error", "internal-error",
        "internal error: KeyError: 'my plugin'", 2,
    ),
    "a hook that fails at the start": (
        BREAKS["a hook that fails at the start"], (), 3, "error", "internal-error",
        "internal error: KeyError: 'my plugin'", 0,
    ),
    "a hook that fails in collection": (
        BREAKS["a hook that fails in collection"], (), 3, "error", "internal-error",
        "internal error: KeyError: 'my plugin'", 0,
    ),
    "a status of its own": (
        "def pytest_sessionfinish(session): session.exitstatus = 77", (),
        77, "failure", None, "exit status 77", 4,
    ),
    "a plugin that finds failures acceptable": (
        "def pytest_sessionfinish(session): session.exitstatus = 0", (),
        0, "success", None, "finished", 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDINGS)
def test_the_end_says_why(project: Callable[..., Any], what: str) -> None:
    conftest, args, status, outcome, error_type, reason, results = ENDINGS[what]

    run = project({"test_it.py": FOUR, "conftest.py": conftest}).run(*args)

    assert run.status == run.end.exit_status == status
    assert (run.end.outcome, run.end.reason) == (outcome, reason)
    assert (run.invocation.outcome, run.invocation.error_type) == (outcome, error_type)
    assert len(run.results) == results
    assert run.phases[0] == ("", "setup")
    assert run.phases[-1][1] == ""
    assert run.collected.killed == 0


def test_a_plugin_that_fails_at_the_very_end_changes_nothing_recorded(
    project: Callable[..., Any],
) -> None:
    conftest = BREAKS["a hook that fails at the end"]

    run = project({"test_it.py": FOUR, "conftest.py": conftest}).run()

    assert run.status != 0
    assert [str(r.detail) for r in run.results] == ["passed", "failed", "failed", "passed"]
    assert run.end.counts["passed"] == run.end.counts["failed"] == 2


def test_what_is_no_test_is_not_counted_among_those_that_ran(project: Callable[..., Any]) -> None:
    skipped = "import pytest\npytest.skip('as a whole', allow_module_level=True)"

    run = project({"test_it.py": FOUR, "test_0.py": skipped, "test_1.py": skipped}).run("-x")

    assert run.end.reason == "stopped at 2 of 4: stopping after 1 failures"


def test_a_broken_file_and_minus_x_say_why_nothing_ran(project: Callable[..., Any]) -> None:
    run = project({"test_0.py": "import nothing_like_this", "test_it.py": FOUR}).run("-x")

    assert run.status == run.end.exit_status
    assert (run.end.outcome, run.invocation.error_type) == ("failure", "collection-error")
    assert run.end.reason.startswith("1 collection error")


def test_who_ended_a_test_by_ending_the_run_is_named(project: Callable[..., Any]) -> None:
    exiting = "import pytest\ndef test_it(): pytest.exit('enough for today')"

    run = project({"test_it.py": exiting}).run()

    [result] = run.results
    assert (result.outcome, result.failure.type) == ("cancellation", "Exit")
    assert run.end.reason == "interrupted at 1 of 1: Exit: enough for today"


def git(folder: Path, *args: str) -> str:
    who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    command = ["git", *who, "-c", "init.defaultBranch=trunk", *args]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(project: Callable[..., Any]) -> Any:
    """A project under version control, with the tests in a folder that has its own settings."""
    made = project({"test_it.py": FOUR, "sub/pytest.ini": "[pytest]", "sub/test_sub.py": FOUR})
    git(made.folder, "init", "--quiet")
    git(made.folder, "add", ".")
    git(made.folder, "commit", "--quiet", "-m", "First")
    git(made.folder, "remote", "add", "origin", "https://joe:secret9@example.org/team/wheel.git")
    return made


def test_the_start_says_on_what_the_tests_ran(repository: Any) -> None:
    start = repository.run().start

    assert start.vcs.commit == git(repository.folder, "rev-parse", "HEAD")
    assert start.vcs.branch == "trunk"
    assert start.project.endswith("wheel")
    assert "secret9" not in start.project


def test_a_folder_with_settings_of_its_own_is_named_after_the_repository(repository: Any) -> None:
    start = repository.run("sub").start

    assert start.project.endswith("wheel/sub")
    assert start.attributes["rootdir"] == "sub"


def test_a_detached_head_has_a_commit_and_no_branch(repository: Any) -> None:
    git(repository.folder, "checkout", "--quiet", "--detach")

    start = repository.run().start

    assert (bool(start.vcs.commit), start.vcs.branch) == (True, None)


def state(run: Any) -> str:
    return run.end.attributes["code.state"]


def test_the_state_of_the_code_changes_when_code_does(repository: Any) -> None:
    states = [state(repository.run())]
    for name, text in {
        "test_it.py": FOUR + "\n    # a comment",
        "new.py": "",
        "sub/setup.cfg": "[metadata]",
    }.items():
        repository.write({name: text})
        states.append(state(repository.run()))
    (repository.folder / "new.py").unlink()
    states.append(state(repository.run()))
    git(repository.folder, "commit", "--quiet", "--all", "-m", "Second")
    states.append(state(repository.run()))

    assert len(set(states)) == len(states)


def test_the_state_of_the_code_changes_with_nothing_else(repository: Any) -> None:
    before = state(repository.run())
    repository.write(
        {
            "notes.txt": "no code",
            "build/lib/made.py": "",
            ".venv/pyvenv.cfg": "",
            ".venv/lib/other.py": "",
            "env/pyvenv.cfg": "",
            "env/lib/other.py": "",
            "node_modules/a.py": "",
            "docs/index.html": "",
        }
    )

    runs = [repository.run(), repository.run("-k", "test_a", "-q"), repository.run("--lf")]

    assert {state(run) for run in runs} == {before}


CI: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "GitHub": (
        {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKFLOW": "tests",
            "GITHUB_RUN_ID": "1658821493",
            "GITHUB_RUN_ATTEMPT": "2",
            "GITHUB_JOB": "unit",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "octo/hello",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SHA": "ffac537e6cbbf934b08745a378932722df287a53",
            "GITHUB_TOKEN": "ghs_0123456789abcdefghij",
            "RUNNER_NAME": "GitHub Actions 7",
        },
        {
            "provider": "github",
            "pipeline": "tests",
            "run_id": "1658821493",
            "attempt": 2,
            "job": "unit",
            "url": "https://github.com/octo/hello/actions/runs/1658821493",
            "triggered_by": "push",
            "worker": "GitHub Actions 7",
        },
        {"commit": "ffac537e6cbbf934b08745a378932722df287a53", "branch": "main"},
    ),
    "GitLab": (
        {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_PROJECT_PATH": "team/wheel",
            "CI_PIPELINE_ID": "1234",
            "CI_JOB_NAME": "unit: [3.12]",
            "CI_JOB_STAGE": "test",
            "CI_JOB_URL": "https://joe:pass1234@gitlab.example.org/team/wheel/-/jobs/5",
            "CI_MERGE_REQUEST_IID": "17",
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_NODE_INDEX": "3",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "b" * 40,
            "CI_COMMIT_SHA": "a" * 40,
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/x",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_JOB_TOKEN": "glcbt-64_abcdefghijklmnop",
        },
        {
            "provider": "gitlab",
            "pipeline": "team/wheel",
            "run_id": "1234",
            "job": "unit: [3.12]",
            "stage": "test",
            "url": "https://gitlab.example.org/team/wheel/-/jobs/5",
            "pr": "17",
            "triggered_by": "merge_request_event",
            "shard": "3",
        },
        {"commit": "b" * 40, "branch": "feature/x", "base": "main"},
    ),
    "somebody's own": ({"CI": "1"}, {"provider": "unknown"}, {}),
}


@pytest.mark.parametrize("name", CI)
def test_a_run_in_ci_says_in_which(project: Callable[..., Any], name: str) -> None:
    environ, ci, vcs = CI[name]

    run = project({"test_it.py": "def test_it(): pass"}).run(environ=environ)

    told = run.start.ci
    assert {f: getattr(told, f) for f in told.__struct_fields__ if getattr(told, f)} == ci
    found = run.start.vcs
    assert ({f: getattr(found, f) for f in ("commit", "branch", "base") if getattr(found, f)}
            if found else {}) == vcs  # fmt: skip
    everything = b"\n".join(run.lines)
    assert not any(secret in everything for secret in (b"ghs_0123", b"pass1234", b"glcbt-64"))


def test_whoever_says_to_be_no_ci_is_none(project: Callable[..., Any]) -> None:
    run = project({"test_it.py": "def test_it(): pass"}).run(environ={"CI": "false"})

    assert run.start.ci is None
