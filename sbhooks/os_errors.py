"""An error of the operating system, as its user is told of it: what failed, why, what to do."""

from __future__ import annotations

import errno
import os
from os.path import abspath, commonpath

from sbhooks.folders import ELSEWHERE, obstacle

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def explained(error: OSError, home: str) -> str:
    """One line.

    Args:
        error: That nobody has handled.
        home: Where data are kept, which is the usual reason.
    """
    why = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        if error.errno in _FULL:  # most likely what was printed, and went to a file
            return f"cannot write: {why}. Make room, or send the output elsewhere"
        return f"{why}. {_advice(error)}"
    path = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
    if _is_below(path, home) and (hindrance := obstacle(home)):
        return f"cannot use the home {home}: {hindrance}. {ELSEWHERE}"
    return f"cannot use {path}: {why}. {_advice(error)}"


def _advice(error: OSError) -> str:
    if error.errno in _REFUSED:
        return "Check that you may read and write there"
    if error.errno in _FULL:
        return "Make room, or take another place"
    return "Run: sbhooks doctor"


def _is_below(path: str, folder: str) -> bool:
    try:
        return commonpath([abspath(path), abspath(folder)]) == abspath(folder)
    except (ValueError, OSError):  # on another drive; in a working folder that is gone
        return False
