"""Whose code raised an error: read from its traceback, said in one line.

Standard library only: whoever loads plugins imports this module.
"""

from __future__ import annotations

import os.path
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

_LONGEST_TEXT = 500


def said(error: BaseException) -> str:
    """Type and text of a stranger's error, in one line; its text may be an error, too."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001
        text = "(its text cannot be had)"
    return f"{type(error).__name__}: {' '.join(text[:_LONGEST_TEXT].split())}".rstrip(": ")


def owner(error: BaseException, modules: Mapping[str, str]) -> str | None:
    """The first of several parties whose code was on the way to an error.

    Code is somebody's when it stands in the same package as his module; of several such
    packages the innermost counts.

    Args:
        error: With its traceback.
        modules: Party → name of his module.
    """
    for step in _steps(error):
        frame = str(step.tb_frame.f_globals.get("__name__", ""))
        shared = {party: _shared(frame, module) for party, module in modules.items()}
        best = max(shared, key=lambda party: shared[party], default="")
        if best and shared[best]:
            return best
    return None


def place(error: BaseException) -> str:
    """File and line at which an error was raised; nothing when it never was."""
    *_, last = (None, *_steps(error))
    if last is None:
        return ""
    return f"{os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}"  # noqa: PTH119


def _steps(error: BaseException) -> Iterator[TracebackType]:
    """The steps of a traceback, the outermost first."""
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


def _shared(module: str, other: str) -> int:
    """How many packages two modules have in common, from the top on."""
    pairs = zip(module.split("."), other.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
