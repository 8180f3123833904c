"""Descriptors of our own in processes of others, and the system calls on them.

Hosts replace functions of ``os``, close descriptors wholesale, and set a umask that takes our
own rights away. Standard library only, loaded with the spool.
"""

from __future__ import annotations

import os

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sbhooks.errors import SpoolError

_HIGH_DESCRIPTOR = 900


class System:
    """The system's own functions, bound at import.

    Tools such as pyfakefs replace ``os`` and its functions in the name spaces of modules. A
    descriptor from their ``open`` is a number that a real ``write`` must never see.
    """

    open, close, write, pread, pwrite = os.open, os.close, os.write, os.pread, os.pwrite
    stat, lseek, ftruncate = os.stat, os.lseek, os.ftruncate
    rename, unlink, chmod = os.rename, os.unlink, os.chmod
    flock = None if fcntl is None else fcntl.flock
    fcntl = None if fcntl is None else fcntl.fcntl


def error(what: str) -> SpoolError | OSError:
    """The error to raise, loaded with the first one: hosts need none.

    A host that is out of descriptors cannot load it, and gets the plain error.
    """
    try:
        from sbhooks.errors import SpoolError
    except Exception:  # noqa: BLE001 - what is wrong with imports is not the news
        return OSError(what)
    return SpoolError(what)


def lock(fd: int) -> None:
    """Take the lock that says that a segment has a writer.

    Raises:
        SpoolError: The system has no such locks.
        OSError: Somebody else has it.
    """
    if System.flock is None:
        raise error("recording needs flock(2), which this system does not have")
    System.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def high(fd: int) -> int:
    """Move a descriptor out of the range that programs use and close wholesale."""
    try:
        limit = os.sysconf("SC_OPEN_MAX")
        lowest = min(_HIGH_DESCRIPTOR, limit - 16) if limit > 0 else _HIGH_DESCRIPTOR
        high: int = System.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(lowest, fd))
    except (TypeError, OSError, ValueError):
        return fd
    System.close(fd)
    return high


def identity_of(file: int | str) -> tuple[int, int]:
    """What file a descriptor or path is; ``(0, 0)``, which is none, if there is none."""
    try:
        status = System.stat(file)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def close_ours(fd: int, identity: tuple[int, int]) -> None:
    """Close a descriptor, unless it has become somebody else's."""
    if fd >= 0 and identity_of(fd) == identity:
        try:
            System.close(fd)
        except OSError:
            pass


def create(path: str, flags: int) -> int:
    """Open a new file that only its owner may read."""
    fd = System.open(path, flags, 0o600)
    System.chmod(path, 0o600)  # a host's umask may take our own rights away
    return fd


def unlink(path: str) -> None:
    """Delete a file, if it is there and may be deleted."""
    try:
        System.unlink(path)
    except OSError:
        pass
