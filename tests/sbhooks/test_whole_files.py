"""Files that are there whole or not at all."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sbhooks.whole_files import replace, sync


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_the_place_of_another_and_is_private(tmp_path: Path, *, durable: bool) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    file.chmod(0o644)
    replace(str(file), b"new", durable=durable)
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_where_it_cannot_be_written_the_old_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    replace(str(file), b"old")
    code = (
        "import resource, signal, sys\n"
        "from sbhooks.whole_files import replace\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))\n"
        "try:\n    replace(sys.argv[1], bytes(100_000))\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(file)], check=True, capture_output=True, text=True
    )
    assert told.stdout == "File too large\n"
    assert file.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [file]


def test_nothing_is_made_beside_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace(str(tmp_path / "missing" / "a.json"), b"new")
    with pytest.raises(FileNotFoundError):
        sync(str(tmp_path / "missing"))
    assert [*tmp_path.iterdir()] == []
