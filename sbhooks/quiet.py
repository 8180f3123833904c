"""Keeps what plugins print and warn about away from where it would do harm.

Inside a host nothing of it may appear; in a process of sbhooks itself standard output belongs
to the answer, so there it goes to standard error. Only the thread that runs a plugin is
concerned: what others print meanwhile arrives where it would without us.

What a plugin writes to descriptors 1 and 2 past Python's streams cannot be held back without
holding back the host's own output.
"""

from __future__ import annotations

import io
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TextIO

_running = threading.local()  # .depth: how many plugin calls this thread is in


class Quiet:
    """While it is entered, this thread prints to somewhere else.

    Args:
        inside_host: Drop what is printed and warned; otherwise standard output goes to
            standard error.
    """

    def __init__(self, *, inside_host: bool) -> None:
        self._inside_host = inside_host

    def __enter__(self) -> None:
        self._before = sys.stdout, sys.stderr, warnings.showwarning
        out, err, show = self._before
        _running.depth = getattr(_running, "depth", 0) + 1
        nowhere = _nowhere() if self._inside_host else err
        sys.stdout = self._out = cast("TextIO", _Switch(out, nowhere))
        sys.stderr = self._err = cast("TextIO", _Switch(err, nowhere))
        if self._inside_host:
            # Not by a filter: changing those makes Python repeat warnings of the host.
            warnings.showwarning = _drop_or(show)

    def __exit__(self, *_: object) -> None:
        out, err, show = self._before
        # A switch that is not ours is that of another thread, which will take it back itself.
        if sys.stdout is self._out or not isinstance(sys.stdout, _Switch):
            sys.stdout = out
        if sys.stderr is self._err or not isinstance(sys.stderr, _Switch):
            sys.stderr = err
        if self._inside_host:
            warnings.showwarning = show
        _running.depth -= 1


class _Switch:
    """A stream for all threads but those that run a plugin.

    Not derived from a class of ``io``: those close what they stand for when they are collected.
    """

    def __init__(self, stream: TextIO, instead: TextIO) -> None:
        self._stream = stream
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        is_plugin = getattr(_running, "depth", 0) > 0
        return getattr(self._instead if is_plugin else self._stream, name)


class _Null(io.RawIOBase):
    """Takes bytes and keeps none."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _nowhere() -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(_Null()), "utf-8", errors="replace")


def _drop_or(show: Any) -> Any:
    def drop(*arguments: Any, **named: Any) -> None:
        if not getattr(_running, "depth", 0):
            show(*arguments, **named)

    return drop
