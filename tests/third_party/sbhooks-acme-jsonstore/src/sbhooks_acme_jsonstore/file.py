"""The file: lines that are there as a whole or not at all, and one user at a time.

A line is a JSON array, one batch; ``null`` in it stands for an event that was erased.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

_LINE = msgspec.json.Decoder(list[msgspec.Raw])
NULL = b"null"


class LineFile:
    """Batches of encoded events in a file.

    Args:
        path: Of the file; a lock file is kept beside it, which is never replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._lock_fd = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
        self._read_to = (0, 0)  # inode, offset

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be alone with the file, among all processes."""
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def news(self) -> tuple[bool, list[list[bytes]]]:
        """What stands there since the last look.

        Returns:
            Whether everything has to be read anew, and the batches.
        """
        try:
            with self._path.open("rb") as file:
                inode, offset = os.fstat(file.fileno()).st_ino, 0
                anew = inode != self._read_to[0]
                if not anew:
                    offset = self._read_to[1]
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return True, []
        whole = data[: data.rfind(b"\n") + 1]  # half a line was never promised to anybody
        self._read_to = (inode, offset + len(whole))
        return anew, [_batch(line) for line in whole.splitlines()]

    def append(self, batch: Sequence[bytes]) -> None:
        """Add a batch; on an error nothing of it is there.

        Raises:
            OSError: The disk is full, or the file cannot be written.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = self._read_to[1]
            os.ftruncate(fd, end)  # what a killed process left half written
            try:
                _write_all(fd, _line(batch), end)
            except OSError:
                os.ftruncate(fd, end)
                raise
        finally:
            os.close(fd)

    def replace(self, batches: Sequence[Sequence[bytes]]) -> None:
        """Put other content into the place of all that is there.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        draft = self._path.with_name(f"{self._path.name}.new")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, b"".join(map(_line, batches)), 0)
        finally:
            os.close(fd)
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def forget(self) -> None:
        """Read everything anew at the next look."""
        self._read_to = (0, 0)

    def close(self) -> None:
        """Give the lock back; closing twice is harmless."""
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(fd)


def _batch(line: bytes) -> list[bytes]:
    return [bytes(raw) for raw in _LINE.decode(line)]


def _line(batch: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(batch) + b"]\n"


def _write_all(fd: int, data: bytes, offset: int) -> None:
    if os.pwrite(fd, data, offset) != len(data):
        raise OSError("the disk is full")
    os.fsync(fd)
