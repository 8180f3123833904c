from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sbhooks.context import session_fields, traceparent
from sbhooks.settings import host_settings

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "trunk")
    for number in range(2):
        (folder / "file").write_text(str(number))
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "change")
    return folder


def fields(folder: Path, home: Path, environ: dict[str, str]) -> dict[str, object]:
    settings = host_settings(str(folder), {"SBHOOKS_HOME": str(home)})
    return session_fields(settings, str(folder), environ)


def test_a_laptop_has_a_project_and_a_checkout_and_no_ci(repository: Path, home: Path) -> None:
    found = fields(repository, home, {})
    assert found["project"] == "shop"
    assert found["vcs"] == {"commit": git(repository, "rev-parse", "HEAD"), "branch": "trunk"}
    assert not found.keys() & {"ci", "traceparent", "parent"}
    assert str(found["user"]).startswith("user-")


def test_git_answers_what_the_ci_system_does_not(repository: Path, home: Path) -> None:
    found = fields(repository, home, {"CIRCLECI": "true", "CIRCLE_BRANCH": "feature"})
    assert found["vcs"] == {"commit": git(repository, "rev-parse", "HEAD"), "branch": "feature"}


def test_a_detached_head_has_a_commit_and_no_branch(repository: Path, home: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert fields(repository, home, {})["vcs"] == {"commit": git(repository, "rev-parse", "HEAD")}


def test_a_linked_worktree_and_a_shallow_clone_are_checkouts(
    repository: Path, home: Path, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "shallow")
    head = git(repository, "rev-parse", "HEAD")
    assert fields(tmp_path / "side", home, {})["vcs"] == {"commit": head, "branch": "side"}
    assert fields(tmp_path / "shallow", home, {})["vcs"] == {"commit": head, "branch": "trunk"}


def test_a_build_of_a_tag_has_no_branch(repository: Path, home: Path) -> None:
    found = fields(repository, home, {"TRAVIS": "true", "TRAVIS_TAG": "v1", "TRAVIS_BRANCH": "v1"})
    assert found["vcs"] == {"commit": git(repository, "rev-parse", "HEAD"), "tag": "v1"}


def test_trace_and_parent_are_continued(repository: Path, home: Path) -> None:
    found = fields(repository, home, {"TRACEPARENT": TRACE, "SBHOOKS_SESSION": "s1"})
    assert (found["traceparent"], found["parent"]) == (TRACE, "s1")


@pytest.mark.parametrize(
    "text",
    [
        "", "00", TRACE[:-1], TRACE + "-00", "ff" + TRACE[2:], TRACE.replace("0af7", "0xf7"),
        f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{'a' * 32}-{'0' * 16}-01",
    ],
)  # fmt: skip
def test_a_trace_that_is_none_is_not_continued(text: str) -> None:
    assert traceparent(text) is None


def test_a_trace_is_taken_as_the_standard_says() -> None:
    assert traceparent(f" {TRACE.upper()} ") == TRACE
    assert traceparent(f"01{TRACE[2:]}-future") == f"01{TRACE[2:]}-future"
