"""Copies of a database that may be in use: complete and verified, or not there."""

from __future__ import annotations

import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sbhooks.errors import StoreError
from sbhooks.whole_files import sync

BACKUPS_KEPT = 3
_log = logging.getLogger("sbhooks.storage")


def back_up(path: Path, current: int) -> Path:
    """Copy the database as it is now, prove the copy sound, and keep the newest few."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    backup = path.with_name(f"{path.name}.V{current}.{stamp}.backup")
    copy_database(path, backup)
    _log.info("kept a backup of %s as %s", path, backup.name)
    for old in sorted(path.parent.glob(f"{path.name}.V*.backup"), key=_stamp)[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return backup


def _stamp(backup: Path) -> str:
    return backup.name.rpartition(".V")[2].partition(".")[2]


def copy_database(path: Path, copy: Path) -> None:
    """Copy a database that may be in use; the copy appears complete and verified, or not at all.

    Raises:
        StoreError: The copy is damaged, so the original probably is.
    """
    part = copy.with_name(f"{copy.name}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        source, target = sqlite3.connect(path), sqlite3.connect(part, isolation_level=None)
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            (verdict,) = target.execute("PRAGMA integrity_check(1)").fetchone()
        finally:
            source.close()
            target.close()
        if verdict != "ok":
            raise StoreError(f"cannot back up {path}: the copy is damaged ({verdict}), so the file "
                             "probably is. Put back an older backup")  # fmt: skip
        sync(str(part))
        part.replace(copy)
        sync(str(copy.parent))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
