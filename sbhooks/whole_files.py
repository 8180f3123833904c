"""Files that a reader meets whole or not at all, and that only their owner may read.

Standard library only: host processes import this module.
"""

from __future__ import annotations

import os
from os.path import dirname

from sbhooks.ids import new_id


def replace(path: str, data: bytes, *, durable: bool = False) -> None:
    """Put a file in place of the one that is there, if any.

    Args:
        path: In a folder that exists.
        data: All of it.
        durable: Wait until it is on the disk; not needed of what can be made again.

    Raises:
        OSError: The folder cannot be written, or the disk is full; the old file stays. With
            ``durable`` also: the new one is in its place, and may not be after a loss of power.
    """
    draft = f"{path}.{new_id()}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(fd)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    if durable:
        sync(dirname(path) or ".")


def sync(path: str) -> None:
    """Wait until a file or folder is on the disk.

    Raises:
        OSError: It is not there, or the disk fails.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
