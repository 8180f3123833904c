"""Connections to one SQLite file, for any number of threads.

Each use takes a connection of its own: a reader sees one state from its first to its last
row, whatever is written meanwhile. Connections are kept for the next use.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sbhooks.errors import StoreError
from sbhooks_storage.failures import explained, primary_code

Mode = Literal["rw", "ro", "immutable"]
BUSY_TIMEOUT_S = 30.0  #: How long a writer waits for another before it gives up.
_CACHE_KIB = 16 * 1024
_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024


def connect(
    path: Path, mode: Mode = "rw", *, timeout_s: float = BUSY_TIMEOUT_S
) -> sqlite3.Connection:
    """Open a database file that exists.

    Transactions are begun and ended by the caller; foreign keys are on; a commit survives a
    power cut.

    Args:
        path: The file.
        mode: ``"immutable"`` reads a file that nobody writes, without any lock: what remains
            in a folder where SQLite may not create its own files.
        timeout_s: How long to wait while another connection writes.
    """
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        timeout=timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if mode == "rw":
            _use_wal(connection, timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def create_private(path: Path) -> None:
    """Make an empty database file that only its owner can read; none if there is one.

    The file is complete before it gets its name: closing a second descriptor of a database
    would drop the locks that this process holds on it.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    finally:
        new.unlink()


class Database:
    """A pool of connections to one file.

    Args:
        path: The file; it exists.
        mode: How to open it.
        refusal: Why nothing may be written, when that is so.
        timeout_s: How long to wait for other writers.
    """

    def __init__(
        self,
        path: Path,
        mode: Mode = "rw",
        *,
        refusal: StoreError | None = None,
        timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self.path = path
        self._mode = mode
        self.refusal = refusal
        self.busy = 0  #: How often somebody gave up waiting for another process.
        self._timeout_s = timeout_s
        self._idle: list[sqlite3.Connection] = []
        self._pid = os.getpid()
        self._write = threading.Lock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a read transaction.

        Raises:
            StoreError: The database cannot be read.
        """
        with explained(self.path, "read"), self._lent() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            except sqlite3.OperationalError as error:
                if primary_code(error) == sqlite3.SQLITE_ERROR and self.refusal is not None:
                    raise self.refusal from error  # a newer schema without some table or column
                raise
            finally:
                _end(connection, "ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a write transaction; commits at the end, or undoes everything.

        Raises:
            StoreError: The database cannot be written; it is as it was.
        """
        if self.refusal is not None:
            raise self.refusal
        with explained(self.path, "write to"), self._write, self._lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _end(connection, "ROLLBACK")
                raise

    def empty_journal(self) -> None:
        """Move everything from the write-ahead log into the file, unless somebody is reading."""
        with explained(self.path, "write to"), self._lent() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Close what is idle now, and the rest when its user is done."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise StoreError(f"cannot use {self.path}: the store has been closed. Open it again")
        if self._pid != os.getpid():  # a connection must not be carried over a fork
            self._idle, self._pid, self._write = [], os.getpid(), threading.Lock()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self.path, self._mode, timeout_s=self._timeout_s)
        try:
            yield connection
        except sqlite3.Error as error:
            self.busy += primary_code(error) == sqlite3.SQLITE_BUSY
            connection.close()  # whatever state it is in, nobody uses it again
            raise
        except BaseException:  # such as the end of somebody who needed only the first events
            self._take_back(connection)
            raise
        self._take_back(connection)

    def _take_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)


def _use_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Let readers and a writer work at once.

    SQLite does not wait for locks when two connections change the mode at the same time.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    deadline = time.monotonic() + timeout_s
    while mode != "wal":
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                break  # a file system without shared memory: the slower journal is safe too
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}").fetchone()


def _end(connection: sqlite3.Connection, statement: str) -> None:
    """End a transaction that an error may have ended already."""
    if connection.in_transaction:
        connection.execute(statement)
