"""Figures, ages and foreign text as people read them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.wording import (
    ago,
    cells,
    clean,
    count,
    duration,
    moment,
    percent,
    shorten,
    shorten_all,
    size,
    sparkline,
    wrapped,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNICODE = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0, "0.0 ms"),
        (0.00004, "0.0 ms"),
        (0.0012, "1.2 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.0354, "35 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.24, "1.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (125.2, "2 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (4200, "1 h 10 min"),
        (4_000_000, "1,111 h 7 min"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (0.0001, "<0.1 %"),
        (0.004, "0.4 %"),
        (0.0096, "1 %"),
        (0.92, "92 %"),
        (0.99, "99 %"),
        (0.9951, "99.5 %"),
        (0.99999, ">99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_only_none_and_all_are_0_and_100_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_no_share_in_between_is_written_as_none_or_all(share: float) -> None:
    assert percent(share) not in {"0 %", "100 %", "0.0 %", "100.0 %"}


def test_nouns_agree_with_their_numbers() -> None:
    assert [count(n, "test") for n in (0, 1, 1203)] == ["0 tests", "1 test", "1,203 tests"]
    assert count(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (None, "–"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (9_940, "9.9 kB"),
        (196_608, "197 kB"), (999_600, "1.0 MB"), (12_000_000_000, "12 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)  # fmt: skip
def test_a_size_has_the_unit_that_suits_it(size_bytes: int | None, text: str) -> None:
    assert size(size_bytes) == text


@pytest.mark.parametrize(
    ("back", "text"),
    [
        (timedelta(seconds=-5), "just now"), (timedelta(0), "just now"),
        (timedelta(seconds=59), "59 s ago"), (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"), (timedelta(hours=47), "47 h ago"),
        (timedelta(days=3, hours=5), "3 d ago"), (timedelta(days=2000), "2,000 d ago"),
    ],
)  # fmt: skip
def test_an_age_is_rounded_down(back: timedelta, text: str) -> None:
    assert ago(NOW - back, NOW) == text


def test_an_unknown_time_has_no_age() -> None:
    assert (ago(None, NOW), moment(None)) == ("–", "–")


@pytest.mark.parametrize("year", [1, 1969, 2026, 9998])
def test_any_time_that_can_be_stored_can_be_written(year: int) -> None:
    assert str(year) in moment(datetime(year, 6, 1, tzinfo=UTC))


def test_a_sparkline_goes_from_nothing_to_its_largest_value() -> None:
    assert sparkline([0, 1, 50, 100]) == "▁▂▅█"


def test_a_sparkline_leaves_gaps_and_keeps_the_newest() -> None:
    assert sparkline([9, None, 4, 8], width=3) == " ▅█"


@pytest.mark.parametrize("values", [[], [None], [0, 0], [float("inf"), 1], [5e-324]])
def test_a_sparkline_of_odd_values_is_as_long_as_they_are(values: list[float | None]) -> None:
    assert len(sparkline(values)) == len(values)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("tests/a.py::test_x[é-日本-🙂]", "tests/a.py::test_x[é-日本-🙂]"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b2J", r"\x9b2J"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("no\xa0break", "no break"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, safe: str) -> None:
    assert clean(text) == safe


@given(UNICODE)
def test_cleaned_text_has_nothing_but_printable_characters(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")


@given(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=60), st.integers(1, 40))
def test_a_shortened_text_fits_and_keeps_its_end(text: str, width: int) -> None:
    short = shorten(text, width)
    assert cells(short) <= max(width, 1)
    assert short == text or (short[0] == "…" and text.endswith(short[1:]))


def test_wide_and_combining_characters_take_the_cells_that_terminals_give_them() -> None:
    assert [cells(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
    assert unicodedata.combining("\u0301")


def test_texts_with_the_same_end_keep_what_tells_them_apart() -> None:
    names = [f"tests/api/test_payments_{n}.py::TestRefunds::test_keeps_balance" for n in (3, 4)]
    assert shorten_all([*names, "short"], 34) == [
        "…/test_payments_3…st_keeps_balance",
        "…/test_payments_4…st_keeps_balance",
        "short",
    ]


@given(
    st.lists(st.text("ab/é日", max_size=30), max_size=6),
    st.integers(8, 30),
)
def test_texts_shortened_together_fit(texts: list[str], width: int) -> None:
    short = shorten_all(texts, width)
    assert len(short) == len(texts)
    assert all(cells(text) <= width for text in short)
    assert all(a == b for a, b in zip(texts, short, strict=True) if cells(a) <= width)


@given(UNICODE, st.integers(1, 80))
def test_wrapping_changes_nothing_but_blanks(text: str, width: int) -> None:
    lines = wrapped(clean(text), width)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())
    assert all(len(line) <= width and line.strip() for line in lines)
    assert all(line == line.rstrip(" ") for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("took 12 s in all", ["took", "12 s in", "all"]),
        ("in 95 % intervals", ["in", "95 % intervals"]),
        ("ran 3 subtests", ["ran 3", "subtests"]),
        ("", []),
    ],
)
def test_a_figure_stays_with_its_unit(text: str, lines: list[str]) -> None:
    width = max([7, *map(len, lines)])
    assert wrapped(text, width) == lines
