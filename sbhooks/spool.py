"""The spool: durable hand-over of events from host tools to the collector.

A writer appends JSON lines to a segment, a file of its own. Each line is one
``write(2)``, made before :meth:`SpoolWriter.append` returns, so a line that was
acknowledged survives ``kill -9``. Names tell the state:

=================  ==========================================================
``ID.PID.new``     being created; nothing in it yet
``ID.PID.open``    has (or had) a writer, which holds ``flock`` on it
``ID.PID.seg``     sealed: complete
``ID.PID.will``    the writer's last will: see :meth:`SpoolWriter.will`
``ID.PID.told``    how far plugins have heard of its events; written by collectors
``aside/*.jsonl``  lines of kinds that nobody declares (yet)
``aside/*.torn``   lines that are no events: the torn end of a killed writer
=================  ==========================================================

Whoever can take the lock of an open segment knows that its writer is dead.

Hosts are hostile: tests close descriptors that are not theirs, fork, fill disks and delete
folders. So descriptors are kept at high numbers and recognised by their offset before each
use; after a fork only the parent writes; a closed descriptor is replaced by a new segment;
what stands in a deleted segment is written again when it is sealed.

Standard library only: host processes import this module. ``flock`` needs a local file
system, and a POSIX system; elsewhere opening a writer raises ``SpoolError``.
"""

from __future__ import annotations

import os
from errno import EBADF, ESPIPE
from os.path import dirname, join

from sbhooks import descriptors
from sbhooks.descriptors import System
from sbhooks.folders import make_private
from sbhooks.forks import abandon_in_child
from sbhooks.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sbhooks.errors import SpoolError

SLOT_BYTES = 4096  #: Room for one line of a will: one page, so that a write is never seen half.
MAX_LINE_BYTES = 1 << 20  #: Longer lines are neither written nor read as events.
_MAX_SEGMENT_BYTES = 4 << 20
_COPY_BYTES = 1 << 16
_WILL_OFFSET = 0x5B_00C5  # nobody else's file stands exactly here: how we know our descriptor
_END = b"\n"
_HERE = os.SEEK_CUR


class SpoolWriter:
    """Appends lines to segments in ``home/spool``; one per process and source.

    Creates nothing before the first line. Not for use by several threads at once, but a
    signal handler may append while its thread is appending.

    Args:
        home: The folder of sbhooks' data.
        max_bytes: Size at which a segment is sealed and the next one begun.
    """

    __slots__ = (
        "__weakref__",
        "_busy",
        "_fd",
        "_folder",
        "_getpid",
        "_identity",
        "_lseek",
        "_max_bytes",
        "_path",
        "_pid",
        "_pwrite",
        "_size",
        "_slots",
        "_will_fd",
        "_will_identity",
        "_write",
    )  # fmt: skip

    _fd: int
    _will_fd: int
    _identity: tuple[int, int]
    _will_identity: tuple[int, int]
    _size: int
    _path: str

    def __init__(self, home: str, *, max_bytes: int = _MAX_SEGMENT_BYTES) -> None:
        self._folder = join(home, "spool")
        self._max_bytes = max_bytes
        self._write, self._pwrite, self._lseek = os.write, os.pwrite, os.lseek
        self._getpid = os.getpid
        self._pid = os.getpid()
        self._slots: dict[int, bytes] = {}
        self._busy = False
        self._forget()
        # A child that outlives its parent must not keep the parent's lock.
        abandon_in_child(self)

    def append(self, line: bytes) -> None:
        """Write one line; it is on its way to the disk when this returns.

        Args:
            line: JSON without line ends.

        Raises:
            SpoolError: It could not be written (nothing of it was), or this is a fork.
        """
        if self._pid != self._getpid():
            raise descriptors.error("this process is a fork of the one that records")
        if len(line) >= MAX_LINE_BYTES:
            raise descriptors.error(
                f"an event of {len(line)} bytes is too long: nobody would read it"
            )
        if self._busy:
            self._append_apart(line)
            return
        self._busy = True
        try:
            fd, size = self._fd, self._size
            try:  # an appender's offset is its file's size
                ours = self._lseek(fd, 0, _HERE) == size > 0
            except OSError:
                ours = False
            if size > self._max_bytes or not (ours or self._is_ours()):
                self._begin()
                fd, size = self._fd, 0
            written = self._write(fd, line + _END)
            if written <= len(line):
                self._undo()
                raise OSError(f"only {written} of {len(line) + 1} bytes fit")
            self._size = size + written
        except (OSError, ValueError) as error:
            raise self._failed("write", error) from error
        finally:
            self._busy = False

    def will(self, slot: int, line: bytes) -> None:
        """Say what is to be stored if this process dies now.

        The line is an event whose id the real event will have, so the real one, once
        appended, replaces the will. An empty line clears the slot. A line that does
        not fit into a slot clears it too: nothing is better than a torn event.

        Args:
            slot: From 0; each holds one line.
            line: JSON without line ends, at most ``SLOT_BYTES - 1`` bytes.

        Raises:
            SpoolError: It could not be written, or this is a fork.
        """
        if self._pid != self._getpid():
            raise descriptors.error("this process is a fork of the one that records")
        if len(line) >= SLOT_BYTES:
            line = b""
        self._slots[slot] = line
        fd = self._will_fd
        if fd < 0:
            return  # written when the segment begins: nothing to remember before
        try:
            # As _put does, without the call: hosts write a will per test.
            if self._lseek(fd, 0, _HERE) == _WILL_OFFSET and self._pwrite(
                fd, line + _END, slot * SLOT_BYTES
            ) <= len(line):
                _put(fd, slot, b"")
                raise OSError("the disk is full")
        except OSError as error:
            self._will_fd = -1
            if error.errno not in {EBADF, ESPIPE}:  # closed by others: the next segment has it
                raise self._failed("write a will to", error) from error

    def close(self) -> None:
        """Seal the segment; closing twice is harmless, and a fork only forgets.

        Raises:
            SpoolError: The segment was deleted and could not be written again.
        """
        segment = self._fd, self._identity, self._path
        will = self._will_fd, self._will_identity
        self._forget()
        try:
            if segment[2] and self._pid == self._getpid():
                self._seal(*segment)
        except (OSError, ValueError) as error:
            raise self._failed("seal a segment of", error) from error
        finally:
            descriptors.close_ours(*segment[:2])
            descriptors.close_ours(*will)

    def leave(self, words: Sequence[bytes]) -> bool:
        """Close without sealing, with these lines in place of the will, which has its room.

        For lines that could not be appended because the disk is full: a collector stores them
        as what a dead writer left.

        Returns:
            Whether that worked; otherwise the segment is still to be closed.
        """
        if self._will_fd < 0 or self._pid != self._getpid():
            return False
        try:
            for slot in sorted({*self._slots, *range(len(words))}):
                self.will(slot, words[slot] if slot < len(words) else b"")
        except SpoolError:
            return False
        if self._will_fd < 0:
            return False  # somebody else had closed it
        ours = (self._fd, self._identity), (self._will_fd, self._will_identity)
        self._forget()
        for fd, identity in ours:
            descriptors.close_ours(fd, identity)
        return True

    @property
    def is_busy(self) -> bool:
        """Whether a line is being written at this moment."""
        return self._busy

    def abandon(self) -> None:
        """Let go of everything without a trace on disk: what a forked child does."""
        self._path = ""
        self._busy = False
        self.close()

    def _forget(self) -> None:
        self._fd = self._will_fd = -1
        self._identity = self._will_identity = (0, 0)
        self._size = 0
        self._path = ""

    def _failed(self, what: str, error: OSError | ValueError) -> SpoolError | OSError:
        reason = getattr(error, "strerror", None) or error
        return descriptors.error(
            f"cannot {what} the spool in {self._folder}: {reason}. Run: sbhooks doctor"
        )

    def _is_ours(self) -> bool:
        """Whether the descriptor still is the segment: an appender's offset is its file's size."""
        if self._fd < 0:
            return False
        try:
            if self._lseek(self._fd, 0, _HERE) != self._size:
                return False
        except OSError as error:
            if error.errno not in {EBADF, ESPIPE}:
                raise
            return False
        # Many a stranger's file stands at 0.
        return self._size > 0 or descriptors.identity_of(self._fd) == self._identity

    def _append_apart(self, line: bytes) -> None:
        """Write a line while another is half written below us on the stack, in a signal handler.

        Its own segment keeps the state of this writer untouched.
        """
        apart = SpoolWriter(dirname(self._folder))
        try:
            apart.append(line)
        finally:
            apart.close()

    def _undo(self) -> None:
        """Take back a partial line, so that what follows is not glued to it."""
        try:
            System.ftruncate(self._fd, self._size)
            self._lseek(self._fd, self._size, os.SEEK_SET)
        except OSError:
            self._size = -1  # not recognised any more: this segment ends with the torn line
            raise

    def _begin(self) -> None:
        """Begin a segment with the same will, then seal the one before, if there is one.

        In this order, so that there is a will at every moment.
        """
        make_private(self._folder)
        path = join(self._folder, f"{new_id()}.{self._pid}")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        fd = will_fd = -1
        try:
            fd = descriptors.high(descriptors.create(path + ".new", flags | os.O_APPEND))
            descriptors.lock(fd)
            # The will must exist before the segment does: a segment without one was closed.
            will_fd = descriptors.high(descriptors.create(path + ".will", flags))
            for slot, line in list(self._slots.items()):
                _put(will_fd, slot, line)
            System.lseek(will_fd, _WILL_OFFSET, os.SEEK_SET)
            begun = fd, descriptors.identity_of(fd), path, will_fd, descriptors.identity_of(will_fd)
            System.rename(path + ".new", path + ".open")
        except BaseException:  # a signal handler may raise anything, here too
            for ending in (".new", ".will", ".open"):
                descriptors.unlink(path + ending)
            for descriptor in (fd, will_fd):
                if descriptor >= 0:
                    System.close(descriptor)
            raise
        try:
            self.close()
        finally:
            self._fd, self._identity, self._path, self._will_fd, self._will_identity = begun

    def _seal(self, fd: int, identity: tuple[int, int], path: str) -> None:
        descriptors.unlink(path + ".will")
        try:
            System.rename(path + ".open", path + ".seg")
        except OSError:
            # Where only the renaming failed, it counts as complete as soon as its lock is gone.
            if descriptors.identity_of(path + ".open") != identity == descriptors.identity_of(fd):
                self._write_again(fd, path)

    def _write_again(self, fd: int, path: str) -> None:
        """Save a segment that somebody deleted; its content is there while it is open."""
        make_private(self._folder)
        copy = descriptors.create(
            path + ".new", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        )
        try:
            position = 0
            while data := System.pread(fd, _COPY_BYTES, position):
                position += System.write(copy, data)
        finally:
            System.close(copy)
        System.rename(path + ".new", path + ".seg")


def _put(fd: int, slot: int, line: bytes) -> None:
    """Write a line into a slot, whole or not at all."""
    place = slot * SLOT_BYTES
    if System.pwrite(fd, line + _END, place) <= len(line):
        System.pwrite(fd, _END, place)  # half of it before the rest of an older line is no will
        raise OSError("the disk is full")
