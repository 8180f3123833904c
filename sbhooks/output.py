"""What a command prints: one JSON document, or tables that fit the terminal.

rich decides about colours and writes the styles; it never interprets a text, and every text
passes :func:`sbhooks.wording.clean` on its way. The layout is ours, because rich cuts the
end of a cell, which is where test ids differ.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sbhooks.wording import cells, clean, shorten_all, wrapped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2  #: Blank cells between columns.
_NARROWEST = 12  #: Cells that a text gets at least, beside a name or in a column.
_FEWEST = 2  #: Columns that are shown in any case.
_WIDTH = 80  #: Of what is not a terminal.

#: What JSON may contain but a terminal may obey, or show in the wrong direction.
_UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")

GOOD, BAD, DOUBT, FAINT, STRONG = "green", "red", "yellow", "dim", "bold"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its heading.
        right: Whether it is flush right, as numbers are.
        least: Cells to which it can be cut, at its start, when the table is too wide; 0 for
            never.
        optional: Whether it is left out when giving way is not enough. On very narrow
            terminals the last columns go, too.
    """

    title: str
    right: bool = False
    least: int = 0
    optional: bool = False


class Cell(NamedTuple):
    """A text with a style of rich, such as ``"green"``."""

    text: str
    style: str = ""


Row = Sequence[str | Cell]


class Output:
    """Prints for people: paragraphs and tables.

    Args:
        console: Where to; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _console()

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 where there is none."""
        return self._console.width

    def line(self, *parts: str | Cell) -> None:
        """Print parts as one paragraph, wrapped at the width of the terminal."""
        text = self._text()
        for part in parts:
            cell = _cell(part)
            text.append(clean(cell.text), style=cell.style or None)
        start = 0
        for line in wrapped(text.plain, self.width) or [""]:
            start = text.plain.index(line, start)
            self._console.print(text[start : start + len(line)])
            start += len(line)

    def fields(self, rows: Sequence[tuple[str | Cell, str | Cell]]) -> None:
        """Print names and what they stand for, wrapped beside the names."""
        pairs = [(_cleaned(_cell(name)), _cleaned(_cell(part))) for name, part in rows]
        indent = max((cells(name.text) for name, _ in pairs), default=0) + _GAP
        for name, cell in pairs:
            lines = wrapped(cell.text, max(self.width - indent, _NARROWEST))
            for number, line in enumerate(lines or [""]):
                text = self._text()
                text.append(name.text if number == 0 else "", style=name.style or None)
                text.append(" " * (indent - text.cell_len)).append(line, style=cell.style or None)
                text.rstrip()
                self._console.print(text, no_wrap=True, overflow="ignore", crop=False)

    def heading(self, text: str) -> None:
        """Print a title above what follows."""
        self.line(Cell(text, STRONG))

    def note(self, text: str) -> None:
        """Print an explanation that stands back."""
        self.line(Cell(text, FAINT))

    def table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Print rows under headings, each row on one line."""
        body = [[_cleaned(_cell(part)) for part in row] for row in rows]
        shown, widths = _fit(columns, body, self.width)
        header = [Cell(column.title, STRONG) for column in columns]
        for row in (header, *_cut(body, widths)):
            self._row(columns, shown, widths, row)

    def _row(
        self, columns: Sequence[Column], shown: list[int], widths: list[int], row: list[Cell]
    ) -> None:
        text = self._text()
        for place, number in enumerate(shown):
            content = row[number].text
            blank = " " * (widths[number] - cells(content))
            text.append(" " * _GAP if place else "")
            if columns[number].right:
                text.append(blank).append(content, style=row[number].style or None)
            else:
                text.append(content, style=row[number].style or None).append(blank)
        text.rstrip()
        self._console.print(text, no_wrap=True, overflow="ignore", crop=False)

    @staticmethod
    def _text() -> Text:
        from rich.text import Text

        return Text()


def json_text(document: Any) -> str:
    """A document as indented JSON, with nothing in it that a terminal would obey."""
    import msgspec

    return safe_json(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def safe_json(text: str) -> str:
    """The same JSON with delicate characters escaped; they only ever stand inside strings."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def show(document: Any, draw: Callable[[Output], None], *, as_json: bool) -> None:
    """Print a document for programs, or draw it for people."""
    if as_json:
        sys.stdout.write(json_text(document) + "\n")
    else:
        draw(Output())


def _console() -> Console:
    """Standard output as rich sees it, with nothing in a text interpreted."""
    from rich import console as rich_console

    class Quiet(rich_console.Console):
        """A console that leaves it to the command line what a closed pipe means."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Quiet(
        file=sys.stdout,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    return console


def _cell(part: str | Cell) -> Cell:
    return part if isinstance(part, Cell) else Cell(part)


def _cleaned(cell: Cell) -> Cell:
    return Cell(clean(cell.text), cell.style)


def _cut(body: list[list[Cell]], widths: list[int]) -> list[list[Cell]]:
    """The same cells, each within the width of its column."""
    texts = [
        shorten_all([row[number].text for row in body], width)
        for number, width in enumerate(widths)
    ]
    return [
        [Cell(texts[number][place], cell.style) for number, cell in enumerate(row)]
        for place, row in enumerate(body)
    ]


def _fit(
    columns: Sequence[Column], body: list[list[Cell]], room: int
) -> tuple[list[int], list[int]]:
    """Choose columns and their widths so that a row takes at most ``room`` cells.

    Returns:
        The numbers of the columns to show, and the width of every column.
    """
    widths = [
        max([cells(column.title), *(cells(row[number].text) for row in body)])
        for number, column in enumerate(columns)
    ]
    least = [
        min(width, max(column.least, cells(column.title))) if column.least else width
        for column, width in zip(columns, widths, strict=True)
    ]
    shown = list(range(len(columns)))
    for number in reversed(range(len(columns))):
        if _total(least, shown) <= room:
            break
        if columns[number].optional:
            shown.remove(number)
    if _total(least, shown) > room:  # a very narrow terminal
        least = [
            min(width, max(cells(column.title), _NARROWEST)) if column.least else width
            for column, width in zip(columns, least, strict=True)
        ]
        while _total(least, shown) > room and len(shown) > _FEWEST:
            shown.pop()
    excess = _total(widths, shown) - room
    for number in shown:
        if excess > 0:
            given = min(excess, widths[number] - least[number])
            widths[number] -= given
            excess -= given
    return shown, widths


def _total(widths: list[int], shown: list[int]) -> int:
    return sum(widths[number] for number in shown) + _GAP * max(0, len(shown) - 1)
