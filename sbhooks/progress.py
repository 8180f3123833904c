"""A bar on standard error for work that takes longer than a second."""

from __future__ import annotations

import sys
from typing import Self

from sbhooks.ids import monotonic_ns

_REDRAW_NS = 100_000_000
_WIDTH = 30


class Progress:
    """Draws nothing at first, nothing when nobody watches, and cleans up.

    Args:
        what: The work in a word, such as ``"collecting"``.
        quiet: Never draw.
        patience_s: Time before the first drawing.
    """

    def __init__(self, what: str, *, quiet: bool = False, patience_s: float = 1.0) -> None:
        self._what = what
        self._active = not quiet and sys.stderr.isatty()
        self._next_ns = monotonic_ns() + int(patience_s * 1e9)
        self._drawn = 0

    def __call__(self, done: int, total: int) -> None:
        """Take note of how far the work is."""
        now = monotonic_ns()
        if not self._active or now < self._next_ns:
            return
        self._next_ns = now + _REDRAW_NS
        filled = _WIDTH * done // max(total, 1)
        bar = "━" * filled + "·" * (_WIDTH - filled)
        text = f"sbhooks: {self._what} {bar} {100 * done // max(total, 1)} %"
        self._drawn = max(self._drawn, len(text))
        print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            print(f"\r{' ' * self._drawn}\r", end="", file=sys.stderr, flush=True)
