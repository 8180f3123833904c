"""Reads the spool: which segments there are, what stands in them, and what dead writers left.

The names of the files and their meaning are told in :mod:`sbhooks.spool`, which writes them.
"""

from __future__ import annotations

import os
from os.path import basename, join
from time import time
from typing import TYPE_CHECKING, NamedTuple

from sbhooks.errors import SpoolError
from sbhooks.spool import MAX_LINE_BYTES, SLOT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

_BESIDE = (".will", ".told")
_MAX_SLOTS = 4096
_ID_LENGTH = 36
_SILENCE_S = 3_600
_CLOCK_STEP_S = 2.0  # start times are told in hundredths of a second, the wall clock is set


class Segment(NamedTuple):
    """A segment that a collector may read.

    Attributes:
        path: Without its ending.
        state: ``"sealed"``, ``"dead"`` (its writer was killed) or ``"open"``.
        beside: Endings of further files that may belong to it.
    """

    path: str
    state: str
    beside: tuple[str, ...] = _BESIDE

    @property
    def file(self) -> str:
        """The file that holds the lines."""
        return self.path + (".seg" if self.state == "sealed" else ".open")


def segments(home: str) -> list[Segment]:
    """List what is in the spool, oldest first.

    Raises:
        SpoolError: The folder exists but cannot be read.
    """
    folder = join(home, "spool")
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SpoolError(f"cannot read the spool {folder}: {error.strerror}") from error
    found = []
    there = {name for name in names if name.endswith(_BESIDE)}
    for name in names:
        base, ending = os.path.splitext(name)
        if ending == ".seg":  # complete: what is not beside it now will not be
            beside = tuple([end for end in _BESIDE if base + end in there])
            found.append(Segment(join(folder, base), "sealed", beside))
        elif ending == ".open":
            path = join(folder, base)
            is_open = _is_locked(path + ".open") or _is_written(path)
            found.append(Segment(path, "open" if is_open else "dead"))
    return found


def lines(path: str, *, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield each complete line with the offset behind it; an incomplete last one too, if any.

    A complete line ends with a line end. An over-long line is yielded in pieces of
    ``MAX_LINE_BYTES``, which no reader takes for events.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        while line := file.readline(MAX_LINE_BYTES):
            offset += len(line)
            yield line, offset


def blocks(path: str, *, offset: int = 0, edge: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield many complete lines at once, with the offset behind them.

    Ends before an incomplete or over-long line, with an empty block: ``lines`` reads on from
    the last offset.

    Args:
        path: Of the file.
        offset: Where to begin.
        edge: An offset, at the end of a line, that no block reaches across.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        while offset < size:
            most = min(MAX_LINE_BYTES, (edge if offset < edge else size) - offset)
            data = os.pread(fd, most, offset)
            end = data.rfind(b"\n") + 1
            if not end:
                yield b"", offset
                return
            offset += end
            yield data if end == len(data) else data[:end], offset
    finally:
        os.close(fd)


def last_will(segment: Segment) -> list[bytes]:
    """The lines that a dead writer left to be stored; empty for all others."""
    if segment.state != "dead":
        return []
    try:
        with open(segment.path + ".will", "rb") as file:
            data = file.read(SLOT_BYTES * _MAX_SLOTS)
    except OSError:
        return []
    slots = (data[i : i + SLOT_BYTES] for i in range(0, len(data), SLOT_BYTES))
    return [line for slot in slots if (line := slot.partition(b"\n")[0].strip(b"\0"))]


def told(segment: Segment) -> int:
    """How far into a segment plugins have heard of its events; an offset, 0 for nowhere."""
    if ".told" not in segment.beside:
        return 0
    try:
        with open(segment.path + ".told", "rb") as file:
            return int(file.read(20))
    except (OSError, ValueError):
        return 0


def set_told(segment: Segment, offset: int) -> None:
    """Remember how far plugins have heard; where it cannot be, they hear again."""
    try:
        fd = os.open(segment.path + ".told", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, b"%-20d" % offset, 0)
        finally:
            os.close(fd)
    except OSError:
        return


def remove(segment: Segment) -> None:
    """Delete a segment that is stored; harmless when another collector was faster."""
    for ending in segment.beside:
        _unlink(segment.path + ending)
    _unlink(segment.file)


def _is_locked(path: str) -> bool:
    """Whether a writer lives. Shared locks let several collectors look at the same time."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True  # sealed or removed in the meantime: not ours to read now
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _is_written(path: str) -> bool:
    """Whether the writer of an unlocked segment lives all the same.

    A host that closes descriptors which are not its own takes the lock away; the writer
    notices at its next line. The number of a dead writer's process may belong to another one
    by now, which then has started after the segment. Where the start of a process cannot be
    read (without ``/proc``), and after an hour of silence, the lock alone counts.
    """
    identity, _, pid = basename(path).rpartition(".")
    started = _start_of(pid)
    if started is None or len(identity) != _ID_LENGTH:
        return False
    begun = int(identity[:8] + identity[9:13], 16) / 1e3  # milliseconds lead a UUIDv7
    try:
        is_silent = time() - os.stat(path + ".open").st_mtime > _SILENCE_S
    except OSError:
        return False
    return started <= begun + _CLOCK_STEP_S and not is_silent


def _start_of(pid: str) -> float | None:
    """When a living process started, in seconds since 1970; ``None`` if that cannot be told."""
    try:
        with open(f"/proc/{int(pid)}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/uptime", "rb") as file:
            uptime_s = float(file.read().split()[0])
        if fields[0] in {b"Z", b"X"}:  # ended, and nobody has asked how
            return None
        return time() - uptime_s + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
