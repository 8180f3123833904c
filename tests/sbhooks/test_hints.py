"""How long tests usually take: kept in a small file that nobody needs to trust."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import hints
from sbhooks.hints import LEAST_RUNS, MAX_BYTES, MOST_RUNS, Hints, Usual


def known(*seconds: float) -> Usual:
    """What is usual for a test that took so long, run by run."""
    found = Hints()
    for each in seconds:
        found.add("wheel", "test_it.py::test_it", None, each)
    usual = found.usual("wheel", "test_it.py::test_it", None)
    assert usual is not None
    return usual


def test_what_is_usual_is_the_middle_and_the_longest_of_few_runs() -> None:
    assert known(0.3, 0.1, 0.2) == Usual(3, 0.2, 0.3)
    assert known(0.1, 0.2) == Usual(2, 0.15, 0.2)


def test_of_twenty_runs_the_longest_is_an_exception() -> None:
    assert known(*[0.1] * 18, 0.2, 9.0) == Usual(20, 0.1, 0.2)


def test_only_the_last_runs_count() -> None:
    assert known(*[9.0] * 30, *[0.1] * MOST_RUNS) == Usual(MOST_RUNS, 0.1, 0.1)


def test_parameters_and_projects_are_known_apart() -> None:
    found = Hints()
    found.add("wheel", "t::a", "1", 0.1)

    assert found.usual("wheel", "t::a", "1") is not None
    for project, params in [("wheel", None), ("wheel", "2"), ("other", "1")]:
        assert found.usual(project, "t::a", params) is None


@pytest.mark.parametrize(
    ("runs", "p95_s", "seconds", "slower"),
    [
        (LEAST_RUNS, 1.0, 1.26, True),
        (LEAST_RUNS - 1, 1.0, 9.0, False),
        (LEAST_RUNS, 1.0, 1.25, False),
        (LEAST_RUNS, 0.01, 0.059, False),
        (LEAST_RUNS, 0.01, 0.061, True),
        (MOST_RUNS, 0.5, 0.6, False),
    ],
)
def test_slower_is_what_exceeds_both_limits(
    runs: int, p95_s: float, seconds: float, slower: bool
) -> None:
    assert Usual(runs, p95_s / 2, p95_s).is_slower(seconds) is slower


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    found = Hints(after=7)
    found.add("wheel", "t::ü", "a\nb", 0.123)

    hints.save(str(tmp_path), found)
    again = hints.load(str(tmp_path))

    assert again.after == 7
    assert again.usual("wheel", "t::ü", "a\nb") == Usual(1, 0.123, 0.123)
    assert [path.name for path in tmp_path.iterdir()] == [hints.FILE]
    assert (tmp_path / hints.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000,
        b'{"version":2,"after":1,"projects":{}}',
        b'{"version":1,"after":"x","projects":{}}', b'{"version":1,"after":1,"projects":[]}',
        b'{"version":1,"after":1,"projects":{"wheel":{"t":1}}}', b" " * (MAX_BYTES + 1),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / hints.FILE).write_bytes(content)

    assert hints.load(str(tmp_path)).encode() == Hints().encode()


def test_a_home_that_cannot_be_read_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert hints.load(str(tmp_path / "none")).after == 0
    assert hints.load(str(tmp_path / "file")).after == 0


def test_the_tests_that_ran_last_stay_when_there_are_too_many() -> None:
    found = Hints()
    for number in range(5_000):
        found.add("old", f"tests/test_{'x' * 200}.py::test_{number}", None, 1.0)
    for number in range(3_000):
        found.add("new", f"tests/test_{'x' * 200}.py::test_{number}", None, 1.0)

    data = found.encode()

    assert MAX_BYTES * 0.9 < len(data) <= MAX_BYTES
    assert data.count(b"::test_") == data.count(b"[1000]")
    assert b'"new":{"tests' in data
    assert b"::test_4999" in data
    assert b"::test_3001" not in data


@given(
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.floats(0, 1e6)), max_size=50)
)
def test_any_names_and_times_are_kept(runs: list[tuple[str, str, float]]) -> None:
    found = Hints()
    for project, test, seconds in runs:
        found.add(project, test, None, seconds)

    assert len(found.encode()) <= MAX_BYTES
    for project, test, _ in runs:
        usual = found.usual(project, test, None)
        assert usual is not None
        assert usual.p50_s <= usual.p95_s


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    hints.save(str(tmp_path), Hints(after=3))
    hints.forget(str(tmp_path))
    hints.forget(str(tmp_path))

    assert list(tmp_path.iterdir()) == []
