"""What the operating system refuses is said with the file and with what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sbhooks.os_errors import explained


def error_of(*paths: Path) -> OSError:
    """What trying to read a file, or to rename the first to the second, raises."""
    with pytest.raises(OSError) as raised:
        if len(paths) == 1:
            paths[0].read_bytes()
        else:
            paths[0].rename(paths[1])
    return raised.value


def test_the_file_is_named_and_the_number_is_not(tmp_path: Path, home: Path) -> None:
    told = explained(error_of(tmp_path / "absent"), str(home))
    assert told == (
        f"cannot use {tmp_path / 'absent'}: No such file or directory. Run: sbhooks doctor"
    )


def test_a_home_that_is_the_reason_is_named_instead_of_a_file_in_it(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("")
    told = explained(error_of(home / "tokens.json"), str(home))
    assert told == (
        f"cannot use the home {home}: {home} is no folder. "
        "Set SBHOOKS_HOME to a folder that you can write"
    )


def test_a_home_that_is_fine_is_not_blamed(home: Path) -> None:
    home.mkdir(parents=True)
    assert explained(error_of(home / "absent"), str(home)).startswith(f"cannot use {home}/absent: ")


def test_what_may_not_be_read_is_told_from_what_is_not_there(nobodys_home: Path) -> None:
    nobodys_home.mkdir()
    secret = nobodys_home / "secret"
    secret.touch(mode=0o000)
    told = explained(error_of(secret), str(nobodys_home))
    assert (
        told == f"cannot use {secret}: Permission denied. Check that you may read and write there"
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("just words"), "just words. Run: sbhooks doctor"),
        (OSError(), "OSError. Run: sbhooks doctor"),
        (
            OSError(9, os.strerror(9), 7),
            "cannot use a file: Bad file descriptor. Run: sbhooks doctor",
        ),
        (
            OSError(28, "No space left on device", b"/x/y"),
            "cannot use /x/y: No space left on device. Make room, or take another place",
        ),
    ],
)
def test_odd_errors_have_their_line_too(error: OSError, told: str, home: Path) -> None:
    assert explained(error, str(home)) == told


def test_a_working_folder_that_is_gone_is_no_second_error(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert explained(error_of(Path("absent")), str(home)).startswith("cannot use absent: ")
