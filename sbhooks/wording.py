"""Figures and texts as people read them: units, plurals, ages, sparklines, safe text.

Pure functions from values to short strings. Nothing here knows about tables or colours, and
nothing that comes from outside leaves :func:`clean` with a character that a terminal would
obey instead of show.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

NOTHING = "–"  #: Stands for a value that is not known.
_BARS = "▁▂▃▄▅▆▇█"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
#: Blanks at which no line is broken: between a figure and its unit, and in "95 % interval".
_FIRM = re.compile(r"(?<=\d) (?=%|(?:ms|s|min|h|d|bytes?|[kMGT]B)\b)|(?<=\d %) (?=interval)")


def clean(text: str) -> str:
    """Make foreign text harmless on a terminal, visibly.

    Control characters, escape sequences, direction marks and lone surrogates are written
    as backslash escapes, as Python writes them; other kinds of space become a plain one.
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def duration(seconds: float | None) -> str:
    """Write a duration with its unit: ``35 ms``, ``1.2 s``, ``2 min 5 s``, ``1 h 10 min``."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        millis = seconds * 1e3
        return f"{millis:.1f} ms" if millis < 9.95 else f"{millis:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    minutes = round(seconds / _MINUTE)
    return f"{minutes // 60:,} h {minutes % 60} min"


def percent(share: float | None) -> str:
    """Write a share (0 to 1) as ``92 %``; only exactly none and all are ``0 %`` and ``100 %``."""
    if share is None:
        return NOTHING
    value = share * 100
    if 0 < value < 0.95:
        return f"{value:.1f} %" if value >= 0.05 else "<0.1 %"
    if 99 < value < 100:
        return f"{value:.1f} %" if value < 99.95 else ">99.9 %"
    return f"{value:.0f} %"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: ``1 test``, ``1,203 tests``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(size_bytes: int | None) -> str:
    """Write a size in bytes: ``812 bytes``, ``1.4 kB``, ``12 MB``."""
    if size_bytes is None:
        return NOTHING
    if size_bytes < 1000:
        return count(size_bytes, "byte")
    value = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{value / 1000:,.1f} TB"


def ago(at: datetime | None, now: datetime) -> str:
    """Say how long ago something was: ``12 s ago``, ``5 min ago``, ``3 d ago``."""
    if at is None:
        return NOTHING
    seconds = (now - at).total_seconds()
    if seconds < 1:
        return "just now"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s ago"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min ago"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR:.0f} h ago"
    return f"{seconds // _DAY:,.0f} d ago"


def moment(at: datetime | None) -> str:
    """Write a time on the reader's own clock: ``2026-11-20 14:03``."""
    if at is None:
        return NOTHING
    try:
        return f"{at.astimezone():%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):  # beyond what local clocks know
        return f"{at:%Y-%m-%d %H:%M} UTC"


def sparkline(values: Sequence[float | None], *, width: int = 24) -> str:
    """Draw a series as small bars, from 0 to its largest value; unknown values leave a gap.

    Args:
        values: Oldest first, none negative.
        width: At most that many bars; a longer series is shown by its newest part.
    """
    shown = list(values)[-width:]
    top = max((value for value in shown if value is not None), default=0.0)
    return "".join(" " if value is None else _bar(value, top) for value in shown)


def shorten(text: str, width: int) -> str:
    """Cut a text to a number of terminal cells, keeping its end, which tells tests apart."""
    if cells(text) <= width:
        return text
    room = width - 1
    kept = len(text)
    while kept and (used := _cell(text[kept - 1])) <= room:
        room -= used
        kept -= 1
    return "…" + text[kept:]


def shorten_all(texts: Sequence[str], width: int) -> list[str]:
    """Cut texts to a number of terminal cells, so that different ones stay different.

    Where the ends are the same, what differs before them is kept as well:
    ``…/test_orders.py…::test_total``.
    """
    short = [shorten(text, width) for text in texts]
    originals: dict[str, set[str]] = {}
    for text, cut in zip(texts, short, strict=True):
        originals.setdefault(cut, set()).add(text)
    return [
        _with_difference(text, originals[cut], width) if len(originals[cut]) > 1 else cut
        for text, cut in zip(texts, short, strict=True)
    ]


def wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines that end in no blank; a figure and its unit stay together."""
    import textwrap

    firm = _FIRM.sub("\xa0", text.replace("\xa0", " "))
    lines = textwrap.wrap(firm, max(width, 1), break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _with_difference(text: str, group: set[str], width: int) -> str:
    """Cut one of several texts that have the same end."""
    backwards = zip(*(other[::-1] for other in group), strict=False)
    common = sum(1 for _ in takewhile(lambda chars: len(set(chars)) == 1, backwards))
    different, same = text[: len(text) - common], text[len(text) - common :]
    head = shorten(different, width // 2)
    return head + shorten(same, width - cells(head))


def _cell(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    return char.encode("unicode_escape").decode("ascii")


def _bar(value: float, top: float) -> str:
    """The lowest bar is for nothing at all; whatever is more is higher."""
    if value <= 0 or not math.isfinite(value / top):
        return _BARS[0]
    return _BARS[math.ceil(value / top * (len(_BARS) - 1))]
