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
_entered: list[Quiet] = []  # of all threads; adding and removing is one step each


class Quiet:
    """While it is entered, this thread prints to somewhere else.

    Several threads may be in at the same time, and leave in any order. Whoever enters puts a
    switch over the plain streams, never over another switch; the last to leave takes it away.

    Args:
        inside_host: Drop what is printed and warned; otherwise standard output goes to
            standard error.
    """

    def __init__(self, *, inside_host: bool) -> None:
        self._inside_host = inside_host

    def __enter__(self) -> None:
        _entered.append(self)
        out, err = _plain(sys.stdout), _plain(sys.stderr)
        show = getattr(warnings.showwarning, "_show", warnings.showwarning)
        self._before = out, err, show
        _running.depth = getattr(_running, "depth", 0) + 1
        nowhere = _nowhere() if self._inside_host else err
        self._out = cast("TextIO", _Switch(out, nowhere))
        self._err = cast("TextIO", _Switch(err, nowhere))
        self._drop = _drop_or(show)
        self._put(self._out, self._err, self._drop)

    def __exit__(self, *_: object) -> None:
        _entered.remove(self)
        _running.depth -= 1
        if not _entered:
            self._put(*self._before)
            return
        # Others are still in: their switch stays, but not what this plugin may have put there.
        out = sys.stdout if isinstance(sys.stdout, _Switch) else self._out
        err = sys.stderr if isinstance(sys.stderr, _Switch) else self._err
        self._put(out, err, self._drop)

    def _put(self, out: Any, err: Any, show: Any) -> None:
        sys.stdout, sys.stderr = out, err
        if self._inside_host:
            # Not by a filter: changing those makes Python repeat warnings of the host.
            warnings.showwarning = show


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


def _plain(stream: TextIO) -> TextIO:
    """What a switch stands for: over each other, they would become a chain without an end."""
    return stream._stream if isinstance(stream, _Switch) else stream


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

    drop._show = show  # type: ignore[attr-defined]
    return drop
