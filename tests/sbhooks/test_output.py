"""Tables that fit, text that is only shown, JSON that is safe to look at."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sbhooks.output import Cell, Column, Output, json_text, safe_json, show
from sbhooks.wording import cells

UNICODE = st.text(st.characters(codec=None, exclude_categories=()), max_size=120)
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
COLUMNS = [
    Column("test", least=20),
    Column("runs", right=True),
    Column("note", least=8, optional=True),
]


def printed(width: int = 80) -> tuple[Output, io.StringIO]:
    """An output, and where its text goes."""
    file = io.StringIO()
    console = Console(file=file, width=width, markup=False, highlight=False, emoji=False)
    return Output(console), file


def test_a_table_is_aligned_under_its_headings() -> None:
    out, file = printed()
    out.table(COLUMNS, [["a", "1", "x"], ["long name", Cell("1,203", "red"), ""]])
    assert file.getvalue().splitlines() == [
        "test        runs  note",
        "a              1  x",
        "long name  1,203",
    ]


def test_a_long_name_loses_its_beginning() -> None:
    out, file = printed(40)
    out.table(COLUMNS[:2], [["tests/a/very/long/path/test_x.py::test_one[1]", "7"]])
    (_, row) = file.getvalue().splitlines()
    assert row.startswith("…")
    assert "test_one[1]" in row
    assert cells(row) <= 40


def test_a_column_is_left_out_when_giving_way_is_not_enough() -> None:
    out, file = printed(30)
    out.table(COLUMNS, [["x" * 40, "7", "y" * 20]])
    assert "note" not in file.getvalue()


def test_on_a_very_narrow_terminal_the_last_columns_go() -> None:
    out, file = printed(24)
    wide = [Column(title, right=True) for title in ("runs", "failed", "p50")]
    out.table([Column("test", least=30), *wide], [["tests/test_it.py::test_one", "7", "1", "1 s"]])
    header, row = file.getvalue().splitlines()
    assert header.split() == ["test", "runs"]
    assert row.startswith("…")
    assert "one" in row
    assert row.endswith(" 7")
    assert cells(row) <= 24


@given(st.lists(st.tuples(UNICODE, UNICODE), max_size=4), st.integers(40, 120))
def test_a_table_fits_whatever_is_in_it(rows: list[tuple[str, str]], width: int) -> None:
    out, file = printed(width)
    out.table([Column("test", least=20), Column("note", least=8)], rows)
    lines = file.getvalue().splitlines()
    assert len(lines) == len(rows) + 1
    assert all(cells(line) <= width for line in lines)


@given(UNICODE)
def test_no_text_is_obeyed_by_the_terminal(text: str) -> None:
    out, file = printed()
    out.table([Column("t", least=10)], [[text]])
    out.line(text, Cell(text, "red"))
    out.fields([(text[:5], text)])
    out.heading(text)
    out.note(text)
    assert all(line.isprintable() for line in file.getvalue().split("\n"))


def test_brackets_are_text_and_not_markup() -> None:
    out, file = printed()
    out.line("test_x[bold]", Cell("[/red] :smile:", "red"))
    assert file.getvalue() == "test_x[bold][/red] :smile:\n"


def test_fields_wrap_beside_their_names() -> None:
    out, file = printed(30)
    out.fields([("home", "/a"), ("recording", "off because of this and that"), ("none", "")])
    assert file.getvalue().splitlines() == [
        "home       /a",
        "recording  off because of this",
        "           and that",
        "none",
    ]


def test_a_paragraph_keeps_its_styles_where_it_is_broken() -> None:
    file = io.StringIO()
    console = Console(file=file, width=12, force_terminal=True, color_system="standard")
    Output(console).line("plain ", Cell("red words here", "red"))
    assert file.getvalue() == "plain \x1b[31mred\x1b[0m\n\x1b[31mwords here\x1b[0m\n"


def test_no_line_of_a_paragraph_ends_in_a_blank_or_parts_a_figure_from_its_unit() -> None:
    for width in range(20, 80):
        out, file = printed(width)
        out.note("Flaky: it failed in 12 % of its attempts, after 3.5 s. 95 % intervals.")
        lines = file.getvalue().splitlines()
        assert all(line == line.rstrip() for line in lines)
        for whole in ("12 %", "3.5 s", "95 % intervals"):
            assert sum(whole in line for line in lines) == 1


@given(UNICODE)
def test_json_says_the_same_and_shows_nothing_delicate(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    written = json_text({"text": text})
    assert json.loads(written) == {"text": text}
    assert not [c for c in written if unicodedata.category(c) == "Cc" and c != "\n"]
    assert not [c for c in written if unicodedata.bidirectional(c) in BIDI_CONTROLS]


def test_escaping_json_changes_only_delicate_characters() -> None:
    assert safe_json('{"a":"é\x9b\u202e日"}') == '{"a":"é\\u009b\\u202e日"}'


def test_programs_get_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    show({"n": 1}, lambda out: out.line("not this"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"n": 1}


def test_people_get_the_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    show({"n": 1}, lambda out: out.line(f"this, {out.width} wide"), as_json=False)
    assert capsys.readouterr().out == "this, 80 wide\n"
