"""Takes known secret values out of texts, in whatever form Python and pytest quote them.

A value is found as it is, as ``repr``, JSON or a URL would write it, line by line where it has
several, and in pieces where pytest left out its middle (``'begin...end'``) or the text was cut.
Pieces and lines shorter than :data:`SHORTEST_PIECE` stay: they say nothing, and masking them
would hide ordinary words.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHORTEST_PIECE = 4
SHORTEST_LINE = 8
_GAP = re.compile(r"\.\.\.|…")


class Masks:
    """Replaces secret values by a mark.

    Args:
        secrets: The values.
        mark: What stands for them.
    """

    __slots__ = ("_forms", "_mark")

    def __init__(self, secrets: Iterable[str], mark: str) -> None:
        self._mark = mark
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)  # a longer one may hold a shorter one

    def hide(self, text: str, *, cut: bool = False) -> str:
        """The text without the values, and without their pieces around gaps.

        Args:
            text: Any.
            cut: Whether it ends where it was cut, perhaps within a value.
        """
        for form in self._forms:
            text = text.replace(form, self._mark)
        parts = _GAP.split(text)
        gaps = [*_GAP.findall(text), ""]
        for number, part in enumerate(parts):
            left = self._without_end(part) if number else part
            is_followed = cut or number < len(parts) - 1
            parts[number] = self._without_begin(left) if is_followed else left
        return "".join(part + gap for part, gap in zip(parts, gaps, strict=True))

    def _without_begin(self, text: str) -> str:
        """Without the begin of a value at the end of the text, where the rest is missing."""
        longest = max((_overlap(text, form) for form in self._forms), default=0)
        return text if longest < SHORTEST_PIECE else text[:-longest] + self._mark

    def _without_end(self, text: str) -> str:
        """Without the end of a value at the begin of the text."""
        back = text[::-1]
        longest = max((_overlap(back, form[::-1]) for form in self._forms), default=0)
        return text if longest < SHORTEST_PIECE else self._mark + text[longest:]


def _overlap(text: str, form: str) -> int:
    """The length of the longest begin of a form with which a text ends, or 0."""
    begin = form[:SHORTEST_PIECE]
    place = text.find(begin, max(0, len(text) - len(form)))
    while place >= 0:
        if form.startswith(text[place:]):
            return len(text) - place
        place = text.find(begin, place + 1)
    return 0


def _forms(secret: str) -> set[str]:
    """How a value may be written, also quoted twice; each line of it by itself too."""
    lines = [line for line in secret.splitlines() if len(line) >= SHORTEST_LINE]
    plain = {secret, *lines}
    once = {way(value) for value in plain for way in _WAYS}
    return plain | once | {way(value) for value in once for way in _WAYS}


def _backslashed(text: str) -> str:
    return text.replace("\\", "\\\\")


#: What Python, JSON and URLs make of a text, without the quotes around it.
_WAYS: tuple[Callable[[str], str], ...] = (
    lambda text: repr(text)[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: repr(text.encode("utf-8", "surrogateescape"))[2:-1],
    lambda text: _backslashed(text).replace("'", "\\'"),
    lambda text: quote(text, errors="surrogateescape"),
    lambda text: quote(text, safe="", errors="surrogateescape"),
    lambda text: quote_plus(text, errors="surrogateescape"),
)
