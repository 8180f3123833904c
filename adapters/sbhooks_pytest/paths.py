"""Paths in texts, without who works where: the project, the home and temporary folders.

===============================================  ======================
in a text                                        what is recorded
===============================================  ======================
``/home/ann/project/tests/data.csv``             ``tests/data.csv``
``/home/ann/.cache``                             ``~/.cache``
``/tmp/pytest-of-ann/pytest-7/test_x0/out.txt``  ``<tmp>/test_x0/out.txt``
``/tmp/tmpq3x_k2jd/out.txt``                     ``<tmp>/out.txt``
``/mnt/backup/ann/notes``                        ``/mnt/backup/<user>/notes``
===============================================  ======================

Loaded with the first text that holds a slash.
"""

from __future__ import annotations

import re
from os.path import realpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_PYTEST = r"/pytest-of-[^/\s'\"]{1,100}(?:/pytest-(?:\d{1,9}|current)\b)?(?:/popen-gw\d{1,5}\b)?"
#: What pytest and ``tempfile`` put behind the temporary folder, new in each run.
_PASSING = rf"(?:{_OF_PYTEST}|/tmp[a-z0-9_]{{8}}(?!\w))?"
_NO_MORE = r"(?![\w-])"  #: ``/home/ann`` is no part of ``/home/anna``.


class Paths:
    """Shortens the paths in texts.

    Args:
        root: The project's root folder; paths below it become relative.
        home: The user's home folder, written ``~``; may be empty.
        users: Names that no folder may have, written ``<user>``.
        temporary: Folders of temporary files, written ``<tmp>``.
    """

    __slots__ = ("_pattern",)

    def __init__(
        self, root: str, home: str, users: Iterable[str], temporary: Iterable[str]
    ) -> None:
        folders = {folder: "tmp" for given in temporary for folder in _spellings(given)}
        folders |= dict.fromkeys(_spellings(home), "home")
        folders |= dict.fromkeys(_spellings(root), "root")
        # The longest first: a project lies in the home, or in a temporary folder.
        nested = sorted(folders.items(), key=lambda item: -len(item[0]))
        parts = [
            f"(?P<{kind}{number}>{re.escape(folder)}){_NO_MORE}{_BEHIND[kind]}"
            for number, (folder, kind) in enumerate(nested)
        ]
        parts.append(f"(?P<tmp>/){_OF_PYTEST[1:]}")
        parts += [
            f"(?<=/)(?P<user{number}>{re.escape(user)}){_NO_MORE}"
            for number, user in enumerate(users)
        ]
        self._pattern = re.compile("|".join(parts))

    def shorten(self, text: str) -> str:
        """A text with shorter paths, the same in each run."""
        return self._pattern.sub(lambda match: _short(match, exact=False), text)

    def shorten_exactly(self, text: str) -> str:
        """As above, but different paths stay different: names made up for one run stay."""
        return self._pattern.sub(lambda match: _short(match, exact=True), text)


#: Kind of folder → what is matched behind it.
_BEHIND = {"root": "/?", "home": "", "tmp": _PASSING}


def _short(match: re.Match[str], *, exact: bool) -> str:
    kind = match.lastgroup or ""
    folder, whole = match[kind], match[0]
    if kind.startswith("root"):
        below = whole.endswith("/")
        return ("./" if exact else "") if below else "."
    if kind.startswith("home"):
        return "~"
    if kind.startswith("user"):
        return "<user>"
    behind = whole[len(folder.rstrip("/")) :]
    if behind.startswith("/pytest-of-"):
        behind = behind[1:].partition("/")[2]
        behind = behind and f"/{behind}"
    front = "/<tmp>" if kind == "tmp" else "<tmp>"
    return front + behind if exact else front


def _spellings(folder: str) -> set[str]:
    """A folder as it is named and as it really is, unless it is all that there is."""
    try:
        names = {folder, realpath(folder)} if folder.startswith("/") else set()
    except (OSError, ValueError):
        names = {folder}
    return {name.rstrip("/") for name in names if name.rstrip("/")}
