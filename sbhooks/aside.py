"""Lines that are no events, or not yet: the folder ``aside`` of the spool.

A line of a kind that nobody declares waits in ``KIND.jsonl`` until a plugin declares it; what a
killed writer left torn stays in ``*.torn``. Nothing that was recorded is thrown away. Several
collectors may add and take back at the same time.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sbhooks.errors import SpoolError
from sbhooks.events import BUILTIN_KINDS, kind_of
from sbhooks.folders import make_private
from sbhooks.ids import new_id


def name_of(kind: str | None) -> str:
    """The file for lines of a kind; kinds that are no names share one."""
    is_name = kind is not None and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", kind)
    return f"{kind if is_name else 'unnamed'}.jsonl"


def keep(home: str, name: str, line: bytes) -> None:
    """Add a line to a file, whole or not at all.

    Raises:
        SpoolError: It cannot be written; the segment that it comes from must stay.
    """
    folder = _folder(home)
    try:
        make_private(str(folder))
        with _locked(folder / name, create=True) as fd:
            size = os.fstat(fd).st_size
            if os.write(fd, line) != len(line):
                os.ftruncate(fd, size)
                raise OSError("the disk is full")
    except OSError as error:
        raise SpoolError(f"cannot set a line aside in {folder}: {error}") from error


def take_back(home: str, kinds: Iterable[str]) -> None:
    """Lines of a kind that has been declared since become a segment again.

    Raises:
        SpoolError: A file cannot be moved.
    """
    for kind in set(kinds) - {kind_of(builtin) for builtin in BUILTIN_KINDS}:
        waiting = _folder(home) / name_of(kind)
        try:
            with _locked(waiting):
                waiting.rename(Path(home, "spool", f"{new_id()}.0.seg"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SpoolError(f"cannot take back {waiting}: {error.strerror}") from error


def _folder(home: str) -> Path:
    return Path(home, "spool", "aside")


@contextmanager
def _locked(path: Path, *, create: bool = False) -> Iterator[int]:
    """Open a file for appending, with no other collector at it.

    Without the lock, a line could be added to a file that another collector has already
    renamed, read and deleted.

    Raises:
        FileNotFoundError: There is no such file, and none was to be made.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_at(fd, path):
                yield fd
                return
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
