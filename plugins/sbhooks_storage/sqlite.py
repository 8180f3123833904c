"""The event store in an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sbhooks.errors import MigrationError, StoreError
from sbhooks.events import Codec, Event
from sbhooks.garbage import no_cycles
from sbhooks.store import Dimension, EventQuery, Rollup, SqlValue, Tail
from sbhooks_migrations import HEAD
from sbhooks_storage import people, results, rollups
from sbhooks_storage.append import Appender, high_water
from sbhooks_storage.archive_catalog import folder_beside, locked, sweep
from sbhooks_storage.database import (
    BUSY_TIMEOUT_S,
    Database,
    Mode,
    connect,
    create_private,
)
from sbhooks_storage.failures import explained, primary_code, store_error
from sbhooks_storage.history import too_new, version
from sbhooks_storage.migrate import migrate
from sbhooks_storage.query import Reader
from sbhooks_storage.refusals import culprit

_AT_ONCE = 250_000  # rows that one transaction adds to the sums
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


class SqliteEventStore:
    """An :class:`~sbhooks.store.EventStore`; threads and processes may share the file.

    Args:
        database: Connections to a file whose schema is up to date.
        codec: Knows every declared kind.
    """

    def __init__(self, database: Database, codec: Codec) -> None:
        self._database = database
        self._codec = codec
        self._appender = Appender(codec)
        self._reader = Reader(codec)

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def busy(self) -> int:
        """How often this process gave up waiting for another one that writes."""
        return self._database.busy

    @property
    def version(self) -> int:
        """The version of the schema."""
        with self._database.reading() as connection:
            return version(connection)

    @property
    def refusal(self) -> StoreError | None:
        """See :attr:`sbhooks.store.MayRefuse.refusal`."""
        return self._database.refusal

    def events(self, query: EventQuery) -> Iterator[Event]:
        """See :meth:`sbhooks.store.EventReader.events`."""
        with self._database.reading() as connection:
            yield from self._reader.events(connection, query)

    def rollup(self, query: EventQuery, by: Sequence[Dimension] = ()) -> list[Rollup]:
        """See :meth:`sbhooks.store.EventReader.rollup`."""
        with no_cycles(), self._database.reading() as connection:
            return self._reader.rollup(connection, query, by)

    def most_used(self, query: EventQuery, limit: int) -> list[str]:
        """See :meth:`sbhooks.store.RanksSkills.most_used`."""
        with self._database.reading() as connection:
            return self._reader.most_used(connection, query, limit)

    def tail(self, after: int, *, limit: int = 5_000) -> Tail:
        """See :meth:`sbhooks.store.EventReader.tail`."""
        with self._database.reading() as connection:
            newest = high_water(connection)
            while after < newest:
                upto = min(after + max(limit, 1), newest)
                events = self._reader.tail(connection, after, upto)
                if events:
                    return Tail(events=events, position=upto)
                first = self._reader.next_number(connection, upto)
                after = newest if first is None else first - 1
            return Tail(events=[], position=newest)

    def high_water(self) -> int:
        """See :meth:`sbhooks.store.EventReader.high_water`."""
        with self._database.reading() as connection:
            return high_water(connection)

    def append(self, events: Sequence[Event]) -> int:
        """See :meth:`sbhooks.store.EventStore.append`."""
        if not events:
            return 0
        try:
            with no_cycles(), self._database.writing() as connection:
                return self._appender.append(connection, events)
        except (ValueError, TypeError, OverflowError) as error:
            self._appender.forget()
            raise culprit(events) or StoreError(
                f"cannot write to {self.path}: {error}. Nothing of the batch was stored"
            ) from error
        except BaseException:
            self._appender.forget()
            raise

    def rename_people(self, pseudonyms: Mapping[str, str]) -> int:
        """See :meth:`sbhooks.store.EventStore.rename_people`."""
        with self._database.writing() as connection:
            return people.rename_people(connection, pseudonyms, self._codec)

    def erase_user(self, user: str) -> int:
        """See :meth:`sbhooks.store.EventStore.erase_user`."""
        folder = folder_beside(self.path)
        if not folder.is_dir():
            return self._erase(user)
        with locked(folder):
            erased = self._erase(user)
            with explained(self.path, "erase from"), closing(connect(self.path)) as connection:
                sweep(connection)
        return erased

    def keep_results(self, tables: Mapping[str, Sequence[Mapping[str, SqlValue]]]) -> None:
        """See :meth:`sbhooks.store.KeepsResults.keep_results`."""
        try:
            with self._database.writing() as connection:
                results.keep(connection, tables)
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise StoreError(
                    f"cannot keep results in {', '.join(tables)}: {error.__cause__}. "
                    "Nothing was changed; correct the rows"
                ) from error
            raise

    def kept_results(self, table: str) -> list[dict[str, SqlValue]]:
        """See :meth:`sbhooks.store.ShowsResults.kept_results`."""
        with self._database.reading() as connection:
            return results.rows(connection, table)

    def faults(self) -> list[str]:
        """See :meth:`sbhooks.store.SelfChecking.faults`."""
        refusal = self._database.refusal
        found = [] if refusal is None else [str(refusal)]
        with self._database.reading() as connection:
            verdicts = connection.execute("PRAGMA quick_check(5)").fetchall()
        found += [str(verdict) for (verdict,) in verdicts if verdict != "ok"]
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """See :meth:`sbhooks.store.EventStore.close`."""
        self._database.close()

    def _erase(self, user: str) -> int:
        with self._database.writing() as connection:
            erased = people.erase_user(connection, user, self._codec)
        if erased:
            self._database.empty_journal()  # the erased rows also stand there
        return erased


def open_sqlite(path: Path, codec: Codec, *, timeout_s: float = BUSY_TIMEOUT_S) -> SqliteEventStore:
    """Open a database, making or migrating it where necessary.

    What cannot be written here, or was written by a newer version, can still be read.

    Args:
        path: The file; it and its folder are made if they do not exist.
        codec: Knows every declared kind.
        timeout_s: How long to wait while another process writes.

    Raises:
        StoreError: The file cannot be used.
    """
    with explained(path, "open"):
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_private(path)
        if path.is_dir():
            raise StoreError(f"cannot open {path}: it is a folder. Set `store` to a file in it")
        try:
            return _open_writable(path, codec, timeout_s)
        except sqlite3.OperationalError as error:
            if primary_code(error) not in _UNWRITABLE:
                raise
            return _open_readable(path, codec, store_error(error, path, "write to"))


def _open_writable(path: Path, codec: Codec, timeout_s: float) -> SqliteEventStore:
    connection = connect(path, timeout_s=timeout_s)
    try:
        found = version(connection)
        if found < HEAD:
            migrate(connection, path)
            add_up(connection)
    finally:
        connection.close()
    if found > HEAD:
        return _store(path, codec, "ro", too_new(path, found))
    return SqliteEventStore(Database(path, timeout_s=timeout_s), codec)


def add_up(connection: sqlite3.Connection) -> None:
    """Add what a migration has found to the sums; readers get by without them until then."""
    complete = False
    while not complete:
        connection.execute("BEGIN IMMEDIATE")
        try:
            complete = rollups.catch_up(connection, high_water(connection), most=_AT_ONCE)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _open_readable(path: Path, codec: Codec, refusal: StoreError) -> SqliteEventStore:
    """Open for reading only: with SQLite's own files beside it, or as a file nobody writes.

    Raises:
        StoreError: It cannot be read either, or its schema is old.
    """
    mode: Mode = "ro"
    try:
        found = _version_in(path, mode)
    except sqlite3.OperationalError:
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists() and journal.stat().st_size:
            raise refusal from None  # the newest rows stand there and would be missed
        mode = "immutable"
        found = _version_in(path, mode)
    if found < HEAD:
        raise MigrationError(
            f"cannot read {path}: its schema is version {found} and must be migrated to {HEAD}, "
            "but it is read-only here. Run `sbhooks collect` once where you may write to it"
        ) from refusal
    return _store(path, codec, mode, refusal if found == HEAD else too_new(path, found))


def _version_in(path: Path, mode: Mode) -> int:
    connection = connect(path, mode)
    try:
        return version(connection)
    finally:
        connection.close()


def _store(path: Path, codec: Codec, mode: Mode, refusal: StoreError) -> SqliteEventStore:
    return SqliteEventStore(Database(path, mode, refusal=refusal), codec)
