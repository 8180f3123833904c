"""What keeps a folder from being made is found out without leaving a trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sbhooks.folders import obstacle


def test_a_folder_that_can_be_written_or_made_has_none(tmp_path: Path) -> None:
    assert obstacle(str(tmp_path)) == ""
    assert obstacle(str(tmp_path / "a" / "b")) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "a", file / "a" / "b"):
        assert obstacle(str(folder)) == f"{file} is no folder"


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    assert obstacle(str(tmp_path / "link" / "a")) == f"{tmp_path / 'link'} is no folder"


@pytest.mark.parametrize("mode", [0o500, 0o000])
@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_folder_that_may_not_be_written_is_named(
    nobodys_home: Path, mode: int, below: str
) -> None:
    nobodys_home.mkdir(mode=mode)
    assert obstacle(os.path.join(nobodys_home, below).rstrip("/")) == (  # noqa: PTH118
        f"{nobodys_home} cannot be written"
    )


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs the file system of processes")
def test_a_file_system_that_makes_nothing_is_found_out() -> None:
    assert obstacle("/proc/absent/a").startswith("nothing can be made in /proc: ")


def test_what_a_killed_trial_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".sbhooks-{os.getpid()}").mkdir()
    assert obstacle(str(tmp_path / "home")) == ""
