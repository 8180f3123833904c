import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import folders, problems
from sbhooks.problems import MAX_FILE_BYTES, Problem, forget, read, record


@pytest.fixture
def unwritable(home: Path) -> Iterator[str]:
    """A home that cannot be made, not even by root."""
    home.parent.joinpath("file").write_text("")
    yield str(home.parent / "file" / "home")


def texts(home: Path | str) -> list[str]:
    return [problem.what for problem in read(str(home))]


def test_a_problem_is_kept_with_time_place_and_process(home: Path) -> None:
    record(str(home), "spool", "the disk is full", lost=3)
    (problem,) = read(str(home))
    assert problem[1:] == ("spool", "the disk is full", os.getpid(), 3)
    assert problem.at.endswith("Z")
    assert len(problem.at) == 27


def test_nothing_is_read_from_nowhere(home: Path) -> None:
    assert read(str(home)) == []


def test_the_same_problem_is_written_once_per_process(home: Path) -> None:
    for _ in range(5):
        record(str(home), "spool", "again")
    record(str(home), "config", "again")
    assert texts(home) == ["again", "again"]


def test_lost_events_are_always_written(home: Path) -> None:
    record(str(home), "spool", "lost", lost=1)
    record(str(home), "spool", "lost", lost=2)
    assert sum(problem.lost for problem in read(str(home))) == 3


def test_a_process_writes_at_most_a_hundred_problems(home: Path) -> None:
    for number in range(150):
        record(str(home), "plugin", f"trouble {number}")
    assert len(read(str(home))) == 100
    record(str(home), "spool", "lost", lost=1)
    assert len(read(str(home))) == 101


def test_a_long_text_is_cut(home: Path) -> None:
    record(str(home), "plugin", "x" * 100_000)
    assert texts(home) == ["x" * 2_000]


def test_the_files_are_private_and_bounded(home: Path) -> None:
    for number in range(400):
        record(str(home), "spool", f"{number} {'x' * 2_000}", lost=1)
    sizes = [path.stat().st_size for path in home.iterdir()]
    assert sorted(path.name for path in home.iterdir()) == ["problems.1.jsonl", "problems.jsonl"]
    assert max(sizes) <= MAX_FILE_BYTES + 2_200
    assert texts(home)[-1].startswith("399 ")
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_problems_are_read_oldest_first_across_both_files(home: Path) -> None:
    for number in range(200):
        record(str(home), "spool", f"{number:03} {'x' * 1_900}", lost=1)
    assert (home / "problems.1.jsonl").exists()
    kept = [text[:3] for text in texts(home)]
    assert kept == sorted(kept)
    assert kept[-1] == "199"


def test_where_the_home_cannot_be_written_a_private_folder_is_used(unwritable: str) -> None:
    record(unwritable, "spool", "no home")
    assert texts(unwritable) == ["no home"]
    folder = Path(folders.temporary())
    assert folder.parent == Path(os.environ["TMPDIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_fallback_folder_of_a_stranger_is_neither_written_nor_read(unwritable: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = Path(folders.temporary())
    folder.mkdir()
    file = Path(problems._places(unwritable)[1])
    planted = Problem("2026-01-01T00:00:00.000000Z", "spool", "planted", 1)._asdict()
    file.write_text(json.dumps(planted) + "\n")
    os.chown(folder, 12345, 12345)
    os.chown(file, 12345, 12345)
    record(unwritable, "spool", "mine")
    assert texts(unwritable) == []
    assert "mine" not in file.read_text()
    assert not Path(folders.temporary()).exists()


def test_the_problems_of_one_home_are_not_anothers(unwritable: str, home: Path) -> None:
    record(unwritable, "spool", "elsewhere")
    assert texts(str(home)) == []
    forget(str(home))
    assert texts(unwritable) == ["elsewhere"]


def test_a_line_of_an_older_version_that_counted_nothing_is_read(home: Path) -> None:
    home.mkdir(parents=True)
    line = '{"at": "2026-01-01T00:00:00.000000Z", "where": "w", "what": "x", "pid": 7}'
    (home / "problems.jsonl").write_text(line)
    assert read(str(home)) == [Problem("2026-01-01T00:00:00.000000Z", "w", "x", 7, 0)]


def test_a_planted_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    home.mkdir(parents=True)
    (home / "problems.jsonl").symlink_to(tmp_path / "target")
    record(str(home), "spool", "x")
    assert not (tmp_path / "target").exists()
    assert texts(home) == ["x"]  # in the other folder


@pytest.mark.parametrize("bad", ["", "\0", "a\0b"])
def test_a_home_that_is_no_path_is_no_error(bad: str) -> None:
    record(bad, "spool", "x")
    assert "x" in texts(bad)
    forget(bad)
    assert texts(bad) == []


def test_what_is_forgotten_is_gone(home: Path, unwritable: str) -> None:
    record(str(home), "spool", "a")
    record(unwritable, "spool", "b")
    forget(str(home))
    assert texts(home) == []
    forget(str(home))


@given(lines=st.lists(st.binary(max_size=60) | st.from_regex(rb'\{"at": .{1,20}\}'), max_size=8))
def test_reading_never_raises_whatever_the_file_holds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "problems.jsonl").write_bytes(b"\n".join(lines))
    assert all(isinstance(problem, Problem) for problem in read(str(home)))


@pytest.mark.parametrize(
    "line",
    [
        '{"at": 1, "where": "w", "what": "x", "pid": 1}',
        '{"at": "tomorrow", "where": "w", "what": "x", "pid": 1}',
        '{"at": "2026-01-01T00:00:00.000000Z", "where": "w", "what": "x", "pid": "1"}',
        '{"at": "2026-01-01T00:00:00.000000Z", "where": "w", "what": "x", "pid": 1, "lost": null}',
        '{"at": "2026-01-01T00:00:00.000000Z", "where": "w"}',
        '{"at": "2026-01-01T00:00:00.000000Z", "where": "w", "what": "x", "pid": 1, "more": 1}',
        "[" * 100_000,
        '["t", "w", "x", 1]',
    ],
)
def test_damaged_lines_are_passed_over_and_the_others_read(home: Path, line: str) -> None:
    record(str(home), "spool", "before", lost=1)
    with (home / "problems.jsonl").open("a") as file:
        file.write(line + "\n")
    record(str(home), "spool", "after", lost=1)
    assert texts(home) == ["before", "after"]


def test_what_a_full_disk_has_torn_does_not_swallow_the_next_problem(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "problems.jsonl").write_text('{"at": "20')
    record(str(home), "spool", "the disk was full", lost=2)
    assert texts(home) == ["the disk was full"]
