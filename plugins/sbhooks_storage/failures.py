"""What a failure of SQLite means to people: what is wrong and what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sbhooks.errors import StoreError

_BUSY = "another process has kept it locked for too long. Wait until that has ended and try again"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_FOLDER = "what should be its folder is a file. Set SBHOOKS_HOME to a folder"
_FULL = "the disk is full, or a limit on file sizes was reached. Make room and try again"
_READONLY = "it is read-only here. Give yourself write permission to the file and its folder"
_CANTOPEN = "it cannot be opened. Check that its folder exists and that you may write there"
_CORRUPT = (
    "the file is damaged. Put back a backup (a file beside it that ends in .backup), "
    "or move it away to start anew"
)
_NOTADB = (
    "the file is not an SQLite database. Set `store` (SBHOOKS_STORE) to another path, "
    "or move the file away"
)
_IOERR = "the disk or the file system reported an error. Check the disk and try again"

#: Primary result code of SQLite → what is wrong and what to do.
_MEANING = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READONLY,
    sqlite3.SQLITE_PERM: _CANTOPEN,
    sqlite3.SQLITE_CANTOPEN: _CANTOPEN,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _NOTADB,
    sqlite3.SQLITE_IOERR: _IOERR,
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its refinement; 0 when the driver itself complains."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def store_error(error: sqlite3.Error, path: Path, doing: str) -> StoreError:
    """Say a driver's error in words.

    Args:
        error: What SQLite or its driver raised.
        path: The database.
        doing: What was tried, as an infinitive: ``"write to"``.
    """
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    meaning = _MEANING.get(primary_code(error))
    if meaning is None:
        return StoreError(f"cannot {doing} {path}: {error} ({name}). Run `sbhooks doctor`")
    return StoreError(f"cannot {doing} {path}: {meaning} ({name})")


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into :class:`StoreError`.

    Raises:
        StoreError: Names the file, what is wrong and what to do.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path, doing) from error
    except UnicodeDecodeError as error:
        # What SQLite complains about holds bytes of the file itself.
        meaning = _MEANING[sqlite3.SQLITE_CORRUPT]
        raise StoreError(f"cannot {doing} {path}: {meaning} (SQLITE_CORRUPT)") from error
    except OSError as error:
        known = {errno.EEXIST: _NO_FOLDER, errno.ENOTDIR: _NO_FOLDER} | dict.fromkeys(
            _NO_ROOM, _FULL
        )
        meaning = known.get(error.errno or 0, f"{error.strerror}. Check that you may write there")
        raise StoreError(f"cannot {doing} {path}: {meaning}") from error
