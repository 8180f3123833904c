"""Paths in texts lose who works where, and nothing else."""

# ruff: noqa: S108 - texts, no files

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks_pytest.paths import Paths

PATHS = Paths("/home/ann/project", "/home/ann", ["ann"], ["/tmp"])

#: Text → what is recorded of it in a message, and in parameters, where it differs.
TEXTS = {
    "open('/home/ann/project/data/x.csv')": ("open('data/x.csv')", "open('./data/x.csv')"),
    "in /home/ann/project": ("in .",),
    "/home/ann/project-2/x": ("~/project-2/x",),
    "/home/ann/.cache": ("~/.cache",),
    "no /home/ann": ("no ~",),
    "'/home/ann'": ("'~'",),
    "/home/anna/x": ("/home/anna/x",),
    "/mnt/backup/ann/notes": ("/mnt/backup/<user>/notes",),
    "/mnt/annals": ("/mnt/annals",),
    "/tmp/x": ("<tmp>/x",),
    "/tmpfs/x": ("/tmpfs/x",),
    "/tmp/pytest-of-ann/pytest-7/test_x0/o": ("<tmp>/test_x0/o", "<tmp>/pytest-7/test_x0/o"),
    "/tmp/pytest-of-ann/pytest-7/popen-gw1/o": ("<tmp>/o", "<tmp>/pytest-7/popen-gw1/o"),
    "/tmp/tmpq3x_k2jd/o": ("<tmp>/o", "<tmp>/tmpq3x_k2jd/o"),
    "/scratch/pytest-of-ann/pytest-7/o": ("/scratch/<tmp>/o", "/scratch/<tmp>/pytest-7/o"),
    "a/b and 1/2": ("a/b and 1/2",),
}  # fmt: skip


@pytest.mark.parametrize(("text", "shorts"), TEXTS.items(), ids=TEXTS)
def test_what_is_recorded_of(text: str, shorts: tuple[str, ...]) -> None:
    assert (PATHS.shorten(text), PATHS.shorten_exactly(text)) == (shorts[0], shorts[-1])


@given(st.text(alphabet="/ab.\n'", max_size=30))
def test_texts_without_such_folders_stay_as_they_are(text: str) -> None:
    assert PATHS.shorten(text) == text


@pytest.mark.parametrize("root", ["/", "", "relative"])
def test_a_root_that_says_nothing_shortens_nothing(root: str) -> None:
    assert Paths(root, "", [], ["", "/"]).shorten("/srv/x") == "/srv/x"


NAMED = """
    import os, pathlib, pytest
    HOME = os.path.expanduser("~")
    def test_home_alone(): raise ValueError(f"home is {HOME}")
    def test_temporary(tmp_path): (tmp_path / "missing").read_text()
    @pytest.mark.parametrize("path", [f"{HOME}/secretproject/x"])
    def test_parameter(path): pass
"""


def test_a_failure_in_a_temporary_folder_reads_the_same_each_time(
    project: Callable[..., Any],
) -> None:
    made = project({"test_it.py": NAMED})
    messages = [made.run().result("test_temporary").failure.message for _ in range(2)]

    assert messages[0] == messages[1]
    assert "'<tmp>/test_temporary0/missing'" in messages[0]


def test_the_home_is_not_named(project: Callable[..., Any]) -> None:
    run = project({"test_it.py": NAMED}).run()

    assert run.result("test_home_alone").failure.message == "home is ~"
    assert run.result("test_parameter").params == "~/secretproject/x"


def test_a_run_in_the_home_has_no_name(project: Callable[..., Any]) -> None:
    made = project({"test_it.py": "def test_it(): pass"})

    start = made.run(environ={"HOME": str(made.folder)}).start

    assert start.project is None
    assert "rootdir" not in start.attributes


def test_a_project_named_like_the_user_has_no_name(project: Callable[..., Any]) -> None:
    made = project({"test_it.py": "def test_it(): pass"})

    start = made.run(environ={"USER": made.folder.name + "x"}).start
    named = made.run(environ={"HOME": "/home/elsewhere/josephine", "USER": "josephine"}).start
    made.folder = made.folder.rename(made.folder.with_name("josephine"))
    unnamed = made.run(environ={"USER": "josephine"}).start

    assert (start.project, named.project, unnamed.project) == ("project", "project", None)


def test_a_ci_worker_named_like_the_machine_gets_its_stand_in(project: Callable[..., Any]) -> None:
    from sbhooks.identity import host_name

    made = project({"test_it.py": "def test_it(): pass"})
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7", "RUNNER_NAME": host_name().upper()}

    start = made.run(environ=environ).start

    assert start.ci.worker == start.host
    assert host_name().encode() not in b"".join(made.run(environ=environ).lines)
